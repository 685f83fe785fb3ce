"""The contract's triggers as Prometheus rules, to watch a platform between drills.

They are evaluated once a minute, so on samples without gaps an alert fires in the same minute as
Muster's detectors. With gaps they differ, because `for:` starts over when a window is unknown;
DIFFERENCES describes this at the head of the file.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import yaml

from muster.contract.model import Contract, Gate, Tier

DIFFERENCES = """\
Made from the scale contract by `chaos drill contract export`; change the contract, not this file.

Where these rules and Muster's own detectors differ:
- A minute without samples starts the `for:` of a rate or a hard failure over; for Muster it neither
  counts nor resets, and more than 3 in a row are data lost.
- An increase over a shorter gap counts here. Muster leaves the gap out, since nobody knows what
  happened in it: a hard failure's alert may then come a minute before Muster's trigger.
- A gauge stands here for five minutes after its last sample. For Muster a circuit stays as it was
  last seen, and the time that a queue was out of sight is left out.
- `increase()` extrapolates to the window's ends, in floats; Muster subtracts what was scraped and
  compares whole numbers.
- Muster leaves out regions out of rotation and what a declared fault must cause.
- Only the platform's own count is seen here; Muster also takes the client's; the worse decides.
- A hard failure is unresolved here after a minute of increases; Muster also knows its cause.
"""
READINESS_S = 3600
"""Longer than from one look of the doctor to the next: a drill holds the lock for one of them."""
GAME_DAY_MISSED = "15d"
"""Two weeks and a day. A Prometheus forgets after 15 days unless it is told otherwise."""
DOCTOR_SILENT_S = 5400
"""Three looks that did not come, in seconds."""
REQUESTS = "http_server_requests_total"
WINDOW = "1m"


def prometheus_rules(contract: Contract) -> dict[str, Any]:
    """Recording and alerting rules as Prometheus reads them."""
    # One group, whose rules run in order: an alert sees what was recorded in its own minute.
    rules = _recording(contract)
    for gate in contract.gates.values():
        rules += _alerts(contract, gate, contract.tiers[gate.tier])
    groups = [{"name": "muster", "interval": "1m", "rules": rules}]
    groups.append({"name": "muster-readiness", "interval": "1m", "rules": _readiness()})
    groups.append({"name": "muster-game-days", "interval": "1m", "rules": _game_days()})
    return {"groups": groups}


def rules_yaml(contract: Contract) -> str:
    """The rules' file; its head says what the rules can not express."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in DIFFERENCES.splitlines())
    return head + yaml.safe_dump(prometheus_rules(contract), sort_keys=False, width=1000)


def _grown(metric: str, matchers: str = "") -> str:
    return f"sum by (region) (increase({metric}{matchers}[{WINDOW}]))"


def _recording(contract: Contract) -> list[dict[str, Any]]:
    broken = f"({_grown('chat_streams_broken_total')} or 0 * muster:requests:increase1m)"
    good = _grown(REQUESTS, '{code=~"2.."}')
    failed, shed = _grown(REQUESTS, '{code=~"5.."}'), _grown(REQUESTS, '{code="429"}')
    p95 = float(contract.measurement.percentile)
    rules = [
        ("muster:requests:increase1m", _grown(REQUESTS)),
        (
            "muster:rate_5xx:ratio1m",
            f"({failed} or 0 * muster:requests:increase1m) / (muster:requests:increase1m > 0)",
        ),
        (
            "muster:rate_429:ratio1m",
            f"({shed} or 0 * muster:requests:increase1m) / (muster:requests:increase1m > 0)",
        ),
        (
            "muster:success_2xx:ratio1m",
            f"(({good} or 0 * muster:requests:increase1m) - {broken})"
            " / (muster:requests:increase1m > 0)",
        ),
    ]
    canaries = "muster_load_canaries_total"
    answered = f'sum(increase({canaries}{{outcome="answered"}}[{WINDOW}]))'
    sent = f"(sum(increase({canaries}[{WINDOW}])) > 0)"
    # Muster's own load sends them, so there is data only during drills.
    rules.append(("muster:availability:ratio1m", f"({answered} or 0 * {sent}) / {sent}"))
    for kind, metric in (
        ("first_token", "gen_ai_server_time_to_first_token_seconds"),
        ("completion", "gen_ai_server_request_duration_seconds"),
    ):
        for name in contract.tiers:
            threshold_s: float = getattr(contract.tiers[name], f"{kind}_p95_s_max")
            # Prometheus 2 writes `le="3"`, Prometheus 3 `le="3.0"`.
            le = _le(threshold_s)
            under = _grown(f"{metric}_bucket", f'{{le=~"{le}"}}')
            rules.append(
                (
                    f"muster:{kind}_within_{name.lower()}:ratio1m",
                    f"{under} / ({_grown(f'{metric}_count')} > 0)",
                )
            )
        rules.append(
            (
                f"muster:{kind}_p95_shown:seconds",
                f"histogram_quantile({p95:g}, sum by (region, le) "
                f"(rate({metric}_bucket[{WINDOW}])))",
            )
        )
    return [{"record": name, "expr": expr} for name, expr in rules]


