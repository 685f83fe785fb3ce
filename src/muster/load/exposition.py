"""The shard's counts in Prometheus' text format, and the small HTTP server that shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from muster.load.buckets import EdgeHistogram
from muster.load.engine import Engine

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Page:
    """A page being written. Every line carries the shard."""

    def __init__(self, shard: int) -> None:
        self._shard = str(shard)
        self._lines: list[str] = []

    def family(self, name: str, kind: str, text: str) -> None:
        self._lines += (f"# HELP {name} {text}", f"# TYPE {name} {kind}")

    def value(self, name: str, labels: Mapping[str, str], value: float) -> None:
        pairs = ",".join(
            f'{key}="{_escaped(label)}"' for key, label in (*labels.items(), ("shard", self._shard))
        )
        self._lines.append(f"{name}{{{pairs}}} {value}")

    def counter(
        self, name: str, text: str, rows: Iterable[tuple[Mapping[str, str], float]]
    ) -> None:
        self.family(name, "counter", text)
        for labels, value in rows:
            self.value(name, labels, value)

    def gauge(self, name: str, text: str, rows: Iterable[tuple[Mapping[str, str], float]]) -> None:
        self.family(name, "gauge", text)
        for labels, value in rows:
            self.value(name, labels, value)

    def histogram(
        self, name: str, text: str, rows: Iterable[tuple[Mapping[str, str], EdgeHistogram]]
    ) -> None:
        self.family(name, "histogram", text)
        for labels, histogram in rows:
            for edge, count in histogram.cumulative():
                self.value(f"{name}_bucket", {**labels, "le": edge}, count)
            self.value(f"{name}_sum", labels, round(histogram.sum_s, 6))
            self.value(f"{name}_count", labels, histogram.total)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def render(engine: Engine) -> str:
    """Every series of the shard."""
    tally = engine.tally
    config = engine.config
    page = Page(config.shard)
    page.counter(
        "muster_load_attempts_total",
        "Attempts that ended, by outcome.",
        (
            ({"region": region, "outcome": outcome, "kind": kind}, count)
            for (region, outcome, kind), count in tally.attempts.items()
        ),
    )
    page.counter(
        "muster_load_answers_total",
        "Answers when their head came, or failures before it.",
        (
            ({"region": region, "code": code, "kind": kind}, count)
            for (region, code, kind), count in tally.answers.items()
        ),
    )
    page.counter(
        "muster_load_canaries_total",
        "Canaries, by whether they were answered, and rightly.",
        (
            ({"region": region, "outcome": outcome}, count)
            for (region, outcome), count in tally.canaries.items()
        ),
    )
    for name, text, counts in (
        ("connections", "Connections opened.", tally.connections),
        ("dns_answers", "DNS answers, by the region of their address.", tally.dns_answers),
        ("resends", "Requests sent again at once after a reused connection.", tally.resends),
        ("streams_short", "Successful streams that were shorter than asked for.", tally.short),
    ):
        rows = (({"region": region}, count) for region, count in counts.items())
        page.counter(f"muster_load_{name}_total", text, rows)
    page.histogram(
        "muster_load_first_token_seconds",
        "From the intended start to the first generated token.",
        (({"region": region}, histogram) for region, histogram in tally.first_token.items()),
    )
    page.histogram(
        "muster_load_completion_seconds",
        "From the intended start to the stream's end.",
        (({"region": region}, histogram) for region, histogram in tally.completion.items()),
    )
    page.gauge(
        "muster_load_open_over",
        "Attempts still open without first token or end, older than le seconds.",
        (
            ({"region": region, "phase": phase, "le": f"{threshold_s:g}"}, count)
            for phase, thresholds_s in (
                ("first_token", config.first_token_over_s),
                ("completion", config.completion_over_s),
            )
            for threshold_s in thresholds_s
            for region, count in engine.open_over(phase, threshold_s).items()
        ),
    )
    _render_schedule(page, engine)
    return page.text()


def _render_schedule(page: Page, engine: Engine) -> None:
    """What was to be offered, what was, and how late the loop is."""
    tally, config = engine.tally, engine.config
    page.gauge(
        "muster_load_streams_open",
        "Attempts under way.",
        (({"region": region}, count) for region, count in tally.streams_open.items()),
    )
    nothing: Mapping[str, str] = {}
    target = engine.schedule.streams_target
    page.gauge("muster_load_streams_target", "Streams to be held.", [(nothing, target)])
    for name, text, count in (
        ("scheduled", "Arrivals that the schedule has due.", engine.scheduled()),
        ("offered", "Arrivals started.", tally.offered),
        (
            "late",
            f"Arrivals started more than {1000 * config.late_s:g} ms late, or left out as overdue.",
            tally.late,
        ),
        ("dns_failures", "DNS queries without an answer.", tally.dns_failures),
    ):
        page.counter(f"muster_load_{name}_total", text, [(nothing, count)])
    page.histogram(
        "muster_rig_loop_lag_seconds",
        "How late each 10 ms beat of the loop was.",
        [({"component": "load"}, tally.lag)],
    )


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


async def serve(address: tuple[str, int], text: Callable[[], str]) -> asyncio.Server:
    """Show `text()` at /metrics. Raises OSError when the address is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(60.0):
                    head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].split(b"?", 1)[0]
                found = path in (b"/metrics", b"/")
                body = text().encode() if found else b"see /metrics\n"
                status = "200 OK" if found else "404 Not Found"
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (OSError, TimeoutError, IndexError, asyncio.IncompleteReadError):
            pass
        except asyncio.LimitOverrunError:
            pass
        except asyncio.CancelledError:
            # The shard ends: asyncio would report the unanswered keep-alive connection as an error.
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, *address)
