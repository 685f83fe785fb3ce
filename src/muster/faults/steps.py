"""What an activity of a drill means to Muster, defined beside the fault that it applies.

- `single_fault` turns a function that makes a fault into a whole step: an action of
  `muster.actions.fault`, the phase `fault`, and `recovery` after it.
- A number that such a function takes says within which values, and in which unit: `latency_ms:
  Annotated[int, Within(1, 10_000, "ms")]`. Anything else is refused before anything is started.
- `drill_step` says what a step with its own phases does. Its action is a function in
  `muster.actions`; a step that changes something names in `then` the steps that must follow, and
  the last of these reverts the change.

`registry` finds both by searching; there is no list.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from muster.errors import MusterError
from muster.faults.model import Fault
from muster.numbers import is_number

if TYPE_CHECKING:
    from muster.platform import Platform
    from muster.targets.model import Target

SINGLE = "muster.actions.fault"
"""The module under which a drill's JSON finds the single faults."""
SECONDS = inspect.Parameter("seconds", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="float")


@dataclass(frozen=True)
class Within:
    """The values that a number may have: from `least` to `most`, in `unit`."""

    least: float
    most: float
    unit: str

    def __str__(self) -> str:
        return f"from {self.least:g} to {self.most:g} {self.unit}"

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.most


REGIONS = ("evacuated", "survivor")
"""The regions that a step may name: no drill says where it runs, so it names none by its name."""
HOLD = Within(0, 3600, "s")
"""How long a single fault may be held: no drill needs more, and a slip of a digit gives less."""


@dataclass(frozen=True)
class Scene:
    """The input of a plan's steps. `minute_s`: how long a minute of the drill lasts, in seconds.

    `chosen`: on which of `REGIONS` the step acts. `held`: whether clients of the load keep their
    connections past the TTL. `seed`: of the run, for what is chosen at random.
    """

    platform: Platform
    minute_s: float = 60.0
    chosen: str = "evacuated"
    held: bool = False
    seed: int = 0

    @property
    def target(self) -> Target:
        """The target from which the platform was created."""
        return self.platform.target

    @property
    def region(self) -> str:
        """The region on which the step acts: the one that is evacuated, or the first survivor."""
        return self.target.survivors[0] if self.chosen == "survivor" else self.target.evacuate

    def lasts(self, minutes: float) -> str:
        """How long `minutes` of the drill last, for a person."""
        return f"{minutes * self.minute_s:.0f} s"


@dataclass(frozen=True)
class Planned:
    """What a step will do, in words for a person, and the faults that it applies or reverts."""

    what: str
    faults: tuple[Fault, ...] = ()


class WrongArgument(MusterError):
    """An argument of an activity does not fit. `key` is empty if the activity as a whole does not
    fit.
    """

    def __init__(self, key: str, value: object, wanted: str) -> None:
        self.key = key
        self.value = value
        self.wanted = wanted
        super().__init__(f"{key}: {value!r}: {wanted}")


@dataclass(frozen=True)
class DrillStep:
    """One activity of a drill's method, by the module and function that its JSON names.

    `phase` is what it records (None: it records no phase of its own). `then` names the functions
    that must follow it, in order. `back`: it reverts its faults instead of applying them. `make` is
    set for a single fault, which its own phase reverts: the function that makes the fault. `ends`:
    the function of the step whose faults it reverts, where the two belong to no block.
    `limits`: within which values an argument must lie. `recalls`: outages of the public record for
    which its fault stands, in Markdown. `fault`: the class of what it applies, where it has no
    `make`. `shared`: several steps may name it in `then`; one that is `back` reverts what the step
    before it applied.
    """

    module: str
    func: str
    phase: str | None
    parameters: tuple[inspect.Parameter, ...]
    plan: Callable[..., Planned]
    then: tuple[str, ...] = ()
    back: bool = False
    make: Callable[..., Fault] | None = None
    said: str = ""
    where: str = ""
    limits: Mapping[str, Within] = field(default_factory=dict)
    recalls: str = ""
    ends: str = ""
    fault: type[Fault] | None = None
    shared: bool = False

    def planned(self, scene: Scene, given: Mapping[str, Any]) -> Planned:
        """What the step will do with the arguments `given`. Raises WrongArgument; MusterError."""
        known = {one.name: one for one in self.parameters}
        missing = [name for name in known if name not in given]
        if missing or len(given) != len(known):
            wanted = f"the arguments {', '.join(known)}" if known else "no arguments"
            raise WrongArgument("", dict(given), wanted)
        for name, one in known.items():
            wanted, fits = KINDS[one.annotation]
            limit = self.limits.get(name)
            if not fits(given[name]) or (limit is not None and given[name] not in limit):
                wanted += f" {limit}" if limit is not None else ""
                raise WrongArgument(name, given[name], wanted)
        return self.plan(scene, **given)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _numbers(value: Any) -> bool:
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return listed and all(is_number(one) for one in value)


KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "float": ("a number", is_number),
    "int": ("a whole number", _whole),
    "str": ("a text", lambda value: isinstance(value, str)),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "list[float]": ("a list of numbers", _numbers),
}
"""What an argument may be, by its annotation: a text for people, and a check of a value."""
NUMBERS = ("float", "int")


def drill_step(
    module: str,
    *,
    phase: str | None,
    then: tuple[str, ...] = (),
    back: bool = False,
    fault: type[Fault] | None = None,
    recalls: str = "",
    shared: bool = False,
) -> Callable[[Callable[..., Planned]], DrillStep]:
    """Register the function, which plans, as the step of the action of its name in `module`.

    What else it takes: as in `DrillStep`.
    """

    def made(plan: Callable[..., Planned]) -> DrillStep:
        parameters, limits = _parameters(plan)
        return DrillStep(
            module, plan.__name__, phase, parameters, plan, then, back,
            said=inspect.getdoc(plan) or "", where=_where(plan), limits=limits,
            recalls=recalls, fault=fault, shared=shared,
        )  # fmt: skip

    return made


def single_fault(what: str, recalls: str = "") -> Callable[[Callable[..., Fault]], DrillStep]:
    """Register the function, which makes a fault, as a whole step: action, phase, hold and
    recovery.

    Its parameters after the scene are the action's arguments, besides `seconds`, the length of the
    hold; `chaos discover` shows its docstring. A number among them has limits (`Within`). `what` is
    the plan's line: it may contain `{region}` and `{seconds:g}`. `recalls` as in `DrillStep`.
    """
    what.format(region="", seconds=0.0)

    def made(make: Callable[..., Fault]) -> DrillStep:
        def plan(scene: Scene, seconds: float, **given: Any) -> Planned:
            line = what.format(region=scene.region, seconds=seconds)
            return Planned(line, (make(scene, **given),))

        own, limits = _parameters(make)
        if loose := [
            one.name for one in own if one.annotation in NUMBERS and one.name not in limits
        ]:
            raise TypeError(f"{make.__name__}: {', '.join(loose)}: a number has limits (Within)")
        return DrillStep(
            SINGLE, make.__name__, "fault", (SECONDS, *own), plan, ("recovery",), make=make,
            said=inspect.getdoc(make) or "", where=_where(make), limits={"seconds": HOLD} | limits,
            recalls=recalls,
        )  # fmt: skip

    return made


def _parameters(
    call: Callable[..., Any],
) -> tuple[tuple[inspect.Parameter, ...], dict[str, Within]]:
    """Its parameters after the scene, and the limits of those that have any.

    Raises TypeError for one that JSON cannot give.
    """
    _, *own = inspect.signature(call, eval_str=True).parameters.values()
    limits = {
        one.name: limit
        for one in own
        for limit in get_args(one.annotation)[1:]
        if get_origin(one.annotation) is Annotated and isinstance(limit, Within)
    }
    named = tuple(one.replace(annotation=_named(one.annotation)) for one in own)
    for one in named:
        if one.annotation not in KINDS or one.default is not one.empty:
            shown = f"{call.__name__}: {one.name}: {one.annotation}"
            raise TypeError(f"{shown}: an argument is one of {', '.join(KINDS)}, with no default")
    return named, limits


def _named(annotation: Any) -> str:
    """An annotation's type as text, without its limits."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _where(call: Callable[..., Any]) -> str:
    return f"{call.__module__}.{call.__name__}"