def _le(threshold_s: float) -> str:
    whole = f"{threshold_s:g}"
    return f"{whole}(\\\\.0)?" if "." not in whole else whole.replace(".", "\\\\.")


def _alerts(contract: Contract, gate: Gate, tier: Tier) -> list[dict[str, Any]]:
    triggers = contract.triggers
    reasons = "|".join(triggers.hard_failure.reasons)
    queue_s, circuit_s = triggers.queue_age.over_s_max, triggers.circuit_open.open_s_max
    rules = [
        # The first breach is seen at the end of its minute, so N of them take N - 1 more minutes.
        (
            "MusterRate5xx",
            f"muster:rate_5xx:ratio1m > {_number(tier.rate_5xx_max)}",
            60 * (triggers.rate_5xx.windows - 1),
            f"5xx over the limit for {triggers.rate_5xx.windows} minutes",
        ),
        (
            "MusterSuccess2xx",
            f"muster:success_2xx:ratio1m < {_number(tier.success_2xx_min)}",
            60 * (triggers.success_2xx.windows - 1),
            f"2xx below the floor for {triggers.success_2xx.windows} minutes",
        ),
        (
            "MusterCircuitOpen",
            "max by (region, instance) "
            f'(chat_provider_circuit_open{{route="{triggers.circuit_open.route}"}}) == 1',
            circuit_s,
            f"the {triggers.circuit_open.route} circuit is open for longer than {circuit_s:g} s",
        ),
        (
            "MusterQueueAge",
            f"max by (region) (chat_queue_oldest_job_age_seconds) > {gate.queue_age_s_max:g}",
            queue_s,
            f"oldest job over {gate.queue_age_s_max:g} s for longer than {queue_s:g} s",
        ),
        (
            "MusterHardFailure",
            "sum by (region, reason) "
            f'(increase(chat_admission_failures_total{{reason=~"{reasons}"}}[{WINDOW}])) > 0',
            triggers.hard_failure.unresolved_s,
            "a hard failure of authentication or admission is unresolved",
        ),
        (
            "MusterDataLost",
            f"absent_over_time({REQUESTS}[{WINDOW}])",
            60 * triggers.unknown_windows_max,
            f"no data for more than {triggers.unknown_windows_max} minutes",
        ),
    ]
    return [
        {
            "alert": name,
            "expr": expr,
            "for": f"{for_s:g}s",
            "labels": {"gate": gate.name, "tier": tier.name, "severity": "rollback"},
            "annotations": {"summary": summary, "source": triggers.source},
        }
        for name, expr, for_s, summary in rules
    ]


def _readiness() -> list[dict[str, Any]]:
    """Alerts on what `chaos drill doctor --textfile` writes every 30 minutes (docs/doctor.md)."""
    rules = [
        (
            "MusterNotReady",
            "muster_doctor_ready == 0",
            READINESS_S,
            "no drill could start on {{ $labels.target }} for over an hour",
        ),
        (
            "MusterDoctorSilent",
            f"time() - muster_doctor_timestamp_seconds > {DOCTOR_SILENT_S}",
            0,
            "the doctor has not looked at {{ $labels.target }} for a long time",
        ),
    ]
    return [
        {
            "alert": name,
            "expr": expr,
            "for": f"{for_s}s",
            "labels": {"severity": "ticket"},
            "annotations": {"summary": summary, "source": "docs/doctor.md"},
        }
        for name, expr, for_s, summary in rules
    ]


def _game_days() -> list[dict[str, Any]]:
    """An alert on drills that did not run: the load of each leaves its counter in Prometheus."""
    return [
        {
            "alert": "MusterGameDayMissed",
            "expr": f"absent_over_time(muster_load_scheduled_total[{GAME_DAY_MISSED}])",
            "for": "0s",
            "labels": {"severity": "ticket"},
            "annotations": {
                "summary": f"no drill has run for {GAME_DAY_MISSED}",
                "source": "docs/notify.md",
            },
        }
    ]


def _number(share: Fraction) -> str:
    """An exact decimal: the limits are whole multiples of 0.00001."""
    return f"{float(share):.9f}".rstrip("0").rstrip(".")
