"""Peak hours of real traffic: each occurrence and all together, held, missed or unknown."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner
from fake_prometheus import FakePrometheus
from floor_fixtures import await_true, prometheus_server, stand_in

from muster import home
from muster.cli import drill
from muster.contract import load
from muster.drill.real_traffic.peak import read_hours, samples_of
from muster.drill.real_traffic.promotion import CHUNK_S
from muster.errors import BadInput
from muster.judge.peak import SIGNALS, Asked, judge_hours, judge_together, not_judged, word_of
from muster.platform.metrics import RawSeries
from muster.platform.metrics.prometheus import Prometheus
from muster.targets import load as load_target
from muster.targets.peak import Occurrence, occurrences, parse_peak

CONTRACT = load()
EAST, WEST = "eu-central-1", "eu-west-1"
BOTH = (EAST, WEST)
SHOWN = frozenset({"streams_broken", "open_over"})
T0 = 1_800_000_000.0
STEP_S = 5
PER_S = 20.0
EDGES = ("1", "2", "2.5", "15", "18", "30", "+Inf")


def asked(tier="X", regions=BOTH, shown=SHOWN):
    return Asked(CONTRACT, CONTRACT.tiers[tier], regions, STEP_S, shown)


@dataclass
class Traffic:
    """Real traffic of two regions from `start` on: shares of what goes wrong, at any second."""

    bad: float = 0.0
    shed: float = 0.0
    slow_first: float = 0.0
    slow_end: float = 0.0
    broken: float = 0.0
    edges: tuple[str, ...] = EDGES
    hide: tuple[str, float, float] = ("", 0.0, 0.0)
    without: frozenset[str] = frozenset()
    canaries: float | None = None
    spans: dict[int, float] = field(default_factory=dict)

    def series(self, seconds=1200.0, start_s=T0):
        moments = [i * STEP_S - 60 for i in range(int((seconds + 120) / STEP_S) + 1)]
        found = []
        for region in BOTH:
            total = [PER_S * (s + 60) for s in moments]

            def grown(share, total=total):
                return [share * x + 7 for x in total]

            labels = {"region": region, "instance": f"{region}-a"}
            parts = {"200": 1 - self.bad - self.shed, "503": self.bad, "429": self.shed}
            for code, share in parts.items():
                found.append(("requests", "requests", {**labels, "code": code}, grown(share)))
            found.append(("streams_broken", "streams_broken", labels, grown(self.broken)))
            for kind, slow, threshold in (
                ("first_token", self.slow_first, 2.0),
                ("completion", self.slow_end, 15.0),
            ):
                timed = 1 - self.bad - self.shed
                found.append((kind, f"{kind}_count", labels, grown(timed)))
                for edge in self.edges:
                    under = timed if edge == "+Inf" or float(edge) > threshold else timed - slow
                    under = 0.0 if edge != "+Inf" and float(edge) < threshold / 4 else under
                    found.append((kind, f"{kind}_bucket", {**labels, "le": edge}, grown(under)))
                for tier in CONTRACT.tiers.values():
                    le = f"{getattr(tier, f'{kind}_p95_s_max'):g}"
                    gauge = {**labels, "phase": kind, "le": le}
                    found.append(("open_over", "open_over", gauge, [0.0] * len(moments)))
            found.append(("streams_active", "streams_active", labels, [140.0] * len(moments)))
            if self.canaries is not None:
                for outcome, share in (
                    ("answered", 1 - self.canaries),
                    ("unavailable_5xx", self.canaries),
                ):
                    one = {**labels, "outcome": outcome}
                    found.append(("client_canaries", "client_canaries", one, grown(share)))
        signal, since, until = self.hide
        return [
            RawSeries(
                name, metric, labels,
                tuple(start_s + s for s in moments if not (name == signal and since <= s <= until)),
                tuple(v for s, v in zip(moments, values, strict=True)
                      if not (name == signal and since <= s <= until)),
            )
            for name, metric, labels, values in found
            if name not in self.without
        ]  # fmt: skip


def read(traffic, tier="X", seconds=900.0, **more):
    """The hours from T0 on, through a stand-in for Prometheus."""
    target = load_target("testbed")
    selectors = {name: target.signals[name] for name in SIGNALS}
    fake = FakePrometheus(selectors, traffic.series(seconds))
    with stand_in(fake.answer) as shown:
        prometheus = Prometheus(shown.url, 5)
        occurrence = Occurrence("Mon", T0, T0 + seconds)
        hours = read_hours(prometheus, target, asked(tier, **more), occurrence)
        prometheus.close()
    return hours, fake


def statuses(hours):
    return {finding.slo: finding.status for finding in hours.findings}


def test_hours_that_hold_hold_every_slo_that_the_platform_shows():
    """Five SLOs of the server, and none of the client; mean open streams are told."""
    hours, fake = read(Traffic(bad=0.002, shed=0.04))
    assert hours.word == "HELD", hours.findings
    assert set(statuses(hours)) == {
        "success_2xx", "rate_5xx", "rate_429", "first_token_p95", "completion_p95",
    }  # fmt: skip
    assert hours.streams == pytest.approx(280)
    assert max(window_s for _, window_s, _ in fake.asked) <= CHUNK_S + 1


@pytest.mark.parametrize(
    ("over", "under", "slo"),
    [
        (Traffic(bad=0.0031), Traffic(bad=0.0029), "rate_5xx"),
        (Traffic(shed=0.0501, bad=0), Traffic(shed=0.0499), "rate_429"),
        (Traffic(broken=0.0501), Traffic(broken=0.0499), "success_2xx"),
        (Traffic(slow_first=0.0501), Traffic(slow_first=0.0499), "first_token_p95"),
        (Traffic(slow_end=0.0501), Traffic(slow_end=0.0499), "completion_p95"),
    ],
)
def test_each_slo_is_missed_on_one_side_of_its_limit_and_held_on_the_other(over, under, slo):
    """Tier X, one part in ten thousand to either side."""
    missed, _ = read(over)
    assert statuses(missed)[slo] == "fail"
    assert missed.word == "MISSED"
    held, _ = read(under)
    assert statuses(held)[slo] == "pass"


@pytest.mark.parametrize(
    ("traffic", "says"),
    [
        (Traffic(without=frozenset({"requests"})), "requests has no samples in"),
        (Traffic(without=frozenset({"first_token"})), "no data"),
        (Traffic(without=frozenset({"streams_broken"})), "has no series"),
        (Traffic(hide=("requests", 300, 400)), "no sample of requests in"),
        (Traffic(hide=("requests", 800, 1000)), "no sample of requests in"),
        (Traffic(hide=("requests", -60, 100)), "no sample of requests in"),
        (Traffic(edges=("0.5", "1", "+Inf")), "no histogram edge"),
    ],
)
def test_hours_with_missing_samples_are_unknown_and_never_held(traffic, says):
    """No series, a gap, a late beginning, an early end, no edge: each is said."""
    hours, _ = read(traffic)
    assert hours.word == "UNKNOWN"
    assert any(says in finding.reason for finding in hours.findings), hours.findings


def test_a_region_that_shows_nothing_makes_unknown():
    """The target names two regions and one of them has no samples."""
    hours, _ = read(Traffic(), regions=(*BOTH, "us-east-1"))
    assert hours.word == "UNKNOWN"


def test_a_prometheus_that_does_not_answer_makes_unknown():
    """With its words."""
    target = load_target("testbed")
    prometheus = Prometheus("http://127.0.0.1:9", 0.2)
    hours = read_hours(prometheus, target, asked(), Occurrence("Mon", T0, T0 + 600))
    prometheus.close()
    assert hours.word == "UNKNOWN"
    assert "127.0.0.1:9" in hours.findings[0].reason
    assert {f.status for f in judge_together(asked(), [hours])} == {"unknown"}


def test_canaries_are_judged_where_somebody_sent_them():
    """Availability is then known; otherwise it is listed as not judged."""
    held, _ = read(Traffic(canaries=0.0004))
    assert statuses(held)["availability"] == "pass"
    missed, _ = read(Traffic(canaries=0.0006))
    assert (statuses(missed)["availability"], missed.word) == ("fail", "MISSED")
    assert not any("availability" in line for line in not_judged(asked(), canaries=True))
    assert "availability" in not_judged(asked(), canaries=False)[0]
    told = "\n".join(not_judged(asked(shown=frozenset()), canaries=False))
    for what in ("clients saw", "20,000", "streams_broken", "open_over"):
        assert what in told


def test_all_together_is_counted_as_one():
    """A bad day beside a good one: the bad one is missed by itself, together they hold."""
    good, _ = read(Traffic())
    bad, _ = read(Traffic(bad=0.005, slow_first=0.06))
    together = {f.slo: f for f in judge_together(asked(), [good, bad])}
    assert (good.word, bad.word) == ("HELD", "MISSED")
    assert together["rate_5xx"].measured == pytest.approx(0.25, abs=0.01)
    assert together["rate_5xx"].status == "pass"
    assert together["first_token_p95"].status == "pass"
    worse, _ = read(Traffic(bad=0.007))
    assert {f.slo: f.status for f in judge_together(asked(), [good, worse])}["rate_5xx"] == "fail"
    gap, _ = read(Traffic(without=frozenset({"requests"})))
    unknown = {f.slo: f.status for f in judge_together(asked(), [good, gap])}
    assert unknown["rate_5xx"] == "unknown"
    assert word_of([*good.findings, *bad.findings]) == "MISSED"
    assert word_of([]) == "UNKNOWN"


def test_a_histogram_without_the_edge_never_fails_by_a_guess():
    """2 s lies between 1 and 2.5 s: what is over 1 s may be under 2 s."""
    rough = tuple(edge for edge in EDGES if edge not in ("2", "15"))
    hours, _ = read(Traffic(slow_first=0.2, edges=rough))
    assert statuses(hours)["first_token_p95"] == "unknown"
    together = {f.slo: f.status for f in judge_together(asked(), [hours])}
    assert together["first_token_p95"] == "unknown"


# When the hours were


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans(text, now, days):
    found, left_out = occurrences(parse_peak(text), at(now), days)
    return [
        (
            one.name,
            *(f"{datetime.fromtimestamp(t, UTC):%dT%H:%M}" for t in (one.start_s, one.end_s)),
        )
        for one in found
    ], left_out


def test_hours_follow_the_wall_clock_over_a_change_of_the_clocks():
    """14:00 in Berlin is 13:00 UTC in winter and 12:00 in summer."""
    found, _ = spans("mon-fri 14:00-16:00 Europe/Berlin", "2026-03-31T20:00:00", 5)
    assert found == [
        ("Fri 2026-03-27", "27T13:00", "27T15:00"),
        ("Mon 2026-03-30", "30T12:00", "30T14:00"),
        ("Tue 2026-03-31", "31T12:00", "31T14:00"),
    ]
    found, _ = spans("fri,mon 14:00-16:00 Europe/Berlin", "2026-10-27T20:00:00", 5)
    assert [span[1] for span in found] == ["23T12:00", "26T13:00"]


def test_an_hour_that_the_clocks_skip_is_left_out_and_told():
    """2026-03-29 has no 02:00 to 03:00 in Berlin; 2026-10-25 has it twice, and the later counts."""
    found, left_out = spans("sun 02:00-03:00 Europe/Berlin", "2026-03-30T00:00:00", 8)
    assert [span[0] for span in found] == ["Sun 2026-03-22"]
    assert left_out == ["Sun 2026-03-29: a change of the clocks leaves nothing of the hours"]
    found, left_out = spans("sun 02:00-03:00 Europe/Berlin", "2026-10-26T00:00:00", 2)
    assert (found, left_out) == ([("Sun 2026-10-25", "25T01:00", "25T02:00")], [])


def test_hours_over_midnight_and_those_that_are_not_over():
    """They belong to the day they begin; today's count once they are over."""
    text = "daily 22:00-01:00 UTC"
    found, _ = spans(text, "2026-06-03T00:30:00", 2)
    assert [span[0] for span in found] == ["Mon 2026-06-01"]
    found, _ = spans(text, "2026-06-03T01:00:00", 2)
    assert [span[0] for span in found] == ["Mon 2026-06-01", "Tue 2026-06-02"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected DAYS HH:MM-HH:MM ZONE"),
        ("14:00-16:00 Europe/Berlin", "expected DAYS"),
        ("mon-xyz 14:00-16:00 UTC", "days: got 'mon-xyz'"),
        ("mon 14-16 UTC", r"hours\.from: got '14'"),
        ("mon 14:00-25:00 UTC", r"hours\.to: got '25:00'"),
        ("mon 14:00-16:00 Mars/Base", "zone: got 'Mars/Base'"),
    ],
)
def test_hours_that_cannot_be_read_are_one_line(text, says):
    """The option, the part, what it was, and what was expected."""
    with pytest.raises(BadInput, match=says) as caught:
        parse_peak(text)
    assert str(caught.value).startswith("--window")


