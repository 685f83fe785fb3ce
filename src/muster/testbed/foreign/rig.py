"""The running foreign testbed: what differs from one with Muster's own gateways."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace

from muster.testbed.design import binaries, ports
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.layout import Layout
from muster.testbed.design.ports import Ports
from muster.testbed.foreign import envoy, layout
from muster.testbed.foreign.products import find_products
from muster.testbed.foreign.region import CHAT_PATH, ForeignRegion
from muster.testbed.rig.parts_up import Rig
from muster.testbed.rig.regions import Region


class ForeignRig(Rig):
    """Two regions of LiteLLM behind Envoy, with the parts that every testbed has."""

    def __init__(self, config: SupervisorConfig, stop: asyncio.Event) -> None:
        super().__init__(config, stop)
        # Envoy recognises canaries by the prefix of their token, and LiteLLM needs keys with its
        # own prefix.
        self._secrets = replace(
            self._secrets,
            load_token=f"sk-{self._secrets.load_token}",
            canary_token=f"{envoy.CANARY_PREFIX}{self._secrets.canary_token}",
        )
        self._master_key = f"sk-{secrets.token_urlsafe(18)}"

    async def start(self, progress: Callable[[str], None]) -> None:
        layout.check(self._config)
        await super().start(progress)

    def programs(self) -> dict[str, binaries.Binary]:
        return {**find_products(), **super().programs()}

    def lay_out(self, at: Ports, programs: dict[str, binaries.Binary]) -> Layout:
        return layout.lay_out(self._config, at, programs, self._secrets, self._master_key)

    def files(self, of: Layout) -> dict[str, str]:
        return layout.files(of)

    def region(self, name: str) -> Region:
        assert self._layout is not None
        address = self._layout.addresses[name]
        chat_url = f"http://{address}:{self._layout.ports.fixed(ports.CHAT)}{CHAT_PATH}"
        tokens = (self._secrets.load_token, self._secrets.canary_token)
        return ForeignRegion(self.parts_of(name), chat_url, tokens)
