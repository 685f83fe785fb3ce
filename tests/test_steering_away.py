"""A steering API that is away for a while: its stub, its fault, and the drill that waits for it."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from held_clock import HeldClock

from muster import targets
from muster.aws import UNREACHED
from muster.drill.guard import DrillGuard
from muster.drill.plan.outline import Activity, steps_of
from muster.drill.sight import steered
from muster.drill.sight.steered import SteeringLook
from muster.drill.stop import StopFlag
from muster.errors import BadInput
from muster.faults import FaultError
from muster.faults.steering_away import AWAY_S_MAX
from muster.faults.steering_unavailable import SteeringUnavailable
from muster.faults.traffic_shift import TrafficShift
from muster.platform import platform_of
from muster.platform.steering import Expected, SteeringAway, SteeringError
from muster.platform.steering.parts import Shown
from muster.platform.steering.route53 import _error
from muster.testbed.rig.route53_api import TROUBLE, Troubled


def asked(app, path, method="GET", body=None):
    """Status and body of one request."""
    raw = json.dumps(body).encode() if body is not None else b""
    status = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "CONTENT_LENGTH": str(len(raw)),
               "wsgi.input": io.BytesIO(raw)}  # fmt: skip
    text = b"".join(app(environ, lambda said, headers: status.append(said)))
    return status[0][:3], text


def whole(environ, start):
    start("200 OK", [])
    return [b"served"]


@pytest.mark.parametrize("stays", [False, True])
def test_the_stub_is_away_as_long_as_it_is_told(stays):
    """Every call of the API, and nothing else; with the defect nothing brings it back."""
    app = Troubled(whole, stays=stays)
    assert asked(app, "/2013-04-01/hostedzone") == ("200", b"served")
    assert json.loads(asked(app, TROUBLE)[1]) == {"seconds_left": 0.0}
    asked(app, TROUBLE, "POST", {"seconds": 30})
    status, text = asked(app, "/2013-04-01/hostedzone")
    assert (status, b"<Code>ServiceUnavailable</Code>" in text) == ("503", True)
    assert asked(app, "/moto-api/data.json") == ("200", b"served")
    asked(app, TROUBLE, "POST", {"seconds": 0})
    assert asked(app, "/2013-04-01/hostedzone")[0] == ("503" if stays else "200")
    json.loads(asked(app, TROUBLE)[1])


@pytest.mark.parametrize(
    ("code", "away"),
    [("ServiceUnavailable", True), ("Throttling", True), ("503", True), (UNREACHED, True),
     ("", False), ("AccessDenied", False),
     ("InvalidChangeBatch", False), ("NoSuchHostedZone", False)],
)  # fmt: skip
def test_only_what_may_succeed_later_is_repeated(code, away):
    """A refusal stays one, however often it is asked."""
    assert isinstance(_error(code, "x"), SteeringAway) is away


def session_of(clock, stop=None, told=None):
    def let_pass(seconds):
        (stop or StopFlag(clock)).check()
        clock.sleep(seconds)

    def record(event, **fields):
        if told is not None:
            told.append((event, fields))

    return SimpleNamespace(clock=clock, let_pass=let_pass, record=record)


def failing(times, error, done):
    def call():
        done.append(1)
        if len(done) <= times:
            raise error
        return "set"

    return call


def test_a_step_is_repeated_until_the_api_is_back():
    """And then goes on as if nothing had been; the ledger has what it met."""
    clock, done, told = HeldClock(), [], []
    call = failing(20, SteeringAway("503"), done)
    assert steered._persist(session_of(clock, told=told), call) == "set"
    assert len(done) == 21
    assert told == 20 * [("steering_refused", {"detail": "503"})]


def test_a_step_is_not_repeated_for_ever_and_a_refusal_not_once():
    """Past the limit the error is the drill's."""
    clock, done, told = HeldClock(), [], []
    began_s = clock.monotonic_s()
    with pytest.raises(SteeringAway):
        steered._persist(session_of(clock, told=told), failing(10_000, SteeringAway("503"), done))
    assert len(told) == len(done)
    assert AWAY_S_MAX <= clock.monotonic_s() - began_s <= AWAY_S_MAX + 2
    done.clear()
    told.clear()
    with pytest.raises(SteeringError):
        steered._persist(session_of(clock, told=told), failing(1, SteeringError("denied"), done))
    assert (len(done), told) == (1, [])


class Records:
    """Steering whose look fails while `away`, and then takes `took_s`."""

    name = "chat"

    def __init__(self, clock, took_s=0.0):
        self.clock, self.took_s, self.away, self.looks = clock, took_s, True, 0

    def shown(self):
        self.looks += 1
        self.clock.sleep(self.took_s)
        if self.away:
            raise SteeringAway("503")
        return {"A w": Shown(1, "")}

    def by_region(self, shown):
        return {"w": 1}


def looks(records, stop, excused=lambda: False):
    expected = Expected()
    expected.begin({"A w": Shown(1, "")})
    return SteeringLook(records, expected, stop, missing_s_max=8.0, excused=excused,
                        clock=records.clock)  # fmt: skip


