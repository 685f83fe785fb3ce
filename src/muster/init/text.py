"""The text of a target file: what is known as values, what nobody can know marked. Pure.

A key without which no drill starts and that nobody can know is left out below its mark: the loader
then names it, a line each. A key that has a safe value has it, with the mark where it may be wrong.
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
"""A small platform would be loaded by m3_20k's 50 canaries a second more than by the load."""
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
"""What Muster's own load shows (`muster.load.exposition`)."""


def target_text(asked: Asked, combined: Combined, advice: Sequence[str]) -> str:
    """The whole file. `advice`: what the platform must be set to, a line each."""
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
    """What is left to a person, each mark as one line."""
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
    yield "# Written by `chaos drill init` from what the platform's Prometheus showed. A comment"
    yield f"# that begins with {MARK} says what only you can know. All keys: staging.example.yaml."
    if advice:
        yield "#"
        yield "# What the platform must be set to:"
        for line in advice:
            yield from _comment(line, "", first="# - ", rest="#   ")
    yield "schema_version: 1"
    yield f"name: {asked.name}"
    yield "class: staging           # or production, which wants its name in --var confirm="
    yield "contract: contract/phase5.yaml"
    yield "provider: real           # stub: the load costs nothing"
    yield "tokens_max: 1000         # no stream of the load asks for more"
    yield f"evacuate: {_scalar(asked.regions[0])}      # the region that a failover drill empties"
    yield f"public_url: {_scalar(asked.public_url)}"
    yield "stream_seconds_max: 45   # the platform's own bound on a stream: draining waits so long"


def _load(asked: Asked) -> Iterator[str]:
    yield "load:"
    yield f"  model: {_scalar(asked.model)}"
    yield '  token: "${env.MUSTER_LOAD_TOKEN}"'
    yield '  canary_token: "${env.MUSTER_CANARY_TOKEN}"   # left out of the platform\'s figures'
    yield f"  # {MARK} file_sd: where Prometheus looks for the load's metrics (file_sd_configs)"
    yield f"  file_sd: {LOAD_FILE}"
    yield "  metrics_host: 0.0.0.0"
    if asked.region_header:
        yield f"  region_header: {_scalar(asked.region_header)}"
    else:
        yield "  # region_header: x-served-by   # where a load balancer hides the region's address"


def _steering(asked: Asked) -> Iterator[str]:
    zone = _zone(asked.host)
    yield f"# {MARK} steering: if another zone has the records, or a command steers"
    yield "steering:"
    yield "  kind: route53          # the real Route 53, by the ordinary AWS credentials"
    yield f"  zone: {_scalar(zone)}"
    yield f"  record: {_scalar(asked.host + '.')}"
    yield ""
    yield "shared:                  # off the drilling machine: the lock, and what is to be undone"
    yield "  kind: route53_txt"
    yield f"  zone: {_scalar(zone)}"
    yield f"  name: {_scalar('_muster.' + zone)}"


def _zone(host: str) -> str:
    """The zone of a public name, as it most often is: all but the first label."""
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
        yield f"    # {MARK} power: kubernetes or command; with none {region} is not really stopped"
        yield "    power: {kind: none}"
        yield "    drain: {kind: none}  # http or command: who asks clients to let go"


def _blast_radius(asked: Asked) -> Iterator[str]:
    yield "blast_radius:            # anything else is refused before the first effect"
    yield f"  regions: {_flow(list(asked.regions))}"
    yield f"  zones: {_flow([_zone(asked.host)])}"
    yield f"  records: {_flow([asked.host + '.'])}"
    yield "  # namespaces: [chat]   # of power by kubernetes; by command: commands: [/opt/switch]"
    yield "  regions_dark_max: 1"
    yield ""
    yield "# A drill does not start while this answers with any series:"
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
    yield "  # Muster's own load; these names are its own."
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
        hint += "; or {none: why the platform has no such thing}"
    if signal == "streams_limit":
        hint += "; of a fixed one {select: 'up{job=\"JOB\"}', value: STREAMS}"
    told = f"{MARK} {signal}: nothing that is recognised shows it: {hint}"
    yield from _comment(told, "  ", rest="#   ")


def _profiles(asked: Asked) -> Iterator[str]:
    if asked.streams is None:
        return
    yield "profiles:                # never gate evidence; --var profile=own"
    yield "  own:"
    yield "    extends: m3_20k      # its lengths, speed and retries"
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
    """A mapping as a person writes it: nothing that is the default, one selector as a text."""
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
