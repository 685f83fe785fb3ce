"""What a cluster would refuse, asked without changing anything: rights, and changes as dry runs.

The rights are asked for by SelfSubjectAccessReview. A change that is sent as a server-side dry run
is judged by admission policies and webhooks as the change itself would be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from muster.platform.kubernetes.cluster import Cluster, Refused
from muster.platform.kubernetes.fields import mapping
from muster.platform.kubernetes.kinds import Kind
from muster.platform.port import PortError

logger = logging.getLogger("chaostoolkit")
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True)
class Right:
    """To do `verb` to `kind`, in `namespace` or, where it is empty, in the whole cluster.

    `sub`: the subresource; `name`: of the one object that is meant; both may be empty.
    """

    verb: str
    kind: Kind
    namespace: str
    sub: str = ""
    name: str = ""

    def __str__(self) -> str:
        resource = f"{self.kind.plural}/{self.sub}" if self.sub else self.kind.plural
        named = f" {self.name}" if self.name else ""
        where = f"in namespace {self.namespace}" if self.namespace else "in the whole cluster"
        return f"{self.verb} {resource}{named} {where}"


def missing(cluster: Cluster, rights: Iterable[Right]) -> Iterator[str]:
    """A line for each of `rights` that the caller does not have. Raises PortError."""
    for right in rights:
        if not allowed(cluster, right):
            yield f"no right to {right}"


def allowed(cluster: Cluster, right: Right) -> bool:
    """Whether the caller has the right. Raises PortError."""
    asked = {"namespace": right.namespace, "verb": right.verb, "group": right.kind.group}
    asked |= {"resource": right.kind.plural, "subresource": right.sub, "name": right.name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
    }
    found = mapping(cluster.post(REVIEWS, review), "status").get("allowed")
    if not isinstance(found, bool):
        raise PortError(f"Kubernetes: status.allowed: got {found!r}, expected true or false")
    return found


def tried(what: str, change: Callable[[], object]) -> Iterator[str]:
    """A line if `change`, a dry run of `what`, is refused."""
    try:
        change()
    except Refused as error:
        if "dry run" in str(error):
            # A webhook that has side effects: nobody can ask it beforehand.
            logger.warning("%s could not be tried: %s", what, error)
        else:
            yield f"{what}: {error}"
    except PortError as error:
        yield f"{what}: {error}"
