"""The processes of a control plane, in the order in which they start, and the access to it.

Its nodes are kwok's, whose pods have no processes, or real ones (see node).

Pure but for the files that it writes: whoever starts the processes is somebody else's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from muster.errors import BadInput
from muster.testbed.design.parts import ProcessSpec
from muster.testbed.kubernetes.certificates import LOCAL, Authority, Pair, write_key
from muster.testbed.kubernetes.kwok import stages

CONTEXT = "muster-testbed"
SERVICES = "10.0.0.0/24"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
HPA_SYNC_S = 2


@dataclass(frozen=True)
class Ports:
    """Free ports of 127.0.0.1."""

    etcd: int
    etcd_peer: int
    api: int


def programs_in(tools: Path) -> dict[str, Path]:
    """The programs that set-up built. Raises BadInput for the first that is missing."""
    folder = tools / "kubernetes" / "bin"
    for name in PROGRAMS:
        if not os.access(folder / name, os.X_OK):
            wanted = f"{folder / name}: run `make setup-kubernetes`"
            raise BadInput(name, "", "nothing", wanted)
    return {name: folder / name for name in PROGRAMS}


@dataclass(frozen=True)
class User:
    """The key pair of a user, and a kubeconfig that has it."""

    pair: Pair
    kubeconfig: Path


class ControlPlane:
    """A control plane below `place`, which must be empty: nothing of it outlives its end.

    `kubeconfig`: of an administrator, for the context `muster-testbed`. `played`: kwok plays every
    node, so there can be no real one.
    """

    def __init__(
        self,
        place: Path,
        ports: Ports,
        programs: dict[str, Path],
        now: datetime,
        *,
        played: bool = True,
    ) -> None:
        self._place = place
        self._ports = ports
        self._programs = programs
        self._played = played
        authority = self._authority = Authority(place / "pki", now)
        self.ca = authority.file
        self._etcd = authority.pair("etcd")
        self._api = authority.pair("kube-apiserver")
        self._accounts = place / "pki" / "accounts.key"
        write_key(self._accounts, ec.generate_private_key(ec.SECP256R1()))
        admin = authority.pair("muster-admin", ["system:masters"])
        self.kubeconfig = self._access("admin", admin)
        self._others = {
            name: self._access(name, authority.pair(f"system:{name}"))
            for name in ("kube-controller-manager", "kube-scheduler")
        }
        (place / "kwok.yaml").write_text(stages())

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://{LOCAL}:{self._ports.api}"

    def user(self, name: str, groups: Sequence[str] = ()) -> User:
        """A user `name` in `groups`, who may do what RBAC grants it."""
        pair = self._authority.pair(name, groups)
        return User(pair, self._access(name.replace(":", "-"), pair))

    def processes(self) -> Sequence[Sequence[ProcessSpec]]:
        """What starts, in groups: each waits until the one before it is ready."""
        return (
            [self._etcd_process()],
            [self._api_process()],
            [
                self._client_process("kube-controller-manager", self._controllers()),
                self._client_process("kube-scheduler", ()),
                *([self._kwok_process()] if self._played else []),
            ],
        )

    def _etcd_process(self) -> ProcessSpec:
        url = f"https://{LOCAL}:{self._ports.etcd}"
        peer = f"http://{LOCAL}:{self._ports.etcd_peer}"
        pair = self._etcd
        return self._process(
            "etcd",
            (
                f"--data-dir={self._place / 'etcd'}",
                # The data ends with the testbed; a disk that syncs slowly must not fail a drill.
                "--unsafe-no-fsync",
                f"--listen-client-urls={url}",
                f"--advertise-client-urls={url}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                f"--cert-file={pair.certificate}",
                f"--key-file={pair.key}",
                f"--trusted-ca-file={self.ca}",
                "--client-cert-auth",
            ),
            (LOCAL, self._ports.etcd),
        )

    def _api_process(self) -> ProcessSpec:
        pair, etcd = self._api, self._etcd
        return self._process(
            "kube-apiserver",
            (
                f"--etcd-servers=https://{LOCAL}:{self._ports.etcd}",
                f"--etcd-cafile={self.ca}",
                f"--etcd-certfile={etcd.certificate}",
                f"--etcd-keyfile={etcd.key}",
                f"--bind-address={LOCAL}",
                f"--advertise-address={LOCAL}",
                f"--secure-port={self._ports.api}",
                # Endpoints refuse a loopback address.
                "--endpoint-reconciler-type=none",
                f"--tls-cert-file={pair.certificate}",
                f"--tls-private-key-file={pair.key}",
                f"--client-ca-file={self.ca}",
                # For what a kubelet is asked: logs, and commands in a container.
                f"--kubelet-client-certificate={pair.certificate}",
                f"--kubelet-client-key={pair.key}",
                f"--kubelet-certificate-authority={self.ca}",
                "--authorization-mode=Node,RBAC",
                "--allow-privileged=true",
                f"--service-cluster-ip-range={SERVICES}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self._accounts}",
                f"--service-account-signing-key-file={self._accounts}",
            ),
            f"{self.url}/readyz",
        )

    def _controllers(self) -> Sequence[str]:
        return (
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self._accounts}",
            f"--root-ca-file={self.ca}",
            f"--horizontal-pod-autoscaler-sync-period={HPA_SYNC_S}s",
            # Else it makes one below /usr/libexec.
            f"--flex-volume-plugin-dir={self._place / 'volume-plugins'}",
        )

    def _client_process(self, name: str, more: Sequence[str]) -> ProcessSpec:
        access = self._others[name]
        return self._process(
            name,
            (
                f"--kubeconfig={access}",
                f"--authentication-kubeconfig={access}",
                f"--authorization-kubeconfig={access}",
                "--leader-elect=false",
                "--secure-port=0",
                *more,
            ),
            f"{self.url}/readyz",
        )

    def _kwok_process(self) -> ProcessSpec:
        return self._process(
            "kwok",
            (
                f"--kubeconfig={self.kubeconfig}",
                f"--config={self._place / 'kwok.yaml'}",
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=40",
            ),
            f"{self.url}/readyz",
        )

    def _process(
        self, name: str, arguments: Sequence[str], ready: str | tuple[str, int]
    ) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            kind="kubernetes",
            argv=(str(self._programs[name]), *arguments),
            region=None,
            ports=(),
            ready=ready,
            # Whatever they keep at home or in a working folder stands below the place.
            environment={"HOME": str(self._place)},
        )

    def _access(self, name: str, pair: Pair) -> Path:
        """A kubeconfig for the user of `pair`."""
        path = self._place / f"{name}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": CONTEXT,
                    "clusters": [{"name": CONTEXT, "cluster": cluster}],
                    "users": [{"name": name, "user": user}],
                    "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": name}}],
                }
            )
        )
        return path
