"""Writes raw series into the bundle's samples.jsonl."""

from __future__ import annotations

from collections.abc import Sequence

from muster.platform.metrics import RawSeries
from muster.samples.series import SampleWriter


class SampleSink:
    """Hands what the watch took to the bundle's writer."""

    def __init__(self, writer: SampleWriter) -> None:
        self._writer = writer

    def add(self, fresh: Sequence[RawSeries]) -> None:
        """Keep new samples."""
        for series in fresh:
            self._writer.append(series.signal, series.name, series.labels, series.t_s, series.v)
