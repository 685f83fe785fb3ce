"""The single faults around other phases as Chaos Toolkit actions (imports as in `failover`).

Each single fault has two here: `begin_F` takes its own arguments, and `region` (`evacuated` or
`survivor`) if it acts on one region; `end_F` takes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from muster.actions.wrap import as_activity

if TYPE_CHECKING:
    from collections.abc import Callable

    from muster.drill.session import Session
    from muster.faults import DrillStep


def __dir__() -> list[str]:
    return [*globals(), "__all__", *_steps()]


def __getattr__(name: str) -> Any:
    # Called for any name that is not defined above, so that the faults are searched only then.
    if name == "__all__":
        return sorted(_steps())
    step = None if name.startswith("__") else _steps().get(name)
    if step is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _action(step)


def _steps() -> dict[str, DrillStep]:
    from muster.faults import registered
    from muster.faults.around import around

    return {step.func: step for step in around(registered().steps)}


def _action(step: DrillStep) -> Callable[..., str]:
    def run(session: Session, **arguments: Any) -> str:
        from muster.drill.phases import compound

        if step.ends:
            compound.end(session, step)
            return "seen throughout, reverted"
        compound.begin(session, step, arguments)
        return "applied, observed, goes on"

    return as_activity(run, step)
