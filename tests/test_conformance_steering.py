"""The suite itself: a right adapter passes it; a wrong one fails where it is wrong."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from conformance import steering as suite
from conformance.steering import BEFORE, CHECKS, EAST, WEST, World
from conformance.world import SECRET, Trouble

from muster import effects
from muster.errors import BadInput
from muster.platform.port import Touch
from muster.platform.steering import Steering, SteeringError, Trial
from muster.platform.steering.model import no_check, not_told
from muster.platform.steering.parts import Shown, weights_of
from muster.platform.steering.registry import STEERINGS
from muster.targets.model import Target


class Memory(World):
    """Weights in memory."""

    asks = True

    def __init__(self, kind: type[Right]) -> None:
        self.parts = {region: Shown(weight, "as it is") for region, weight in BEFORE.items()}
        self.kind = kind
        self.fails: Trouble | None = None
        self.changes = 0

    def adapter(self) -> Steering:
        return self.kind(self)

    def weights(self) -> dict[str, int]:
        return weights_of(self.parts)

    def put(self, region: str, weight: int) -> None:
        self.parts[region] = Shown(weight, self.parts[region].rest)

    def put_rest(self, region: str) -> None:
        self.parts[region] = Shown(self.parts[region].weight, "otherwise")

    def remove(self, region: str) -> None:
        del self.parts[region]

    def trouble(self, kind: Trouble | None) -> None:
        self.fails = kind

    def change(self, weights: dict[str, int]) -> None:
        """One call that changes weights."""
        if self.asks:
            effects.ask()
        self.changes += 1
        if self.fails not in ("refuses", "late before"):
            for region in [*weights][: 1 if self.fails == "half" else None]:
                self.put(region, weights[region])
        if self.fails:
            raise SteeringError(f"memory: {self.fails}")


class Right(Steering):
    """An adapter without a fault."""

    def __init__(self, world: Memory) -> None:
        self.world = world

    subject = "memory m"
    name = "m"
    timeout_s = 1.0

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("commands", "m"),)

    def shown(self) -> dict[str, Shown]:
        if self.world.fails == "nonsense":
            raise SteeringError("m: no answer")
        return dict(self.world.parts)

    def by_region(self, shown: Any) -> dict[str, int]:
        return weights_of(shown)

    def plan(self, weights: Any) -> dict[str, int]:
        if set(weights) != set(self.shown()):
            raise SteeringError("m: other regions")
        return dict(weights)

    def set_weights(self, weights: Any, *, check: Any = no_check, accepted: Any = not_told) -> None:
        shown = self.shown()
        check(shown)
        planned = self.plan(weights)
        if planned != weights_of(shown):
            self.world.change(planned)
        accepted()

    def set_parts(self, weights: Any) -> None:
        if weights:
            self.world.change(weights)

    def saved(self) -> dict[str, Any]:
        return {"parts": {key: [one.weight, one.rest] for key, one in self.shown().items()}}

    def stood(self, saved: Any) -> dict[str, Shown]:
        return {key: Shown(*one) for key, one in saved.get("parts", {}).items()}

    def command(self, saved: Any, before: Any) -> str | None:
        return f"m set {before}"

    def trial(self) -> Trial:
        raise BadInput("t", "steering.kind", "memory", "route53")


class Forgets(Right):
    """Shows one weight for another region's."""

    def by_region(self, shown: Any) -> dict[str, int]:
        return dict(zip(shown, reversed(weights_of(shown).values()), strict=True))


class Loses(Right):
    """Gives the others their weights and forgets one region's."""

    def set_weights(self, weights: Any, **hooks: Any) -> None:
        super().set_weights(
            {**weights, WEST: BEFORE[WEST]} if EAST in weights else weights, **hooks
        )


class NeverNothing(Right):
    """Takes weight 0 for 1."""

    def set_weights(self, weights: Any, **hooks: Any) -> None:
        super().set_weights({region: max(1, n) for region, n in weights.items()}, **hooks)


class Restless(Right):
    """Sets what stands already."""

    def set_weights(self, weights: Any, *, check: Any = no_check, accepted: Any = not_told) -> None:
        check(self.shown())
        self.world.change(self.plan(weights))
        accepted()


class Unasked(Right):
    """Changes without looking first."""

    def set_weights(self, weights: Any, *, check: Any = no_check, accepted: Any = not_told) -> None:
        super().set_weights(weights, accepted=accepted)


class Hasty(Right):
    """Says that the change was taken before it was."""

    def set_weights(self, weights: Any, *, check: Any = no_check, accepted: Any = not_told) -> None:
        super().set_weights(weights, check=lambda shown: (check(shown), accepted()))


class PlansOtherwise(Right):
    """Plans other weights than it sets."""

    def plan(self, weights: Any) -> dict[str, int]:
        return {region: n + 1 for region, n in super().plan(weights).items()}

    def set_weights(self, weights: Any, *, check: Any = no_check, accepted: Any = not_told) -> None:
        check(self.shown())
        if super().plan(weights) != weights_of(self.shown()):
            self.world.change(dict(weights))
        accepted()


