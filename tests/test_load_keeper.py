"""Who keeps the parts of a load alive, and what is made of a part that is lost; no cluster."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from held_clock import HeldClock

from muster.drill.load.keeper import Keeper
from muster.drill.load.records import PartRecord
from muster.drill.load.registry import kept_of
from muster.drill.undo.restore import changes_in
from muster.drill.undo.rig import end_rig, job_from, params_of
from muster.drill.watchdog.messages import Load
from muster.drill.watchdog.orphan_load import HeldLoad, HeldParts, held_of
from muster.load.orders import ORDERS
from muster.platform.kubernetes.cluster import Absent, Refused, Unanswered
from muster.platform.kubernetes.load_job import CONTROLLER, LoadJob, PartPod
from muster.platform.port import PortError
from muster.targets.load_access import KubernetesLoad
from muster.undo import LOAD_JOB, UndoHeader, UndoLog, read_undo

LIFELINE_S = 60.0
DRILL = "d-1"
UIDS = ("uid of jobs", "uid of configmaps")
GOOD = PartPod(0, "p0", "u0", "n0", "10.0.0.1", "Running", True, False, "")
PODS = [GOOD, replace(GOOD, index=1, name="p1", uid="u1", node="n1")]
LOAD = KubernetesLoad.model_validate(
    {
        "kind": "kubernetes", "parts": 2, "image": "i", "namespace": "load", "secret": "s",
        "token": "${env.A}", "canary_token": "${env.B}", "context": "c",
    }
)  # fmt: skip


class Job:
    """A Job whose API server answers as it is told."""

    name, namespace, subject = "muster-load", "load", "Job muster-load in namespace load"

    def __init__(self, fails=None):
        self.shown = list(PODS)
        self.fails = fails
        self.told = []
        self.deleted = []

    def tell(self, data):
        if self.fails is not None:
            raise self.fails
        self.told.append(json.loads(data[ORDERS]))

    def pods(self):
        if self.fails is not None:
            raise self.fails
        return self.shown

    def delete(self, drill_id):
        if self.fails is not None:
            raise self.fails
        self.deleted.append(drill_id)

    def command(self):
        return "kubectl -n load delete job muster-load"


def kept(job, **changes):
    """A keeper of two parts, stepped by hand."""
    keeper = Keeper(job, DRILL, LIFELINE_S, clock=HeldClock(), **changes)
    keeper.expect({pod.index: pod.uid for pod in PODS})
    return keeper


def run(keeper, seconds):
    """Let the keeper's thread go for so long, in this one."""
    end_s = keeper._clock.passed_s + seconds
    wait = keeper._clock.wait

    def until(event, step_s):
        if keeper._clock.passed_s >= end_s:
            return True
        return wait(event, step_s)

    keeper._clock.wait = until
    keeper._run()
    keeper._clock.wait = wait


def test_the_orders_are_renewed_and_the_pods_looked_at_with_few_calls():
    """Well below two calls a second; every beat is another one."""
    job = Job()
    keeper = kept(job)
    run(keeper, 60.0)
    assert keeper.lost == ""
    beats = [one["beat"] for one in job.told]
    assert 12 <= len(beats) <= 13
    assert len(set(beats)) == len(beats)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"phase": "Failed", "trouble": "Evicted: memory"},
            "pod p1 on n1: Failed: Evicted: memory",
        ),
        ({"phase": "Succeeded"}, "pod p1 on n1: Succeeded"),
        ({"ready": False}, "Running, not ready"),
        ({"deleted": True}, "being deleted"),
        ({"uid": "u9"}, "part 2 of 2: its pod is gone"),
    ],
)
def test_a_part_is_lost(changes, said):
    """Whatever became of its pod; a pod in its place is another one."""
    job = Job()
    keeper = kept(job, last_words=lambda part: f"words of {part}")
    job.shown[1] = replace(job.shown[1], **changes)
    run(keeper, 4.0)
    assert said in keeper.lost
    assert "it said: words of 1" in keeper.lost
    job.shown[1] = PODS[1]
    run(keeper, 4.0)
    assert said in keeper.lost


@pytest.mark.parametrize("fails", [Unanswered("no answer"), Refused("forbidden")])
def test_without_an_answer_the_parts_are_lost_after_their_lifeline(fails):
    """Not before: an API server may be away for a while."""
    job = Job()
    keeper = kept(job)
    run(keeper, 10.0)
    job.fails = fails
    run(keeper, 50.0)
    assert keeper.lost == ""
    run(keeper, 15.0)
    assert "whether its parts live is unknown" in keeper.lost
    assert str(fails) in keeper.lost


def test_a_load_that_somebody_deleted_is_lost():
    """At the next look."""
    job = Job(Absent("no such Job"))
    keeper = kept(job)
    run(keeper, 4.0)
    assert "the load was deleted" in keeper.lost


