"""A harmless change: a TXT record of Muster's own beside the public name, which nobody asks for.

A drill of the safety net writes it as a fault is applied and takes it back as a fault is reverted,
so that undo log, read-back and rights are proven where they count, without moving any traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults.model import Fault, FaultError, ReadBack
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof, Touch
from muster.stores import Store, Stored, StoreError, store_of
from muster.targets.shared import SharedTxt

OWN_LABEL = "_muster-drill"
KEY = "safety"
TEXT = "written by a drill of the safety net; nothing reads it"


class SafetyRecord(Fault):
    """The record says TEXT; before, it most likely was not there."""

    kind = "safety_record"

    def __init__(self, platform: Platform, region: str, before: str | None = None) -> None:
        super().__init__(platform, region)
        self._before = before

    @property
    def subject(self) -> str:
        return f"txt {KEY}.{OWN_LABEL}.{self.target.steering.record}"

    def touches(self) -> tuple[Touch, ...]:
        steering = self.target.steering
        own = Touch("records", f"{OWN_LABEL}.{steering.record}")
        return (Touch("zones", steering.zone), own)

    def change(self) -> Change:
        return Change(_shown(self._text()), _shown(TEXT))

    def undo_params(self) -> dict[str, Any]:
        self._before = self._text()
        return {"text": self._before}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        return cls(platform, region, before=params["text"])

    def apply(self) -> None:
        self._set(TEXT)

    def observe(self) -> Proof:
        text = self._text()
        return Proof(text == TEXT, f"the record says {_shown(text)}", {"text": text})

    def revert(self) -> None:
        self._set(self._before)

    def read_back(self) -> ReadBack:
        text = self._text()
        return ReadBack(self.subject, _shown(self._before), _shown(text), text == self._before)

    def command(self) -> str | None:
        return None

    def _set(self, text: str | None) -> None:
        store, now = self._store(), self._stored()
        try:
            if text is not None:
                if now is None or now.text != text:
                    store.write(KEY, text, now)
            elif now is not None:
                store.remove(now)
        except StoreError as error:
            raise FaultError(f"{self.subject}: {error}") from error

    def _text(self) -> str | None:
        stored = self._stored()
        return None if stored is None else stored.text

    def _stored(self) -> Stored | None:
        try:
            return self._store().read(KEY)
        except StoreError as error:
            raise FaultError(f"{self.subject}: {error}") from error

    def _store(self) -> Store:
        steering = self.target.steering
        return store_of(
            SharedTxt(
                kind="route53_txt",
                zone=steering.zone,
                zone_id=steering.zone_id,
                name=f"{OWN_LABEL}.{steering.record}",
                endpoint_url=steering.endpoint_url,
                calls_per_s_max=steering.calls_per_s_max,
                timeout_s=steering.timeout_s,
            )
        )


def _shown(text: str | None) -> str:
    return "no record" if text is None else text