class TakesAny(Right):
    """Sets the regions that it knows and says nothing of others."""

    def plan(self, weights: Any) -> dict[str, int]:
        return {region: n for region, n in weights.items() if region in self.shown()}


class Rounds(Right):
    """Rounds a small share down to nothing."""

    def weights_for(self, before: Any, region: str, share_pct: float) -> dict[str, int]:
        found = super().weights_for(before, region, share_pct)
        return found if share_pct >= 1 else {**found, region: 0}


class NoWayBack(Right):
    """Leaves a part as it is when it is put back."""

    def set_parts(self, weights: Any) -> None:
        super().set_parts({key: n for key, n in weights.items() if key != EAST})

    def set_weights(self, weights: Any, **hooks: Any) -> None:
        if weights != BEFORE or self.world.weights() == BEFORE:
            super().set_weights(weights, **hooks)


class Sleeps(Right):
    """Changes what another may own by now."""

    def __init__(self, world: Memory) -> None:
        super().__init__(world)
        world.asks = False


class Talks(Right):
    """Says its secret when it is refused."""

    def set_weights(self, weights: Any, **hooks: Any) -> None:
        try:
            super().set_weights(weights, **hooks)
        except SteeringError as error:
            raise SteeringError(f"{error}: Bearer {SECRET}") from error


class Swallows(Right):
    """Takes a change that was not answered for one that was made."""

    def set_weights(self, weights: Any, **hooks: Any) -> None:
        try:
            super().set_weights(weights, **hooks)
        except SteeringError:
            if not self.world.fails or self.world.fails == "refuses":
                raise


class Believes(Right):
    """Makes nothing of an answer that it does not understand."""

    def shown(self) -> dict[str, Shown]:
        return dict(self.world.parts)


class Blind(Right):
    """Does not see the rest of a part."""

    def shown(self) -> dict[str, Shown]:
        return {key: Shown(one.weight, "") for key, one in super().shown().items()}


class Overwrites(Right):
    """Puts back what somebody else has set since."""

    def set_parts(self, weights: Any) -> None:
        if weights:
            self.world.change(dict(BEFORE))


class Forgetful(Right):
    """Saves nothing of what stands."""

    def saved(self) -> dict[str, Any]:
        return {"parts": {}, "looked": str(self.shown())}


class Nameless(Right):
    """Names nothing that it touches."""

    def touches(self) -> tuple[Touch, ...]:
        return ()


class Asks(Right):
    """Asks the platform for what it touches."""

    def touches(self) -> tuple[Touch, ...]:
        return tuple(Touch("commands", key) for key in self.shown())


class Tells(Right):
    """Says its secret in the line by hand."""

    def command(self, saved: Any, before: Any) -> str | None:
        return f"m --token {SECRET} set {before}"


WRONG: dict[type[Right], tuple[Any, ...]] = {
    Forgets: (suite.shows_what_stands,),
    Loses: (suite.sets_all_regions,),
    NeverNothing: (suite.sets_to_nothing,),
    Restless: (suite.changes_nothing_twice,),
    Unasked: (suite.checks_before_it_changes,),
    Hasty: (suite.checks_before_it_changes,),
    PlansOtherwise: (suite.plans_what_it_sets,),
    TakesAny: (suite.refuses_other_regions,),
    Rounds: (suite.rounds_to_what_can_be_had,),
    NoWayBack: (suite.reverts_twice, suite.late_after_the_effect, suite.half_an_effect),
    Sleeps: (suite.asks_before_each_change,),
    Talks: (suite.says_what_is_refused,),
    Swallows: (suite.late_before_the_effect, suite.late_after_the_effect),
    Believes: (suite.believes_no_nonsense,),
    Blind: (suite.sees_another,),
    Overwrites: (suite.leaves_another,),
    Forgetful: (suite.saves_what_stood,),
    Nameless: (suite.names_what_it_touches,),
    Asks: (suite.names_what_it_touches,),
    Tells: (suite.tells_a_person,),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_right_adapter_passes(check):
    """The suite asks for nothing that cannot be had."""
    check(Memory(Right))


@pytest.mark.parametrize(
    ("kind", "check"),
    [(kind, check) for kind, checks in WRONG.items() for check in checks],
    ids=lambda one: one.__name__,
)
def test_a_wrong_adapter_fails(kind, check):
    """Each in the check that is there for it."""
    with pytest.raises((AssertionError, SteeringError, pytest.fail.Exception)):
        check(Memory(kind))


def test_every_check_has_failed():
    """No check of the suite is one that cannot fail."""
    assert {check for checks in WRONG.values() for check in checks} == set(CHECKS)


def test_every_kind_of_a_target_has_an_adapter():
    """The registry and the target's model name the same kinds."""
    kinds = {
        get_args(model.model_fields["kind"].annotation)[0]
        for model in get_args(get_args(Target.model_fields["steering"].annotation)[0])
        or get_args(Target.model_fields["steering"].annotation)
    }
    assert kinds == set(STEERINGS)
