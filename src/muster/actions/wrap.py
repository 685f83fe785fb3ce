"""What every Muster activity does around its one call: find the session, fail in one line."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from chaoslib.exceptions import ActivityFailed

from muster.drill.current import current
from muster.effects import asking
from muster.errors import MusterError

if TYPE_CHECKING:
    from muster.drill.session import Session
    from muster.faults import DrillStep

P = ParamSpec("P")
R = TypeVar("R")


def as_activity(run: Callable[..., str], step: DrillStep) -> Callable[..., str]:
    """`run`, which takes the session and the step's arguments, as the action of the step."""
    run.__name__ = run.__qualname__ = step.func
    run.__doc__ = step.said
    first = inspect.Parameter("session", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature([first, *step.parameters], return_annotation="str")
    run.__annotations__ = {one.name: one.annotation for one in step.parameters} | {"return": "str"}
    run.__signature__ = signature  # type: ignore[attr-defined]
    return activity(run)


def activity(call: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """`call` as an activity: the session is filled in as its first argument; errors fail the
    activity.
    """

    @functools.wraps(call)
    def run(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            session = current()
            with asking(lambda: session.check_lock()):
                return call(session, *arguments, **named)
        except MusterError as error:
            raise ActivityFailed(str(error)) from error

    # Chaos Toolkit validates arguments against the signature, of which the session is no part.
    signature = inspect.signature(call)
    parameters = list(signature.parameters.values())[1:]
    shown: Any = run
    shown.__signature__ = signature.replace(parameters=parameters)
    shown.__annotations__ = {
        name: kind for name, kind in call.__annotations__.items() if name != "session"
    }
    return run
