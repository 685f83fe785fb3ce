"""Series for the journal, through chaostoolkit-prometheus. They are not judged.

That extension returns Prometheus' raw response, in which no data is an empty list and values are
strings, and it has no HTTP time-out. It therefore runs in its own thread, which can be abandoned.
It takes only a URL: if a server needs credentials, or there are several, Muster queries them
itself.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["query"]


@activity
def query(session: Session, signal: str) -> dict[str, Any]:
    """Prometheus' instant answer for one of the target's signals, unchanged and not mapped.

    For a signal with several selectors it is the first one's. Raises ActivityFailed for a signal
    that the target does not name, if no answer comes, or if the answer is partial.
    """
    how = session.target.signals.get(signal)
    if how is None and signal in session.target.declared:
        why = session.target.declared[signal]
        raise ActivityFailed(f'target {session.target.name}: signals.{signal}: none: "{why}"')
    if how is None:
        raise ActivityFailed(f"target {session.target.name}: signals.{signal} is not set")
    selector = how if isinstance(how, str) else how.selectors[0]
    if not session.target.prometheus.plain:
        return _by_muster(session, signal, selector)
    # Imported here: `chaos` imports this module at every start, and must stay fast.
    from chaosprometheus.probes import query as ask

    from muster.platform.metrics.prometheus import partial

    answer: dict[str, Any] = {}

    def run() -> None:
        try:
            url = session.target.prometheus.url
            answer["answer"] = ask(query=selector, configuration={"prometheus_base_url": url})
        except Exception as error:  # reported by the caller, in its own thread
            answer["error"] = f"{type(error).__name__}: {error}"

    thread = threading.Thread(target=run, name="muster-series", daemon=True)
    thread.start()
    thread.join(session.target.prometheus.timeout_s)
    if "answer" not in answer:
        raise ActivityFailed(f"{signal}: {answer.get('error', 'no answer in time')}")
    found: dict[str, Any] = answer["answer"]
    if said := partial(found):
        raise ActivityFailed(f"{signal}: partial answer: {said}")
    return found


def _by_muster(session: Session, signal: str, selector: str) -> dict[str, Any]:
    """The same document, built from what the target's own adapter returns."""
    from muster.platform.metrics import MetricsError

    try:
        found = session.metrics.instant(selector)
    except MetricsError as error:
        raise ActivityFailed(f"{signal}: {error}") from error
    now_s = session.clock.now_s()
    result = [
        {"metric": dict(labels), "value": [now_s, "NaN" if value is None else str(value)]}
        for labels, value in found
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}