@pytest.mark.parametrize("excused", [False, True])
def test_records_that_cannot_be_read_stop_a_drill_unless_its_fault_is_why(excused):
    """Past the limit; and once the fault has ended, the limit counts from there."""
    clock = HeldClock()
    records, stop, fault = Records(clock), StopFlag(clock), [excused]
    look = looks(records, stop, lambda: fault[0])
    for _ in range(20):
        with pytest.raises(SteeringError):
            look.weights()
        clock.sleep(1.0)
    assert stop.is_set is not excused
    if excused:
        fault[0] = False
        for _ in range(10):
            with pytest.raises(SteeringError):
                look.weights()
            clock.sleep(1.0)
        assert stop.reason.by == "data_lost"


def test_a_slow_failure_is_not_asked_for_at_every_poll():
    """The watch has samples to look at; it reads again after a rest, and at once when all is
    well.
    """
    clock = HeldClock()
    records = Records(clock, took_s=4.0)
    look = looks(records, StopFlag(clock), lambda: True)
    for _ in range(12):
        with pytest.raises(SteeringError):
            look.weights()
        clock.sleep(1.0)
    assert records.looks == 2
    records.away, records.took_s = False, 0.0
    clock.sleep(20.0)
    for _ in range(3):
        assert look.weights() == {"w": 1}
    assert records.looks == 5


def test_the_undo_of_a_shift_waits_for_an_api_that_is_away(monkeypatch):
    """For any other error it is repeated no longer than before."""
    platform = platform_of(targets.load("testbed"))
    for error, seconds in ((SteeringAway("503"), AWAY_S_MAX), (SteeringError("no"), 0.0)):
        shift = TrafficShift(platform, "eu-west-1", before={"eu-west-1": 50, "eu-central-1": 50})

        def refuse(*given, error=error, **named):
            raise error

        monkeypatch.setattr(type(shift._steering), "set_weights", refuse)
        with pytest.raises(SteeringError):
            shift.revert()
        assert (
            shift.retry_s == min(seconds, AWAY_S_MAX)
            or shift.retry_s == platform.steering.timeout_s
        )
        assert (shift.retry_s == AWAY_S_MAX) is isinstance(error, SteeringAway)


@pytest.mark.parametrize(
    ("met", "left_s", "seen", "proven"),
    [
        ("503", 12.0, False, True),
        ("", 12.0, False, False),
        ("", 12.0, True, False),
        ("", 0.0, True, True),
        ("", 0.0, False, False),
        ("503", 0.0, False, False),
    ],
)
def test_it_is_proven_by_a_call_that_fails_before_its_time_is_over(
    met, left_s, seen, proven, monkeypatch
):
    """A stub that says so is not enough, and a time that is over proves nothing by itself."""
    fault = SteeringUnavailable(platform_of(targets.load("testbed")), 20)
    fault._seen = seen
    monkeypatch.setattr("muster.faults.steering_unavailable.why_away", lambda steering: met)
    fault._told = lambda: left_s
    assert fault.observe().proven is proven
    back = fault.read_back()
    assert back.ok is (not met and not left_s)


def test_it_is_refused_where_it_is_away_already_or_has_no_stub():
    """Nothing could be proven then; and no API of others is touched."""
    target = targets.load("testbed")
    fault = SteeringUnavailable(platform_of(target), 20)
    fault._told = lambda: 3.0
    with pytest.raises(FaultError, match="away before the fault, for another 3 s"):
        fault.undo_params()
    bare = target.model_copy(update={"steering_stub": None})
    found = SteeringUnavailable(platform_of(bare), 20).unusable()
    assert (found.key, found.value) == ("steering_stub", None)


@pytest.mark.parametrize(("away_s", "fits"), [(1, True), (50, True), (51, False), (600, False)])
def test_it_is_back_before_a_step_gives_up(away_s, fits):
    """A longer one would end every drill, whatever the platform does."""
    platform = platform_of(targets.load("testbed"))
    module, func = "muster.actions.compound", "begin_steering_unavailable"
    method = [Activity("away", "action", module, func, {"away_s": away_s})]
    assert AWAY_S_MAX > 50
    if fits:
        steps_of(platform, method, 6.0)
        return
    with pytest.raises(BadInput, match=rf"away_s: got {away_s}, expected .* from 1 to 50"):
        steps_of(platform, method, 6.0)


def test_the_guard_knows_what_is_expected_until_the_revert():
    """In whatever region."""
    target = targets.load("testbed")
    from muster import contract, home

    rules = contract.load(home.root() / target.contract)
    guard = DrillGuard(target, rules, rules.gates["M3"], 6.0, lambda event, **fields: None)
    assert not guard.expects("steering_weight")
    guard.declare("steering_unavailable", "eu-west-1", ("steering_weight",))
    assert guard.expects("steering_weight")
    assert not guard.expects("queue_age")
    guard.reverted("steering_unavailable", "eu-west-1")
    assert not guard.expects("steering_weight")