def test_an_order_that_was_not_sent_is_sent_again():
    """By the next beat."""
    job = Job(Unanswered("no answer"))
    keeper = kept(job)
    with pytest.raises(PortError):
        keeper.order(stop_at_s=7.0)
    job.fails = None
    run(keeper, 6.0)
    assert job.told[-1]["stop_at_s"] == 7.0


def test_the_watchdog_keeps_what_the_drill_has_begun():
    """From the take-over on, and not before."""
    job = Job()
    held = HeldParts(job, Keeper(job, DRILL, LIFELINE_S), 2)
    assert not held.alive()
    held.end()
    assert job.told == []
    held.hold()
    assert held.alive()
    job.shown = PODS[:1]
    held._keeper.look()
    assert not held.alive()
    job.shown = [replace(pod, phase="Succeeded") for pod in PODS]
    held.end_gently(lambda: 0.0, 5.0)
    assert [one["end"] for one in job.told][-1] is True
    assert any(one["stop_at_s"] == 0.0 for one in job.told)
    assert held._keeper._thread is None


def test_the_watchdog_sees_that_a_part_was_lost_with_the_drill():
    """Fewer pods than parts: no time of the restore is believed."""
    job = Job()
    job.shown = PODS[:1]
    held = HeldParts(job, Keeper(job, DRILL, LIFELINE_S), 2)
    held.hold()
    assert not held.alive()
    held.end()


def test_what_the_drill_hands_over_says_where_its_load_is():
    """Pids here, or the target's own section."""
    target = type("Target", (), {"load": LOAD})()
    clock = HeldClock()
    said = Load.model_validate_json(Load(pids=(), elsewhere=UIDS).model_dump_json())
    held = held_of(said, (), target, DRILL, clock)
    assert isinstance(held, HeldParts)
    assert held._job.uids == UIDS
    assert held._keeper.first().drill == DRILL
    assert isinstance(held_of(Load(pids=()), (), target, DRILL, clock), HeldLoad)


@pytest.fixture
def undo(tmp_path):
    """A drill's undo log with its load and a change."""
    log = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d-1", "t", "t.yaml"))
    log.add(LOAD_JOB, Job.subject, params_of(Job(), "d-1"))
    log.add("region_power", "region r", {}, "r")
    yield log
    log.close()


def test_the_rig_is_no_change_and_is_ended_by_itself(undo):
    """Restoring leaves it alone; its end takes it out of the log."""
    assert [entry.kind for entry in changes_in(undo)] == ["region_power"]
    job = Job()
    assert end_rig(LOAD, undo, None, lambda params, load: job) == ()
    assert job.deleted == ["d-1"]
    assert [entry.kind for entry in read_undo(undo.path).pending] == ["region_power"]


def test_a_rig_that_cannot_be_ended_stays_pending(undo):
    """With the line by which a person ends it."""
    job = Job(Unanswered("no answer"))
    (line,) = end_rig(LOAD, undo, None, lambda params, load: job)
    assert "no answer" in line
    assert "by hand: kubectl -n load delete job muster-load" in line
    assert LOAD_JOB in [entry.kind for entry in read_undo(undo.path).pending]


def test_an_entry_leads_to_its_job_by_the_targets_cluster():
    """Namespace and name are the entry's, the way there is the target's."""
    job = job_from({"namespace": "other", "job": "name", "drill": "d-1"}, LOAD)
    assert isinstance(job, LoadJob)
    assert (job.namespace, job.name) == ("other", "name")
    assert job.command() == "kubectl -n other --context c delete job name --cascade=foreground"


def record(tmp_path):
    """A record that is fed by hand."""
    one = PartRecord(tmp_path / "load-0.jsonl", lambda since: iter(()))
    one._file = one._path.open("wb")
    return one


def test_a_line_that_comes_twice_is_kept_once(tmp_path):
    """After a broken connection the log is read again from a while before."""
    one = record(tmp_path)
    times = [{"schema": 1}, {"t": 5.0}, {"t": 6.0}, {"t": 7.0}]
    lines = [{**line, "shard": 0, "line": number} for number, line in enumerate(times)]
    for line in [*lines[:3], *lines[1:]]:
        one.take(json.dumps(line).encode())
    kept_lines = [json.loads(line) for line in one._path.read_text().splitlines()]
    assert [line.get("t") for line in kept_lines] == [None, 5.0, 6.0, 7.0]
    assert one._since() == "1970-01-01T00:00:02Z"


def test_a_clock_that_is_stepped_back_costs_no_line(tmp_path):
    """Nor do two lines of the same moment; it is read again from the last one's time on."""
    one = record(tmp_path)
    for number, t_s in enumerate((5.0, 40.0, 12.0, 13.0, 13.0)):
        one.take(json.dumps({"t": t_s, "shard": 0, "line": number}).encode())
    kept_lines = [json.loads(line)["t"] for line in one._path.read_text().splitlines()]
    assert kept_lines == [5.0, 40.0, 12.0, 13.0, 13.0]
    assert one._since() == "1970-01-01T00:00:08Z"


