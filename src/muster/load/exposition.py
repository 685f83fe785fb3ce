"""The shard's Prometheus series, and the small HTTP server that exposes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from muster.exposition import CONTENT_TYPE, Labels, Registry, edge_text
from muster.load.engine import Engine


def registry_of(engine: Engine) -> Registry:
    """Every series of the shard. Every line carries the label `shard`."""
    registry = Registry()
    family = registry.family
    tally = engine.tally
    shard = {"shard": str(engine.config.shard)}
    family("muster_load_attempts_total", "counter", "Attempts that ended, by outcome.").table(
        shard, ("region", "outcome", "kind"), tally.attempts
    )
    family(
        "muster_load_answers_total", "counter", "Answers when their head came, or failures before."
    ).table(shard, ("region", "code", "kind"), tally.answers)
    family(
        "muster_load_canaries_total",
        "counter",
        "Canaries, by outcome; answered means in time and right.",
    ).table(shard, ("region", "outcome"), tally.canaries)
    for name, text, counts in (
        ("connections", "Connections opened.", tally.connections),
        ("dns_answers", "DNS answers, by the region of their address.", tally.dns_answers),
        ("resends", "Requests sent again at once after a reused connection.", tally.resends),
        (
            "dead_addresses",
            "Second addresses tried, by the first one's region.",
            tally.dead_addresses,
        ),
        ("streams_short", "Successful streams that were shorter than requested.", tally.short),
    ):
        family(f"muster_load_{name}_total", "counter", text).table(shard, "region", counts)
    family(
        "muster_load_first_token_seconds",
        "histogram",
        "From the intended start to the first generated token.",
    ).histograms(shard, "region", tally.first_token)
    family(
        "muster_load_completion_seconds",
        "histogram",
        "From the intended start to the stream's end.",
    ).histograms(shard, "region", tally.completion)
    family(
        "muster_load_open_over",
        "gauge",
        "Attempts older than le seconds that have no first token or no end yet.",
    ).rows(lambda: _open_over(engine, shard))
    _declare_schedule(registry, engine, shard)
    return registry


def _open_over(engine: Engine, shard: Labels) -> Iterator[tuple[Labels, int]]:
    config = engine.config
    for phase, thresholds_s in (
        ("first_token", config.first_token_over_s),
        ("completion", config.completion_over_s),
    ):
        for threshold_s in thresholds_s:
            over = {"phase": phase, "le": edge_text(threshold_s), **shard}
            for region, count in engine.open_over(phase, threshold_s).items():
                yield {"region": region, **over}, count


def _declare_schedule(registry: Registry, engine: Engine, shard: Labels) -> None:
    """Streams to hold, arrivals due and started, and the loop's lag."""
    family = registry.family
    tally, config = engine.tally, engine.config
    family("muster_load_streams_open", "gauge", "Attempts in progress.").table(
        shard, "region", tally.streams_open
    )
    family("muster_load_streams_target", "gauge", "Open streams that the load aims for.").value(
        shard, lambda: engine.schedule.streams_target
    )
    family("muster_load_scheduled_total", "counter", "Arrivals due by the schedule.").value(
        shard, engine.scheduled
    )
    family("muster_load_offered_total", "counter", "Arrivals started.").value(
        shard, lambda: tally.offered
    )
    family(
        "muster_load_late_total",
        "counter",
        f"Arrivals started more than {1000 * config.late_s:g} ms late, or left out as overdue.",
    ).value(shard, lambda: tally.late)
    family("muster_load_dns_failures_total", "counter", "DNS queries without an answer.").value(
        shard, lambda: tally.dns_failures
    )
    family(
        "muster_rig_loop_lag_seconds", "histogram", "How late each 10 ms beat of the loop was."
    ).histogram({"component": "load", **shard}, tally.lag)


async def serve(address: tuple[str, int], page: Callable[[], bytes]) -> asyncio.Server:
    """Serve `page()` at /metrics. Raises OSError if the address is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(60.0):
                    head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].split(b"?", 1)[0]
                found = path in (b"/metrics", b"/")
                body = page() if found else b"see /metrics\n"
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
