"""Reads the file of a game day and every drill that it lists, as far as nothing is started."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from muster import home
from muster.controls.plans import configuration_in, plan_in
from muster.controls.source import bytes_of, drill_in
from muster.drill.game_day.child import without_settings
from muster.drill.game_day.form import CONTROL, Listed, check_day, is_day, on_fail
from muster.drill.plan.asked import mapping_of, mappings_of
from muster.drill.plan.form import check_form
from muster.drill.plan.settings import KEYS
from muster.errors import BadInput

if TYPE_CHECKING:
    from muster.drill.game_day.model import Day, Entry


def day_in(
    source: str,
    experiment: Mapping[str, Any],
    given: Mapping[str, Any],
    flags: Mapping[str, str | None] | None = None,
    configuration: Mapping[str, Any] | None = None,
) -> Day:
    """The day in `experiment`, the content of `source`, with the settings `given`.

    `configuration`: its configuration as Chaos Toolkit resolved it, if it has. Raises BadInput for
    the first thing in the day or in a drill of it that does not fit. Nothing is asked or started.
    """
    from muster.drill.game_day.model import NAME_DEFAULT, Day
    from muster.drill.plan.plan import NAME

    listed = check_day(source, experiment, given, os.environ, flags)
    if configuration is None:
        configuration = configuration_in(source, experiment, given)
    variables = {
        key: str(value)
        for key in KEYS
        if (value := configuration.get(key)) is not None and value != ""
    }
    told = mapping_of(mapping_of(mappings_of(experiment, "controls")[0], "provider"), "arguments")
    name = str(told.get("day", NAME_DEFAULT))
    if not NAME.fullmatch(name):
        wanted = "letters, digits, '-', '_' and '.', a letter or digit first, at most 64"
        raise BadInput(source, "controls.0.day", name, wanted)
    entries = tuple(_entry(source, one, variables) for one in listed)
    _each_once(source, entries)
    title = str(experiment.get("title", name))
    return Day(name, title, source, on_fail(configuration), variables, entries)


def _entry(source: str, listed: Listed, variables: Mapping[str, str]) -> Entry:
    """The drill, checked as `chaos run` of its file would. Raises BadInput."""
    from muster.drill.game_day.model import Entry

    path = Path(listed.file)
    path = path if path.is_absolute() else home.root() / path
    raw = bytes_of(str(path))  # once: what is checked is what the digest is of
    experiment = drill_in(str(path), raw)
    if is_day(experiment):
        where = f"method.{listed.number - 1}.provider.arguments.drill"
        raise BadInput(source, where, listed.file, f"a drill: that is a day (it has {CONTROL})")
    check_form(str(path), experiment, variables, without_settings(os.environ))
    plan = plan_in(str(path), experiment, variables)
    return Entry(listed, str(path), hashlib.sha256(raw).hexdigest(), plan)


def _each_once(source: str, entries: tuple[Entry, ...]) -> None:
    """No drill twice, by whatever path or under whatever file's name."""
    seen: dict[str, str] = {}
    for one in entries:
        for key in (one.sha256, str(Path(one.path).resolve()), one.plan.drill):
            if key in seen:
                where = f"method.{one.number - 1}.provider.arguments.drill"
                wanted = f"each drill once ({seen[key]} is the same)"
                raise BadInput(source, where, one.file, wanted)
            seen[key] = one.file
