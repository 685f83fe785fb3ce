"""Checks what a target says of a load that runs as a Kubernetes Job.

The pods have neither the files nor the environment of the machine that drills. They get secrets
from a Secret of their namespace, so the text of a secret is in no object that Muster creates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from muster.errors import BadInput
from muster.targets.kubernetes import IN_CLUSTER
from muster.targets.load_access import KubernetesLoad
from muster.targets.model import Target

ENV = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile(r"token|key|secret|pass|auth", re.IGNORECASE)
_PORT_MAX = 65535
_MADE_OF = ("image", "annotations", "pod", "container")


def load_problems(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Each key of `load` that does not fit a load in pods; none if it runs in processes."""
    load = target.load
    if not isinstance(load, KubernetesLoad):
        return
    if load.namespace not in target.blast_radius.namespaces:
        wanted = "a namespace of blast_radius.namespaces: the drill creates and deletes a Job there"
        yield BadInput(file, "load.namespace", load.namespace, wanted)
    if load.context is None and target.class_ != "testbed":
        wanted = f"a context of the kubeconfig, or {IN_CLUSTER}, since class is {target.class_}"
        yield BadInput(file, "load.context", None, wanted)
    yield from _of_this_machine(load, file)
    yield from _secrets(target, load, file)
    if load.port_of(load.parts - 1) > _PORT_MAX:
        wanted = f"at most {_PORT_MAX - load.parts + 1}: each part has a port of its own"
        yield BadInput(file, "load.metrics_port", load.metrics_port, wanted)


def _of_this_machine(load: KubernetesLoad, file: Path | str) -> Iterator[BadInput]:
    """What only works for processes on the machine that drills."""
    given = {
        "trace": load.trace,
        "form.prompts": load.form.prompts,
        "raw_share": load.raw_share or None,
        "shards": load.shards or None,
    }
    for key, value in given.items():
        if value is not None:
            whose = "parts says how many" if key == "shards" else "pods have no such file"
            yield BadInput(file, f"load.{key}", value, f"no such key with kind kubernetes: {whose}")


def _secrets(target: Target, load: KubernetesLoad, file: Path | str) -> Iterator[BadInput]:
    for key in ("token", "canary_token"):
        if not ENV.fullmatch(getattr(load, key)):
            # The value is left out because the message may be logged.
            wanted = "${env.NAME}: the pods read it from the key NAME of load.secret"
            yield BadInput(file, f"load.{key}", "another text", wanted)
    if load.secret is None and any(ENV.search(text) for _, text in of_the_parts(target)):
        yield BadInput(file, "load.secret", None, "the Secret that has the parts' ${env.NAME}")
    for key in _MADE_OF:
        for where, text in _texts(getattr(load, key), f"load.{key}"):
            if "${" in text:
                wanted = "a text without placeholders: it stands in the Job, which many may read"
                yield BadInput(file, where, text, wanted)
    env = load.container.get("env")
    for index, one in enumerate(env if isinstance(env, list) else ()):
        if isinstance(one, Mapping) and _SECRET.search(str(one.get("name"))) and "value" in one:
            wanted = "valueFrom a Secret: the Job holds no secrets"
            yield BadInput(file, f"load.container.env.{index}.value", "a literal", wanted)


def of_the_parts(target: Target) -> Iterator[tuple[str, str]]:
    """Every text that the parts are told, with its key."""
    load = target.load
    yield "public_url", target.public_url
    told: dict[str, Any] = {
        key: getattr(load, key)
        for key in ("token", "canary_token", "model", "body", "canary_model", "canary_phrase")
    }
    yield from _texts({**told, "form": load.form.model_dump()}, "load")


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(item, f"{key}.{index}")
