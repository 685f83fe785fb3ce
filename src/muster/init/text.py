"""Writes the text of a target file, with marks where an operator must edit it. Pure.

A required key whose value cannot be derived is left out below its mark; the loader then reports it
on its own line. A key with a safe default has the default, with a mark if it may be wrong.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from muster.init.asked import Asked
from muster.init.combine import Combined, Shown
from muster.targets.declared import DECLARABLE
from muster.targets.signals import SIGNALS_SERVER, MappedSignal

MARK = "EDIT"
WIDTH = 110
LOAD_FILE = "/etc/prometheus/file_sd/muster.json"
STREAMS_FOR_MANY_CANARIES, FEW_CANARIES_PER_S = 4_000, 10
"""With few streams, m3_20k's 50 canaries a second would be more requests than the load itself."""
LOAD_SIGNALS = {
    "client_attempts": "muster_load_attempts_total",
    "client_answers": "muster_load_answers_total",
    "client_first_token": '{__name__=~"muster_load_first_token_seconds_(bucket|count)"}',
    "client_completion": '{__name__=~"muster_load_completion_seconds_(bucket|count)"}',
    "client_open_over": "muster_load_open_over",
    "client_canaries": "muster_load_canaries_total",
    "client_streams": "muster_load_streams_open",
    "client_streams_target": "muster_load_streams_target",
    "client_scheduled": "muster_load_scheduled_total",
    "client_offered": "muster_load_offered_total",
    "client_late": "muster_load_late_total",
    "client_connections": "muster_load_connections_total",
    "client_dns_answers": "muster_load_dns_answers_total",
    "rig_lag": '{__name__=~"muster_rig_loop_lag_seconds_(bucket|count)"}',
}
"""The metrics that Muster's load exports (`muster.load.exposition`)."""


def target_text(asked: Asked, combined: Combined, advice: Sequence[str]) -> str:
    """The complete file. `advice`: settings that the platform needs, one a line."""
    parts = (
        _head(asked, advice),
        _load(asked),
        _section("prometheus", asked.prometheus),
        _steering(asked),
        _regions(asked),
        _blast_radius(asked),
        _signals(combined),
        _profiles(asked),
    )
    return "\n".join("\n".join(part) + "\n" for part in parts if part)


def marked(text: str) -> list[str]:
    """The remaining edits: the text of each mark as one line."""
    lines, found = text.splitlines(), []
    for index, line in enumerate(lines):
        said = line.strip()
        if said.startswith(f"# {MARK}"):
            rest = [said.removeprefix("# ")]
            for after in lines[index + 1 :]:
                if not after.strip().startswith("#   "):
                    break
                rest.append(after.strip().removeprefix("#").strip())
            found.append(" ".join(rest))
    return found


def _head(asked: Asked, advice: Sequence[str]) -> Iterator[str]:
    yield "# yaml-language-server: $schema=../contract/target.schema.json"
    yield "# Written by `chaos drill init` from the series of the platform's Prometheus. A comment"
    yield f"# that begins with {MARK} marks a value to check. All keys: staging.example.yaml."
    if advice:
        yield "#"
        yield "# Settings that the platform needs:"
        for line in advice:
            yield from _comment(line, "", first="# - ", rest="#   ")
    yield "schema_version: 1"
    yield f"name: {asked.name}"
    yield "class: staging           # or production: a drill then needs --var confirm=NAME"
    yield "contract: contract/phase5.yaml"
    yield "provider: real           # stub: the load costs nothing"
    yield "tokens_max: 1000         # the most tokens that one request asks for"
    yield f"evacuate: {_scalar(asked.regions[0])}      # the region to evacuate"
    yield f"public_url: {_scalar(asked.public_url)}"
    yield "stream_seconds_max: 45   # the platform's limit of a stream; the drain waits this long"


def _load(asked: Asked) -> Iterator[str]:
    yield "load:"
    yield f"  model: {_scalar(asked.model)}"
    yield '  token: "${env.MUSTER_LOAD_TOKEN}"'
    yield '  canary_token: "${env.MUSTER_CANARY_TOKEN}"   # not in the platform\'s metrics'
    yield f"  # {MARK} file_sd: where Prometheus reads the load's address (file_sd_configs)"
    yield f"  file_sd: {LOAD_FILE}"
    yield f"  metrics_host: {asked.metrics_host}   # of this machine, as Prometheus reaches it"
    if asked.region_header:
        yield f"  region_header: {_scalar(asked.region_header)}"
    else:
        yield "  # region_header: x-served-by   # if a load balancer hides the region's address"


def _steering(asked: Asked) -> Iterator[str]:
    zone = _zone(asked.host)
    yield f"# {MARK} steering: if another zone has the records, or a command steers"
    yield "steering:"
    yield "  kind: route53          # with the usual AWS credentials"
    yield f"  zone: {_scalar(zone)}"
    yield f"  record: {_scalar(asked.host + '.')}"
    yield ""
    yield "shared:                  # the lock and the undo log, outside the drilling machine"
    yield "  kind: route53_txt"
    yield f"  zone: {_scalar(zone)}"
    yield f"  name: {_scalar('_muster.' + zone)}"


