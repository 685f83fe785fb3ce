"""Locust as it comes: one FastHttpUser a stream, reading events as its client offers them.

What is measured between HOLD_FROM_S and HOLD_UNTIL_S (epoch) goes to RESULT as JSON when it quits.
"""

import json
import os
import random
import time
from bisect import bisect_left

from locust import FastHttpUser, constant, events, task
from locust.contrib.fasthttp import FastResponse

CHAT_PATH = os.environ["CHAT_PATH"]
QUANTILES = json.loads(os.environ["QUANTILES"])
SHARES = [share for share, _ in QUANTILES]
HOLD_FROM_S = float(os.environ["HOLD_FROM_S"])
HOLD_UNTIL_S = float(os.environ["HOLD_UNTIL_S"])
errors_ms: dict[int, int] = {}
ended = {"whole": 0, "failed": 0}
draw = random.Random(1)


def tokens() -> int:
    """A length from the profile's quantiles, straight lines between."""
    share = draw.random()
    at = max(1, bisect_left(SHARES, share))
    (low, few), (high, many) = QUANTILES[at - 1], QUANTILES[at]
    return max(1, round(few + (many - few) * (share - low) / (high - low)))


class Chat(FastHttpUser):
    """Streams without a pause between them, so that a user is an open stream."""

    wait_time = constant(0)

    @task
    def stream(self) -> None:
        body = {
            "model": "muster-stub",
            "messages": [{"role": "user", "content": "All hands."}],
            "stream": True,
            "max_tokens": tokens(),
        }
        began_s = time.perf_counter()
        whole = False
        with self.client.post(CHAT_PATH, json=body, stream=True, catch_response=True) as answer:
            if answer.status_code == 200:
                whole = self.read(answer, began_s)
            if whole:
                answer.success()
            else:
                answer.failure("not whole")
        if HOLD_FROM_S <= time.time() < HOLD_UNTIL_S:
            ended["whole" if whole else "failed"] += 1

    def read(self, answer: FastResponse, began_s: float) -> bool:
        """Event by event to the last; whether it came."""
        events = answer.stream
        first = True
        while event := events.readline(b"\n\n"):
            if first and b'"content":""' not in event:
                first = False
                after_ms = (time.perf_counter() - began_s) * 1000
                if HOLD_FROM_S <= time.time() < HOLD_UNTIL_S:
                    error_ms = round(after_ms - int(answer.headers["openai-processing-ms"]))
                    errors_ms[error_ms] = errors_ms.get(error_ms, 0) + 1
            if event.startswith(b"data: [DONE]"):
                events.read()
                return True
        return False


@events.quitting.add_listener
def write(**_: object) -> None:
    with open(os.environ["RESULT"], "w", encoding="utf-8") as file:
        json.dump({"errors_ms": sorted(errors_ms.items()), **ended}, file)
