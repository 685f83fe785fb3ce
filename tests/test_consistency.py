"""Series that are missing beside others: which process was at work, and what it must show."""

from __future__ import annotations

import pytest
from test_evaluate import samples_of

from muster.judge.consistency import judge_consistency
from muster.judge.oddities import oddities
from muster.samples.doubled import doubled_label, twin_label
from muster.samples.rates import OUTCOMES
from muster.samples.series import series_of
from muster.samples.windows import Window

WINDOW = Window(100.0, 160.0, 4.0)
NAN = float("nan")
RISING = [(float(t), float(t)) for t in range(90, 171)]


def series(signal, instance="a", name="", points=RISING, region="west", **labels):
    full = {"region": region, "instance": instance, **labels}
    return series_of(signal, name or signal, full, points)


def told(*found, shown=frozenset()):
    """(source, reason) of every finding."""
    findings = judge_consistency(samples_of(*found), WINDOW, "dark", shown)
    return [(f.source, f.reason) for f in findings]


def test_a_finding_of_a_missing_series_is_unknown():
    """It has a phase and a window, and nothing that could be measured."""
    [finding] = judge_consistency(samples_of(), WINDOW, "dark", frozenset({"open_over"}))
    assert finding.as_json() == {
        "slo": "samples_complete",
        "phase": "dark",
        "source": "server",
        "window": (100.0, 160.0),
        "unit": "",
        "status": "unknown",
        "reason": "open_over has no series, although the target names it",
    } | dict.fromkeys(
        ("tier", "region", "threshold", "measured", "margin", "samples", "bracket"), None
    )


PAIRS = {
    "server": ("requests", "code", "200", "first_token", "completion"),
    "client": (
        *("client_attempts", "outcome", "success"),
        *("client_first_token", "client_completion"),
    ),
}


def pair(source, instance="a", points=RISING, only=(), part=""):
    """What a process that answers shows: attempts and both latencies, or only some of it."""
    counted, label, good, *timed = PAIRS[source]
    found = [series(counted, instance, points=points, **{label: part or good})]
    found += [series(signal, instance, "x_count", points) for signal in timed]
    return [one for one in found if not only or one.signal in only]


@pytest.mark.parametrize("source", ["server", "client"])
def test_what_succeeded_was_timed_and_what_was_timed_was_answered(source):
    """Process by process; each names what it lacks."""
    counted, label, _, *timed = PAIRS[source]

    def of(*found):
        # Outcomes that the load always shows are another rule's.
        return [row for row in told(*found) if "lacks every" not in row[1]]

    other = pair(source, "b")
    assert of(*pair(source), *other) == []
    for signal in timed:
        left = [one for one in pair(source) if one.signal != signal]
        said = f"{signal} lacks a of west, although other signals show it at work"
        assert (source, said) in of(*left, *other)
        bucket = series(signal, "a", "x_bucket", le="1")
        assert (source, said) in of(*left, *other, bucket)
        alone = pair(source, only=(signal,))
        said = f"{counted} lacks a of west, although other signals show it at work"
        assert (source, said) in of(*alone, *other)
    failed = pair(source, only=(counted,), part="500")
    said = f"{timed[0]} lacks a of west, although other signals show it at work"
    assert (source, said) not in of(*failed, *other)
    nameless = series(counted, "a")
    assert label not in nameless.labels
    said = f"{timed[0]} lacks a of west, although other signals show it at work"
    assert (source, said) not in of(nameless, *other)


@pytest.mark.parametrize(
    ("points", "works"),
    [
        (RISING, True),
        ([(t, 5.0) for t, _ in RISING], False),
        ([(t, 5.0 if t < 160 else 6.0) for t, _ in RISING], True),
        ([(t, 5.0 if t < 161 else 6.0) for t, _ in RISING], False),
        ([(t, 5.0 if t < 102 else 6.0) for t, _ in RISING], True),
        ([(t, 5.0 if t < 100 else 6.0) for t, _ in RISING], True),
        ([(96.0, 5.0), *[(t, 6.0) for t, _ in RISING[10:]]], False),
        ([(97.0, 5.0), *[(t, 6.0) for t, _ in RISING[10:]]], True),
        ([(t, NAN if t == 130 else 5.0) for t, _ in RISING], True),
        ([(130.0, 1.0)], True),
        ([(130.0, 0.0)], False),
        ([(100.0, 5.0), (130.0, 5.0)], False),
        ([(101.0, 5.0), (130.0, 5.0)], True),
        ([(t, 0.0) for t, _ in RISING[20:]], False),
        ([(t, t) for t, _ in RISING[71:]], False),
    ],
)
def test_a_process_is_at_work_when_its_counter_moves_in_the_window(points, works):
    """From the sample that stands at its start to its end, or by its first value."""
    silent = series("requests", points=points, code="200")
    assert bool(told(silent, *pair("server", "b"))) is works


