"""Makes a target file from the options and the Prometheus, with the list of remaining edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from muster import contract, targets
from muster.errors import BadInput, MusterError, together
from muster.init.advice import advice
from muster.init.asked import Asked, regions_problems
from muster.init.combine import Combined, combine
from muster.init.look import look, own_address, scrape_interval_s
from muster.init.recognise import Product, products, regions_shown
from muster.init.text import marked, target_text
from muster.platform.metrics import MetricsError, metrics_by
from muster.targets.parse import refilled
from muster.targets.presets import load_presets
from muster.targets.prometheus import PrometheusAccess


class NothingShown(MusterError):
    """The Prometheus did not answer. Nothing was written."""

    exit_code = 2


@dataclass(frozen=True)
class Made:
    """The text of the target file, the recognised products, and the keys that are still missing."""

    asked: Asked
    text: str
    there: tuple[Product, ...]
    combined: Combined
    advice: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def edits(self) -> list[str]:
        """The remaining edits, one line each."""
        return marked(self.text)


def make(asked: Asked, environment: Mapping[str, str] | None = None) -> Made:
    """Read the Prometheus and make the text. Raises BadInput and NothingShown."""
    rules, presets = contract.load(), load_presets()
    file = f"target {asked.name}"
    data = dict(asked.prometheus)
    access = refilled(PrometheusAccess, data, file, "prometheus", None, environment)
    metrics = metrics_by(access, file)
    try:
        seen = look(metrics, {name for one in presets for name in one.metrics})
        if "scrape_interval_s" not in data:
            data["scrape_interval_s"] = scrape_interval_s(metrics, sorted(seen.series))
    except MetricsError as error:
        raise NothingShown(f"--prometheus: {error}") from error
    finally:
        metrics.close()
    regions = asked.regions or regions_shown(seen)
    if wrong := together(regions_problems(regions, asked.ready)):
        raise wrong
    urls = [access.url] if access.url is not None else [one.url for one in access.servers.values()]
    host = own_address(urls[0]) or asked.metrics_host
    asked = replace(asked, regions=regions, prometheus=data, metrics_host=host)
    there = products(presets, seen, asked.model)
    combined = combine(there, seen, regions)
    told = advice(combined, there, presets, regions, seen, rules)
    text = target_text(asked, combined, told)
    return Made(asked, text, there, combined, told, tuple(_missing(text, asked.name)))


def _missing(text: str, name: str) -> list[str]:
    """The errors with which the loader would refuse the file now."""
    try:
        targets.load_bytes(text.encode(), Path(f"targets/{name}.yaml"))
    except BadInput as error:
        return [f"{one.key}: expected {one.expected}" for one in error.each]
    return []


def write(path: Path, text: str, *, force: bool) -> None:
    """Write the file; an existing file is overwritten only with `force`. Raises BadInput."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        wanted = "a file that does not exist yet, or --force to overwrite it"
        raise BadInput("--output", "", str(path), wanted) from None
    except OSError as error:
        raise BadInput(
            "--output", "", str(path), f"a path that can be written ({error.strerror})"
        ) from error
