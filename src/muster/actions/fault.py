"""The single faults of the experiments as Chaos Toolkit actions (imports as in `failover`).

Each is defined in the file of its fault: the function there makes the fault, and becomes here the
action of its name, with `seconds` before its own arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from muster.actions.wrap import activity, as_activity

if TYPE_CHECKING:
    from collections.abc import Callable

    from muster.drill.session import Session
    from muster.faults import DrillStep


@activity
def recovery(session: Session, seconds: float) -> str:
    """Hold the load for `seconds` of real time after the fault, still judged."""
    from muster.drill.phases import single_fault

    single_fault.recovery(session, seconds)
    return "held"


def __dir__() -> list[str]:
    return [*globals(), "__all__", *_singles()]


def __getattr__(name: str) -> Any:
    # Called for any name that is not defined above, so that the faults are searched only then.
    if name == "__all__":
        return sorted(["recovery", *_singles()])
    step = None if name.startswith("__") else _singles().get(name)
    if step is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _action(step)


def _singles() -> dict[str, DrillStep]:
    from muster.faults import registered

    # A wrong registration is refused by the drill's control in one line, and not here.
    return {step.func: step for step in registered().steps if step.make and step.module == __name__}


def _action(step: DrillStep) -> Callable[..., str]:
    def run(session: Session, seconds: float, **arguments: Any) -> str:
        from muster.drill.phases import single_fault

        single_fault.run(session, step, seconds, arguments)
        return "applied, observed, reverted"

    return as_activity(run, step)