@pytest.mark.parametrize("signal", ["queue_age", "circuit_open"])
def test_what_one_process_shows_each_that_answers_must_show(signal):
    """The platform's, by the region that they are in; one without a name is a process too."""
    both = [*pair("server", ""), *pair("server", "b")]
    said = f"{signal} lacks a process of west, although other signals show it at work"
    assert told(*both, series(signal, "b")) == [("server", said)]
    assert told(*both, series(signal, "b"), series(signal, "")) == []


def load(signal, instance, **labels):
    return series(signal, instance, **labels)


def test_each_process_of_the_load_shows_each_signal_of_it():
    """By region, or by itself; each label value that another one shows."""
    alone = [series("client_offered", name, region="") for name in ("l", "m")]
    assert told(*alone) == []
    scheduled = series("client_scheduled", "l", region="")
    assert told(*alone, scheduled) == [("client", "client_scheduled lacks m of the load")]
    streams = series("client_streams", "")
    assert told(streams, alone[0]) == [
        ("client", "client_offered lacks a process of the load"),
    ]
    west = series("client_streams", "l")
    east = series("client_streams", "l", region="east")
    other = series("client_completion", "l", "x_count")
    said = "client_completion lacks l of the load in east"
    assert ("client", said) in told(west, east, other)


@pytest.mark.parametrize(
    ("signal", "source", "less", "what"),
    [
        ("client_open_over", "client", {"phase": "q", "le": "2"}, "2, q"),
        ("client_open_over", "client", {"phase": "p", "le": "3"}, "3, p"),
        ("open_over", "server", {"phase": "p", "le": "3"}, "3, p"),
    ],
)
def test_label_values_that_one_process_shows_each_must_show(signal, source, less, what):
    """Its phase and its edge."""
    both = [series(signal, name, phase="p", le="2") for name in ("", "b")]
    both.append(series(signal, "b", **less))
    said = f"{signal} lacks {what} of a process in west"
    assert told(*both) == [(source, said)]
    assert told(*both, series(signal, "", **less)) == []


def test_the_loads_retries_are_shown_beside_its_schedule():
    """Each outcome of each kind; and each outcome at all."""

    def attempts(kind, names=OUTCOMES, instance="l"):
        # Without a success nobody looks for latencies.
        flat = [(t, 0.0) for t, _ in RISING]
        return [
            series("client_attempts", instance, points=flat, outcome=name, kind=kind)
            for name in names
        ]

    whole = [*attempts("scheduled"), *attempts("retry")]
    assert told(*whole) == []
    assert told(*whole[1:]) == []
    short = [*whole, *attempts("scheduled", instance="m")]
    said = "client_attempts lacks retry, broken of m in west"
    assert told(*short) == [("client", said)]
    less = [one for one in whole if one.labels["outcome"] != "refused"]
    assert told(*less) == [("client", "client_attempts lacks every refused")]
    nameless = series("client_attempts", "l", points=[(t, 0.0) for t, _ in RISING])
    assert ("client", "client_attempts lacks every refused") in told(*less, nameless)


# What is there, and cannot be


@pytest.mark.parametrize(
    ("signal", "labels"),
    [
        ("requests", {"code": "200"}),
        ("streams_broken", {}),
        ("completion", {"le": "2"}),
        ("client_attempts", {"outcome": "success"}),
    ],
)
def test_a_counter_that_falls_without_a_restart_is_named(signal, labels):
    """With its labels, from what to what, in the stretch where it fell and in no other."""
    saw = [(t, v + (5000 if int(t) % 2 else 0)) for t, v in RISING]
    [odd] = list(oddities(samples_of(series(signal, points=saw, **labels)), WINDOW))
    assert odd[:2] == ("client" if signal.startswith("client") else "server", signal)
    assert odd[2].startswith(f"{signal}{{")
    assert 'instance="a"' in odd[2]
    assert "} fell from 5103 to 104: it fell again sooner than a process can restart" in odd[2]
    once = [(t, v + (5000 if t < 120 else 0)) for t, v in RISING]
    quiet = Window(125.0, 160.0, 4.0)
    assert list(oddities(samples_of(series(signal, points=once, **labels)), quiet)) == []
    reason = [r for _, r in told(series(signal, points=once, **labels)) if "fell from" in r]
    assert len(reason) == 1


