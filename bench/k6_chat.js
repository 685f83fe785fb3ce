// k6 as it comes: one virtual user a stream. k6 has no streaming in its HTTP client: it reads a body
// whole and tells when the first byte came, which is when the server sends the first token.
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";

const quantiles = JSON.parse(__ENV.QUANTILES);
const from = Number(__ENV.HOLD_FROM_S) * 1000;
const until = Number(__ENV.HOLD_UNTIL_S) * 1000;
const error = new Trend("first_token_error_ms");
const whole = new Counter("whole");
const failed = new Counter("failed");

export const options = {
  scenarios: {
    chat: {
      executor: "ramping-vus",
      startVUs: 0,
      stages: [
        { duration: `${__ENV.RAMP_S}s`, target: Number(__ENV.STREAMS) },
        { duration: `${__ENV.STAY_S}s`, target: Number(__ENV.STREAMS) },
      ],
      gracefulStop: "0s",
      gracefulRampDown: "0s",
    },
  },
  summaryTrendStats: ["p(95)"],
};

function tokens() {
  const share = Math.random();
  let at = 1;
  while (quantiles[at][0] < share) at += 1;
  const [low, few] = quantiles[at - 1];
  const [high, many] = quantiles[at];
  return Math.max(1, Math.round(few + ((many - few) * (share - low)) / (high - low)));
}

export default function () {
  const body = JSON.stringify({
    model: "muster-stub",
    messages: [{ role: "user", content: "All hands." }],
    stream: true,
    max_tokens: tokens(),
  });
  const answer = http.post(__ENV.URL, body, {
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    timeout: "90s",
  });
  const now = Date.now();
  if (now < from || now >= until) return;
  if (answer.status !== 200 || !answer.body.endsWith("data: [DONE]\n\n")) {
    failed.add(1);
    return;
  }
  whole.add(1);
  const took = answer.timings;
  const first = took.blocked + took.connecting + took.sending + took.waiting;
  error.add(first - Number(answer.headers["Openai-Processing-Ms"]));
}

export function handleSummary(data) {
  const value = (name, key) => (data.metrics[name] ? data.metrics[name].values[key] : null);
  const told = {
    error_p95_ms: value("first_token_error_ms", "p(95)"),
    whole: value("whole", "count") || 0,
    failed: value("failed", "count") || 0,
  };
  return { [__ENV.RESULT]: JSON.stringify(told) };
}
