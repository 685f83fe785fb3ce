"""A gateway's queue empties as fast as places get free, not one job a round trip."""

from __future__ import annotations

import pytest

from muster.testbed.gateway.admission import PUMP_JOBS_MAX, Admission
from muster.testbed.gateway.config import GatewayConfig

LIMIT = 100


class Wire:
    """Redis, to be answered by the test: who was asked about, in order."""

    up = True

    def __init__(self):
        self.asked = []

    def send(self, command, waiter):
        self.asked.append(waiter)


class Job:
    """An attempt, as admission knows it."""

    counted = True

    def __init__(self):
        self.over = self.holds = False
        self.mine = 0
        self.queued_s = 0.0
        self.told = ""

    def admitted(self):
        self.told = "admitted"

    def shed(self):
        self.told, self.over = "shed", True

    def unavailable(self, *_):
        self.told, self.over = "unavailable", True


@pytest.fixture
def admission(monkeypatch):
    """A gateway's admission that holds every place of its region; its queue is empty."""
    config = GatewayConfig.model_validate(
        {
            "region": "west",
            "listen": ["127.0.0.1", 1],
            "admin": ["127.0.0.1", 2],
            "redis": ["127.0.0.1", 3],
            "providers": {"primary": ["127.0.0.1", 4], "fallback": ["127.0.0.1", 5]},
            "token": "t",
            "canary_token": "c",
            "streams_limit_region": LIMIT,
            "rate_limit_per_s_region": 1000,
        }
    )
    monkeypatch.setattr("muster.testbed.gateway.admission.RedisWire", lambda *_: Wire())
    made = Admission(config, None, "g")
    made.held = LIMIT
    return made


def queued(admission, count):
    """`count` jobs that Redis refused, so that they wait."""
    jobs = [Job() for _ in range(count)]
    for job in jobs:
        admission.request(job)
        if admission.wire.asked:
            admission.replied(admission.wire.asked.pop(), -LIMIT - 1)
    assert list(admission.queue) == jobs
    return jobs


def answer(admission, admits):
    """Redis answers everything asked until now; the first `admits` of it are admitted."""
    asked, admission.wire.asked = admission.wire.asked, []
    for number, job in enumerate(asked):
        held = admission.held
        admission.replied(job, held + 1 if number < admits else -held - 1)
    return asked


def test_as_many_are_tried_as_there_is_room_for(admission):
    """In their order; who is admitted leaves the queue, who is refused keeps his place."""
    jobs = queued(admission, 10)
    admission.held -= 5
    admission.pump()
    assert answer(admission, 3) == jobs[:5]
    assert [job.told for job in jobs[:5]] == ["admitted"] * 3 + ["", ""]
    assert list(admission.queue) == jobs[3:]


def test_a_full_region_is_asked_for_one_job_at_a_time(admission):
    """Nothing seems to be free: the oldest is tried, and nobody besides until the answer came."""
    jobs = queued(admission, 3)
    for _ in range(3):
        admission.pump()
    assert admission.wire.asked == jobs[:1]
    answer(admission, 0)
    assert list(admission.queue) == jobs
    admission.pump()
    assert admission.wire.asked == jobs[:1]


def test_places_that_get_free_meanwhile_are_asked_for_besides(admission):
    """Nobody is asked about twice."""
    jobs = queued(admission, 6)
    admission.held -= 2
    admission.pump()
    admission.release()
    assert admission.wire.asked == jobs[:3]


def test_one_try_is_bounded(admission):
    """A region that got empty does not ask for everyone in one breath."""
    queued(admission, 3 * PUMP_JOBS_MAX)
    admission.held = 0
    admission.others = 0
    admission.pump()
    assert len(admission.wire.asked) == PUMP_JOBS_MAX


def test_a_job_whose_time_ran_out_while_it_was_asked_about_is_shed_once(admission):
    """The answer finds it over, and it holds nothing."""
    (job, other) = queued(admission, 2)
    admission.pump()
    job.queued_s = other.queued_s - 3600
    admission._expire(other.queued_s)
    assert (job.told, list(admission.queue)) == ("shed", [other])
    held = admission.held
    answer(admission, 1)
    assert (job.told, job.holds, admission.held) == ("shed", False, held)
    assert admission.wire.asked == [other]