def test_days_may_wrap_around_the_week():
    """`sat-mon` is three days."""
    assert parse_peak("sat-mon 10:00-11:00 UTC").hours.days == ("mon", "sat", "sun")
    assert len(parse_peak("daily 10:00-11:00 UTC").hours.days) == 7


# The command


@pytest.fixture
def place(tmp_path):
    """A staging target with a stand-in for Prometheus."""
    document = yaml.safe_load((home.root() / "targets" / "staging.example.yaml").read_text())
    document["signals"]["streams_broken"] = "streams_broken"
    document["signals"]["open_over"] = "open_over"
    fake = FakePrometheus({name: document["signals"][name] for name in SIGNALS})
    with stand_in(fake.answer) as shown:
        document["prometheus"] = {"url": shown.url, "scrape_interval_s": STEP_S}
        path = tmp_path / "staging.yaml"
        path.write_text(yaml.safe_dump(document))
        yield fake, str(path)


def hour(days_ago, begin=9):
    """That hour of a day, which `daily` hours of UTC hold."""
    day = datetime.now(UTC).replace(hour=begin, minute=0, second=0, microsecond=0)
    return (day - timedelta(days=days_ago)).timestamp()


@pytest.mark.parametrize(
    ("days", "code", "word"),
    [
        ([Traffic(), Traffic()], 0, "HELD"),
        ([Traffic(), Traffic(bad=0.01)], 1, "MISSED"),
        ([Traffic(), Traffic(hide=("requests", 300, 400))], 3, "UNKNOWN"),
        ([Traffic(hide=("requests", 300, 400)), Traffic(bad=0.01)], 1, "MISSED"),
    ],
)
def test_the_command_answers_for_each_day_and_for_all(place, days, code, word):
    """0 held, 1 missed, 3 unknown; what could not be judged is listed."""
    fake, path = place
    fake.series = [
        series
        for ago, traffic in zip((2, 1), days, strict=True)
        for series in traffic.series(600, start_s=hour(ago))
    ]
    # Both days are within two days and some hours, whatever the time of day is now.
    start = datetime.fromtimestamp(hour(2), UTC)
    back = (datetime.now(UTC) - start).days + 1
    arguments = ["slo", path, "--tier", "x", "--window", "daily 09:00-09:10 UTC"]
    result = CliRunner().invoke(drill, [*arguments, "--days", str(back), "--json"])
    told = json.loads(result.stdout)
    judged = [one for one in told["occurrences"] if one["answer"] != "UNKNOWN" or code == 3]
    assert len(told["occurrences"]) >= 2
    if len(told["occurrences"]) == 2:
        assert (result.exit_code, told["answer"]) == (code, word), result.output
    else:  # today's hours are over already, and nobody was there to be scraped
        assert result.exit_code == (1 if code == 1 else 3)
    assert judged
    assert any("availability" in line for line in told["not_judged"])
    if code:
        return
    plain = CliRunner().invoke(drill, [*arguments, "--days", str(back)])
    assert re.search(r"not judged: availability", plain.output)
    assert plain.output.splitlines()[-1].startswith(f"{told['answer']}: Tier X ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tier", "Z", "--window", "daily 09:00-09:10 UTC"], "--tier: got 'Z'"),
        (["--tier", "X", "--window", "x"], "--window: got 'x'"),
        (["--tier", "X", "--window", "daily 09:00-09:10 UTC", "--days", "0"], "--days: got 0"),
    ],
)
def test_bad_input_exits_2_in_one_line(place, arguments, says):
    """Nothing is asked."""
    fake, path = place
    result = CliRunner().invoke(drill, ["slo", path, *arguments])
    assert (result.exit_code, fake.asked) == (2, [])
    assert says in result.output


