"""The plan of a drill, from what its file says and the settings that a command gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException

from muster.drill.plan.asked import mapping_of, mappings_of
from muster.drill.plan.form import CONTROL, method_of
from muster.errors import BadInput

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan


def plan_in(source: str, experiment: Mapping[str, Any], given: Mapping[str, Any]) -> DrillPlan:
    """The plan of `experiment`, the content of `source`, with the settings `given`.

    Raises BadInput. Nothing is asked or started.
    """
    from muster.drill.plan.plan import make_plan

    configuration = configuration_in(source, experiment, given)
    for control in mappings_of(experiment, "controls"):
        provider = mapping_of(control, "provider")
        if provider.get("module") == CONTROL:
            named = mapping_of(provider, "arguments")
            return make_plan(
                configuration,
                drill=str(named.get("drill", "drill")),
                title=str(experiment.get("title", "")),
                kind=str(named.get("kind", "failover")),
                gate=str(named.get("gate", "M3")),
                method=method_of(source, experiment),
            )
    raise BadInput(source, "controls", None, f"the control {CONTROL}")


def configuration_in(
    source: str, experiment: Mapping[str, Any], given: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The configuration as Chaos Toolkit resolves it. Raises BadInput if it cannot."""
    try:
        found: Mapping[str, Any] = load_configuration(
            experiment.get("configuration", {}), dict(given)
        )
    except (ChaosException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(source, "configuration", str(error), "settings that can be read") from error
    return found
