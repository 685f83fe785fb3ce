"""A real Prometheus that scrapes recorded expositions: each under labels that the scrape adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml
from floor_fixtures import await_true, free_port, process
from their_series import EXPOSITIONS

from muster.platform.metrics import MetricsError
from muster.platform.metrics.prometheus import Prometheus


@dataclass(frozen=True)
class Scraped:
    """One exposition, `tests/expositions/NAME.txt`, from a process of its own."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def shown(name: str) -> Iterator[int]:
    """A server on loopback that answers everything with one exposition. Its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (EXPOSITIONS / f"{name}.txt").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is told of a scrape."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def prometheus_of(folder: Path, scraped: Sequence[Scraped]) -> Iterator[str]:
    """The URL of a Prometheus that has scraped each of them twice."""
    with ExitStack() as open_ones:
        ports = [open_ones.enter_context(shown(one.name)) for one in scraped]
        yield open_ones.enter_context(_prometheus(folder, ports, scraped))


@contextmanager
def _prometheus(folder: Path, ports: Sequence[int], scraped: Sequence[Scraped]) -> Iterator[str]:
    own = free_port()
    jobs = [
        {
            "job_name": f"job-{number}",
            "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {**one.labels}}],
        }
        for number, (port, one) in enumerate(zip(ports, scraped, strict=True))
    ]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    arguments = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{own}",
        "--log.level=error",
    ]
    url = f"http://127.0.0.1:{own}"
    metrics = Prometheus(url, 5.0)

    def twice() -> bool:
        try:
            up = metrics.raw("up", "up", 60)
        except MetricsError:
            return False
        good = [one for one in up if sum(v == 1 for v in one.v) > 1]
        return len(good) == len(scraped)

    with process(arguments, lambda: True):
        await_true(twice, "two scrapes of each")
        yield url
    metrics.close()