def a_cluster(sent, listed=()):
    """An API server that creates what it is told."""
    return SimpleNamespace(
        post=lambda path, body: {"metadata": {"uid": f"uid of {path.rpartition('/')[2]}"}},
        patch=lambda path, body: sent.append(body),
        items=lambda path, **query: sent.append(query) or list(listed),
    )


def test_orders_go_to_no_other_drills_load():
    """Of the same name, once a drill wakes whose own load was ended; nor to anybody's unknown."""
    sent = []
    job = LoadJob(SimpleNamespace(namespace="load"), "muster-load", a_cluster(sent))
    for call in (lambda: job.tell({"orders": "x"}), job.pods):
        with pytest.raises(PortError, match="is unknown"):
            call()
    assert sent == []
    job.create({}, lambda uid: {})
    job.tell({"orders": "x"})
    assert sent == [{"metadata": {"uid": "uid of configmaps"}, "data": {"orders": "x"}}]
    assert job.uids == UIDS


def test_a_watchdog_that_slept_orders_and_sees_its_own_drills_load_alone():
    """What the drill handed over, and not what has the name by now."""
    sent = []
    job, keeper, parts = kept_of(LOAD, DRILL, UIDS, HeldClock())
    job._made = a_cluster(sent)
    held = HeldParts(job, keeper, parts, HeldClock())
    keeper.order(end=True)
    assert not held.alive()
    held._held = True
    assert not held.alive()
    change, *looks = sent
    assert change["metadata"] == {"uid": UIDS[1]}
    assert json.loads(change["data"][ORDERS])["drill"] == DRILL
    assert looks == [{"labelSelector": f"{CONTROLLER}={UIDS[0]}"}]


def test_what_is_no_record_are_a_parts_words(tmp_path):
    """The last of them; its beginning and its end are told apart."""
    one = record(tmp_path)
    for line in (b"a", b"b", b"", b"c", b"muster.load: part 1: no word of its drill"):
        one.take(line)
    assert one.words == "b / c / muster.load: part 1: no word of its drill"
    assert one.began_at is None
    one.take(b'{"note": "began", "at": 3.5, "shard": 0}')
    assert one.began_at == 3.5
    assert not one.ended.is_set()
    one.take(b'{"note": "ended", "at": 9.5, "shard": 0}')
    assert one.ended.is_set()
    assert one._path.read_text() == ""


def heard(one, at_s, sent_s):
    """The part says that it heard at `at_s`, by its clock, of what the drill sent at `sent_s`."""
    line = {"note": "heard", "at": at_s, "sent": sent_s, "shard": 0}
    one.take(json.dumps(line).encode())


@pytest.mark.parametrize(
    ("ahead_s", "right", "wrong"),
    [
        (0.0, True, ""),
        (0.7, True, ""),
        (-0.7, True, ""),
        (0.9, False, ""),  # it may be over 1 s: unknown is not right
        (-0.9, False, ""),
        (3.0, False, "at least 2.8 s ahead"),
        (-3.0, False, "at least 2.8 s behind"),
    ],
)
def test_a_parts_clock_is_known_to_half_a_round_trip(tmp_path, ahead_s, right, wrong):
    """0.2 s to the part and 0.2 s back: in both directions, right only if nothing else can be."""
    one = record(tmp_path)
    one._clock = HeldClock()
    sent_s = one._clock.now_s()
    assert not one.offset.right
    heard(one, sent_s - 95.0 + ahead_s, sent_s - 100.0)  # an old word says little
    assert not one.offset.right
    one._clock.advance(0.4)
    heard(one, sent_s + 0.2 + ahead_s, sent_s)
    assert one.offset.right is right
    assert one.offset.middle_s == pytest.approx(ahead_s, abs=1e-6)
    assert one.offset.error_s == pytest.approx(0.2)
    assert one.wrong_clock.startswith(wrong)
    assert bool(one.wrong_clock) is bool(wrong)


def test_a_clock_that_goes_wrong_later_is_noticed(tmp_path):
    """By a record of a moment that has not come, and by an order that came before it was sent."""
    for line in ({"t": 1_000_003.0, "line": 1}, {"note": "heard", "at": 999_990.0, "sent": 1e6}):
        one = record(tmp_path)
        one._clock = HeldClock()
        heard(one, 1_000_000.0, 1_000_000.0)
        assert (one.offset.right, one.wrong_clock) == (True, "")
        one.take(json.dumps({**line, "shard": 0}).encode())
        assert one.wrong_clock


def test_a_drills_own_clock_that_is_set_back_says_nothing_of_a_part(tmp_path):
    """What was read before it was sent is no measurement."""
    one = record(tmp_path)
    one._clock = HeldClock()
    heard(one, one._clock.now_s(), one._clock.now_s() + 5.0)
    assert not one.offset.right
    assert one.wrong_clock == ""
