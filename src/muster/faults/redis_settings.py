"""What the faults by a Redis server's own settings share: `CONFIG SET`, and the values before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from muster import effects
from muster.faults.model import ReadBack
from muster.faults.redis_server import RedisServerFault
from muster.platform.by_hand import line
from muster.platform.platform import Platform

if TYPE_CHECKING:
    from redis import Redis


class RedisSettingsFault(RedisServerFault):
    """It sets `settings` otherwise; `revert` sets them as they were."""

    undone = "The settings get the values that they had."

    settings: ClassVar[tuple[str, ...]]

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region)
        self._before: dict[str, str] = {}

    def undo_params(self) -> dict[str, Any]:
        params = super().undo_params()
        self._before = self._now()
        # That it may be set at all is tried with the value that it has.
        self._set(self._before)
        return {**params, "settings": self._before}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        fault = super().restore(platform, region, params)
        fault._before = dict(params["settings"])
        return fault

    def revert(self) -> None:
        self._set(self._before)

    def command(self) -> str | None:
        parts = urlsplit(self._url)
        if parts.password or parts.scheme != "redis" or not self._before:
            return None  # a secret has no place in the line
        lines = (
            line("redis-cli", "-u", self._url, "CONFIG", "SET", name, value)
            for name, value in self._before.items()
        )
        return " && ".join(lines)

    def _back(self) -> ReadBack:
        back = super()._back()
        if not back.ok:
            return back
        now = self._now()
        return ReadBack(
            self.subject,
            f"{back.expected}, {_said(self._before)}",
            f"{back.actual}, {_said(now)}",
            now == self._before,
        )

    def _now(self) -> dict[str, str]:
        shown = self._ask(lambda client: client.config_get(*self.settings))
        return {str(name): str(value) for name, value in dict(shown).items()}

    def _set(self, values: Mapping[str, str], own: Redis | None = None) -> None:
        """Set one after the other: an older Redis takes one setting at a time."""

        def every(client: Redis) -> None:
            for name, value in values.items():
                effects.ask()
                client.config_set(name, value)

        self._ask(every, own)


def _said(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