def test_a_restart_is_nothing_odd():
    """Back to next to nothing, and on from there."""
    again = [(t, v if t < 120 else t - 120) for t, v in RISING]
    assert list(oddities(samples_of(series("requests", points=again, code="200")), WINDOW)) == []


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ({"code": "4xx"}, 'code="4xx"'),
        ({"code": "0"}, 'code="0"'),
        ({"code": "UNAVAILABLE"}, 'code="UNAVAILABLE"'),
        ({"status": "503"}, "no code"),
    ],
)
def test_answers_without_a_status_are_named_where_they_are_counted(labels, what):
    """One that stood there before and is not counted any more says nothing."""
    wanted = ("server", "requests", f"counts answers with {what}, which is no status")
    assert list(oddities(samples_of(series("requests", **labels)), WINDOW)) == [wanted]
    late = [(t, v) for t, v in RISING if t > 120]
    assert list(oddities(samples_of(series("requests", points=late, **labels)), WINDOW)) == [wanted]
    still = [(t, 70.0) for t, _ in RISING]
    assert list(oddities(samples_of(series("requests", points=still, **labels)), WINDOW)) == []
    assert list(oddities(samples_of(series("requests", code="429")), WINDOW)) == []


@pytest.mark.parametrize("signal", ["queue_age", "streams_active", "streams_limit", "requests"])
def test_a_negative_value_is_odd(signal):
    """An age before now, or fewer than no streams; at another time it says nothing."""
    for at_s, many in ((130.0, 1), (165.0, 0)):
        points = [(t, -3.0 if t == at_s else 0.0) for t, _ in RISING]
        found = list(oddities(samples_of(series(signal, points=points, code="200")), WINDOW))
        assert [odd[2] for odd in found if "shows -3" in odd[2]] == [odd[2] for odd in found][:many]


@pytest.mark.parametrize("label", ["prometheus_replica", "__replica__", "job", "prometheus"])
def test_a_series_that_is_there_twice_is_named_by_its_label(label):
    """Whoever scraped it is no part of the platform; two instances are."""
    twice = [series("streams_limit", **{label: value}) for value in ("p0", "p1")]
    wanted = ("server", "streams_limit", f"shows series twice, by {label}: p0, p1")
    assert list(oddities(samples_of(*twice), WINDOW)) == [wanted]
    apart = [series("streams_limit", value, **{label: value}) for value in ("p0", "p1")]
    assert list(oddities(samples_of(*apart), WINDOW)) == []
    assert list(oddities(samples_of(twice[0]), WINDOW)) == []


def test_sums_of_two_jobs_are_no_doubles():
    """Without an instance a job may be another part of the platform; a replica is never one."""
    sums = [{"region": "west", "job": job} for job in ("chat", "batch")]
    assert doubled_label(sums) is None
    assert doubled_label([{**one, "instance": "a"} for one in sums]) == ("job", ("batch", "chat"))
    replicas = [{"region": "west", "prometheus_replica": name} for name in "ab"]
    assert doubled_label(replicas) == ("prometheus_replica", ("a", "b"))


def test_what_is_scraped_twice_may_be_apart_in_several_labels():
    """Two monitors of one pod differ in job, service and endpoint. Its own parts are no twins."""
    one = {"region": "r", "instance": "a", "job": "chat", "service": "chat", "endpoint": "http"}
    other = {**one, "job": "chat-metrics", "service": "chat-metrics", "endpoint": "metrics"}
    assert doubled_label([one, other]) == ("job", ("chat", "chat-metrics"))
    assert doubled_label([one, {k: v for k, v in other.items() if k != "job"}]) == (
        "job",
        ("", "chat"),
    )
    replicas = [{**one, "prometheus": f"mon/{x}", "prometheus_replica": x} for x in "ab"]
    assert doubled_label(replicas) == ("prometheus_replica", ("a", "b"))
    assert doubled_label([one, {**one, "service": "batch"}]) is None
    assert doubled_label([one, {**other, "instance": "b"}]) is None
    assert doubled_label([one, {**other, "region": "s"}]) is None


def test_counters_that_are_the_same_to_the_digit_are_one_process():
    """Under any label; few counters, or few counts, are the same by chance."""
    counts = [812.0, 17.0, 40.0, 3.0, 99.0, 251.0]

    def rows(more, host=("a", "b")):
        return [
            ({"region": "west", "host": name, "code": str(200 + n)}, value)
            for name, own in zip(host, (counts, more), strict=True)
            for n, value in enumerate(own)
        ]

    assert twin_label(rows(counts), ("code",)) == ("host", ("a", "b"))
    assert twin_label(rows([*counts[:5], 252.0]), ("code",)) is None
    assert twin_label(rows(counts)[1:], ("code",)) is None
    few = [(labels, min(value, 4.0)) for labels, value in rows(counts)]
    assert twin_label(few, ("code",)) is None
