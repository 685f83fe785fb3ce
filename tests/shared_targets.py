"""A staging target whose store is a strict stand-in, and a store in this process."""

from __future__ import annotations

import threading
from typing import Any

import yaml
from floor_fixtures import NOWHERE, testbed_document

from muster.stores import Conflict, Store, Stored, StoreError
from muster.targets import Target


class MemoryStore(Store):
    """Compare-and-set over a dictionary; `down` makes it answer nothing, `delay` holds a write."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.down = False
        self._lock = threading.Lock()

    def read(self, key: str) -> Stored | None:
        self._up()
        text = self.held.get(key)
        return None if text is None else Stored(key, text, text)

    def under(self, prefix: str) -> tuple[Stored, ...]:
        self._up()
        names = [name for name in self.held if name.startswith(prefix + "/")]
        return tuple(Stored(name, self.held[name], self.held[name]) for name in names)

    def _put(self, key: str, text: str, old: Stored | None) -> None:
        self._up()
        with self._lock:
            if self.held.get(key) != (None if old is None else old.version):
                raise Conflict(key)
            self.held[key] = text

    def _delete(self, old: Stored) -> None:
        self._up()
        with self._lock:
            self.held.pop(old.key, None)

    def _up(self) -> None:
        if self.down:
            raise StoreError("the store is down")


def shared_document(url: str, kind: str = "route53_txt", lease_s: float = 5) -> dict[str, Any]:
    """A staging target as plain data: its steering and its store are the stand-in at `url`."""
    data = testbed_document()
    del data["testbed"], data["provider_stub"], data["dns_stub"], data["steering_stub"]
    data |= {"name": "staging", "class": "staging"}
    data["public_url"] = data["prometheus"]["url"] = NOWHERE
    for key in ("dns_server", "file_sd"):
        data["load"][key] = None
    data["load"] |= {"token": "${env.PATH}", "canary_token": "${env.PATH}"}
    for name in data["regions"]:
        data["regions"][name] = {"ready_url": f"{NOWHERE}/readyz", "power": {"kind": "none"}}
    data["steering"] |= {
        "endpoint_url": url,
        "zone": "staging.example.com.",
        "record": "chat.staging.example.com.",
        "calls_per_s_max": 1000,
    }
    data["blast_radius"]["zones"] = ["staging.example.com."]
    data["blast_radius"]["records"] = ["chat.staging.example.com."]
    if kind == "s3":
        data["shared"] = {"kind": "s3", "bucket": "drills"}
    else:
        data["shared"] = {
            "kind": "route53_txt",
            "zone": "staging.example.com.",
            "name": "_muster.staging.example.com.",
            "calls_per_s_max": 1000,
        }
    data["shared"] |= {"endpoint_url": url, "lease_s": lease_s, "timeout_s": 5}
    return data


def shared_target(url: str, kind: str = "route53_txt", lease_s: float = 5) -> Target:
    """The same, parsed."""
    return Target.model_validate(shared_document(url, kind, lease_s))


def write_target(path, data: dict[str, Any]) -> str:
    """The target file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return str(path)
