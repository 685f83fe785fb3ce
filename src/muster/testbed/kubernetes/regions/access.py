"""Who may do what: the drill's service account, with the rights that a user is told to give it.

The roles are those of `deploy/kubernetes/role.yaml`, bound in the regions' namespaces alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from muster import home
from muster.errors import BadInput
from muster.testbed.kubernetes.control_plane import CONTEXT, ControlPlane
from muster.testbed.kubernetes.regions.workloads import ACCOUNT

OPERATIONS = "muster"
"""The namespace of the drill's own account."""
DRILL = "drill"
RESTARTED, RELEASED = "toxiproxy", "gateway-0"
"""The one deployment that a drill may restart, and the one of which it may make a release."""
_RBAC = "rbac.authorization.k8s.io"
_ROLES = ("muster-drill", "muster-loss", "muster-faults", "muster-restart")


def roles(file: Path | None = None) -> list[dict[str, Any]]:
    """The roles that a drill needs, as `deploy/kubernetes/role.yaml` has them. Raises BadInput."""
    file = file or home.root() / "deploy" / "kubernetes" / "role.yaml"
    try:
        found = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(file, "", str(error), "the roles of Muster's checkout") from error
    named = {one["metadata"]["name"]: one for one in found if one["kind"] == "Role"}
    for name in _ROLES:
        if name not in named:
            raise BadInput(file, "", "no such role", f"a Role {name}")
    for role, one in (("muster-restart", RESTARTED), ("muster-faults", RELEASED)):
        for rule in named[role]["rules"]:
            if rule["resources"] == ["deployments"]:
                rule["resourceNames"] = [one]
    return [named[name] for name in _ROLES]


def objects(
    regions: Sequence[str], granted: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and body of everything that is there before the workloads, in order."""
    for name in (OPERATIONS, *regions):
        yield "/api/v1/namespaces", {"metadata": {"name": name}}
    yield _accounts(OPERATIONS), {"metadata": {"name": DRILL}}
    for region in regions:
        yield _accounts(region), {"metadata": {"name": ACCOUNT}}
        rights = f"/apis/{_RBAC}/v1/namespaces/{region}"
        for role in granted:
            name = role["metadata"]["name"]
            yield f"{rights}/roles", role
            yield f"{rights}/rolebindings", _binding(name)


def token_path() -> str:
    """Where a token of the drill's account is asked for."""
    return f"{_accounts(OPERATIONS)}/{DRILL}/token"


def kubeconfig(plane: ControlPlane, token: str) -> str:
    """The text of the drill's kubeconfig, for the context `muster-testbed`."""
    whole = json.loads(plane.kubeconfig.read_text(encoding="utf-8"))
    user = {"name": DRILL, "user": {"token": token}}
    context = {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": DRILL}}
    return json.dumps({**whole, "users": [user], "contexts": [context]})


def _accounts(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts"


def _binding(role: str) -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "name": DRILL, "namespace": OPERATIONS}
    return {
        "metadata": {"name": role},
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": role},
        "subjects": [subject],
    }