def _zone(host: str) -> str:
    """The usual zone of a public name: all labels but the first."""
    first, _, rest = host.partition(".")
    return f"{rest or first}."


def _regions(asked: Asked) -> Iterator[str]:
    yield "regions:"
    for region in asked.regions:
        yield f"  {_scalar(region)}:"
        if region in asked.ready:
            yield f"    ready_url: {_scalar(asked.ready[region])}"
        else:
            yield f"    # {MARK} ready_url: URL that answers 2xx while {region} can take traffic"
        yield f"    # {MARK} power: kubernetes or command; with none {region} is never stopped"
        yield "    power: {kind: none}"
        yield "    drain: {kind: none}  # http or command: how the region is asked to drain"


def _blast_radius(asked: Asked) -> Iterator[str]:
    yield "blast_radius:            # a drill that would change anything else is refused"
    yield f"  regions: {_flow(list(asked.regions))}"
    yield f"  zones: {_flow([_zone(asked.host)])}"
    yield f"  records: {_flow([asked.host + '.'])}"
    yield "  # namespaces: [chat]   # of power by kubernetes; by command: commands: [/opt/switch]"
    yield "  regions_dark_max: 1"
    yield ""
    yield "# A drill does not start while this query returns a series:"
    yield '# incident: ALERTS{alertstate="firing", severity="page"}'


def _signals(combined: Combined) -> Iterator[str]:
    yield "signals:                 # docs/signals.md"
    for signal in SIGNALS_SERVER:
        if signal in combined.shown:
            yield from _shown(signal, combined.shown[signal])
        elif signal in combined.declared:
            why = json.dumps(combined.declared[signal], ensure_ascii=False)
            yield f"  {signal}: {{none: {why}}}"
        else:
            yield from _missing(signal)
    yield "  # Metrics of Muster's own load."
    for signal, selector in LOAD_SIGNALS.items():
        yield f"  {signal}: {_scalar(selector)}"


def _shown(signal: str, said: Shown) -> Iterator[str]:
    notes = "; ".join(said.notes)
    yield from _comment(f"{said.product}{': ' if notes else ''}{notes}", "  ")
    for edit in said.edits:
        yield from _comment(f"{MARK} {signal}: {edit}", "  ", rest="#   ")
    yield from _entry(signal, plain(said.how), "  ")


def _missing(signal: str) -> Iterator[str]:
    hint = "a selector, or a mapping of the platform's series"
    if signal in DECLARABLE:
        hint += "; or {none: the reason why the platform has no such signal}"
    if signal == "streams_limit":
        hint += "; a fixed limit: {select: 'up{job=\"JOB\"}', value: STREAMS}"
    told = f"{MARK} {signal}: no recognised product exports it: {hint}"
    yield from _comment(told, "  ", rest="#   ")


def _profiles(asked: Asked) -> Iterator[str]:
    if asked.streams is None:
        return
    yield "profiles:                # never gate evidence; --var profile=own"
    yield "  own:"
    yield "    extends: m3_20k      # stream lengths, speed and retries of m3_20k"
    yield f"    streams: {asked.streams}"
    if asked.streams < STREAMS_FOR_MANY_CANARIES:
        yield f"    canaries_per_s: {FEW_CANARIES_PER_S}   # 3,000 a baseline, Tier X: 2,000"
    yield '    source: "choice: what this platform is held to"'


def _section(key: str, value: Mapping[str, Any]) -> Iterator[str]:
    yield f"{key}:"
    if value.get("scrape_interval_s") is None:
        yield f"  # {MARK} scrape_interval_s: how often the platform is scraped, in seconds"
    for name, item in value.items():
        if item is None:
            continue
        if isinstance(item, Mapping) and name == "servers":
            yield f"  {name}:"
            for server, its in item.items():
                yield f"    {_scalar(server)}: {_flow(its)}"
        else:
            yield f"  {name}: {_flow(_whole(item))}"


def _entry(key: str, value: Mapping[str, Any], indent: str) -> Iterator[str]:
    line = f"{indent}{key}: {_flow(value)}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}{key}:"
    for name, item in value.items():
        yield f"{indent}  {name}: {_flow(item)}"


def plain(how: MappedSignal) -> dict[str, Any]:
    """A mapping in its shortest form: no defaults, and a single selector as a text."""
    data = how.model_dump(by_alias=True, exclude_defaults=True)
    for key in ("select", "plus", "minus"):
        if len(data.get(key, ())) == 1:
            data[key] = data[key][0]
    order = ("select", "plus", "minus", "unit", "value", "labels", "values", "owner", "drop")
    ordered: dict[str, Any] = {key: _whole(data[key]) for key in order if key in data}
    return ordered


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list | tuple) else value


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True
    )
    return text.strip().removesuffix("\n...").strip()


def _scalar(value: str) -> str:
    return _flow(value)


def _comment(text: str, indent: str, first: str = "# ", rest: str = "# ") -> Iterable[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent + first,
        subsequent_indent=indent + rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
