"""Label selectors, as objects name them."""

from __future__ import annotations

from collections.abc import Mapping

from muster.platform.kubernetes.fields import Json, each, mapping, text
from muster.platform.port import PortError


def matches(selector: Json, labels: Mapping[str, object]) -> bool:
    """Whether a selector matches an object with `labels`; an empty one matches all.

    Raises PortError for an operator that is not known.
    """
    wanted = mapping(selector, "matchLabels")
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(one, labels) for one in each(selector, "matchExpressions"))


def _holds(expression: Json, labels: Mapping[str, object]) -> bool:
    key, operator = text(expression, "key"), text(expression, "operator")
    values = expression.get("values") or ()
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator in ("Exists", "DoesNotExist"):
        return (key in labels) is (operator == "Exists")
    raise PortError(f"Kubernetes: a label selector has the unknown operator {operator!r}")