# A real Prometheus


class Live:
    """A platform of one region that counts while it is scraped."""

    def __init__(self):
        self.n = 0

    def answer(self, call):
        self.n += 400
        labels = 'region="a"'
        lines = [
            f'requests{{{labels},code="200"}} {self.n}',
            f'requests{{{labels},code="503"}} 0',
        ]
        for kind in ("first_token", "completion"):
            lines += [f"{kind}_count{{{labels}}} {self.n}"]
            lines += [f'{kind}_bucket{{{labels},le="{edge}"}} {self.n}' for edge in EDGES]
        return 200, "\n".join(lines) + "\n"


def test_hours_are_read_from_a_real_prometheus(tmp_path):
    """Its range vectors at past moments, piece by piece, and the same counting."""
    live = Live()
    target = load_target("testbed")
    signals = {
        "requests": "requests",
        "first_token": '{__name__=~"first_token_(bucket|count)"}',
        "completion": '{__name__=~"completion_(bucket|count)"}',
    }
    target = target.model_copy(update={"signals_said": signals})
    one = replace(asked(regions=("a",), shown=frozenset()), scrape_s=0.2)
    with stand_in(live.answer) as shown, prometheus_server(tmp_path / "p", shown.port) as server:
        prometheus = Prometheus(server.url, 5)
        began_s = time.time()

        def scraped():
            """From when until when every series was scraped."""
            found = samples_of(prometheus, target, began_s, time.time()).of("requests")
            return [(float(one.t[0]), float(one.t[-1])) for one in found]

        await_true(lambda: any(b - a > 8 for a, b in scraped()), "eight seconds of scrapes", 60)
        first_s = max(a for a, _ in scraped())
        occurrence = Occurrence("now", first_s + 0.5, first_s + 7)
        hours = read_hours(prometheus, target, one, occurrence)
        before = Occurrence("before", began_s - 3600, began_s - 1800)
        nothing = read_hours(prometheus, target, one, before)
        prometheus.close()
    assert hours.word == "HELD", hours.findings
    assert nothing.word == "UNKNOWN"


def test_judging_reads_the_zone_as_the_calendar_does():
    """The same wall time, by the same database."""
    found, _ = occurrences(
        parse_peak("daily 14:00-16:00 Asia/Kolkata"), at("2026-06-02T12:00:00"), 1
    )
    (one,) = found
    local = datetime.fromtimestamp(one.start_s, ZoneInfo("Asia/Kolkata"))
    assert (local.hour, local.minute) == (14, 0)
    assert one.end_s - one.start_s == 7200


def test_no_samples_at_all_judge_as_unknown():
    """Nothing read is nothing held."""
    from muster.samples.series import Samples

    assert judge_hours(asked(), Samples({}), "x", T0, T0 + 600).word == "UNKNOWN"
