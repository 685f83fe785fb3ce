"""`chaos drill schedule`."""

from __future__ import annotations

import click


@click.command()
@click.option("--target", required=True, help="Target: a name in targets/, or a file.")
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=30,
    show_default=True,
    help="How far ahead to look.",
)
@click.option("--ics", is_flag=True, help="Print iCalendar, for a calendar to subscribe to.")
@click.pass_context
def schedule(ctx: click.Context, target: str, days: int, ics: bool) -> None:
    """Show when a drill may begin, from the target's calendar.

    Hours are wall time of the calendar's time zone. Exit code: 0, or 1 if no drill may begin.

    \b
    Example:
      chaos drill schedule --target staging --ics > drills.ics
    """
    from muster import targets
    from muster.clock import SYSTEM_CLOCK, utc
    from muster.targets.calendar import shown
    from muster.targets.schedule import icalendar, openings

    wanted = targets.load(target)
    now = utc(SYSTEM_CLOCK)
    found = openings(wanted.calendar, now, days)
    if ics:
        click.echo(icalendar(wanted.name, found, now), nl=False)
    elif wanted.calendar is None:
        click.echo(f"target {wanted.name} has no calendar: a drill may begin at any time")
    else:
        for one in found:
            start, end = (shown(moment, wanted.calendar) for moment in (one.start, one.end))
            is_now = "now; " if one.start == now else ""
            click.echo(f"{is_now}{start}  to  {end}")
        if not found:
            click.echo(f"no drill may begin on {wanted.name} in the next {days} days")
    ctx.exit(0 if found else 1)
