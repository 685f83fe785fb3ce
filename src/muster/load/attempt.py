"""One attempt, from its intended start to its outcome.

The unit is an attempt. A request that is sent again at once, because a reused connection ended
without a byte, is the same attempt. Latency runs from the intended start, so that a slow platform
cannot hide the time that a user would have waited.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any, Protocol

from muster.load.pool import Connection, Pool
from muster.load.requests import Requests
from muster.load.resolvers import Cache
from muster.load.spent import Spent
from muster.load.tally import UNKNOWN, Tally
from muster.load.wire import Answer
from muster.targets.request_form import RequestForm

FORM = RequestForm()
"""What an answer is checked against by default."""


class Host(Protocol):
    """What an exchange needs of the engine that starts it."""

    pool: Pool
    form: RequestForm
    region_header: bytes | None
    tally: Tally
    spent: Spent

    def now_s(self) -> float:
        """The time, on the same clock as intended starts."""

    def region_of(self, address: str) -> str:
        """The region that an address belongs to."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` concurrently."""


class AttemptHost(Host, Protocol):
    """What an attempt also needs of the engine."""

    requests: Requests

    def first_token(self, attempt: Attempt, answer: Answer) -> None:
        """The first content arrived."""

    def ended(self, attempt: Attempt, outcome: str) -> None:
        """The attempt is over; called once."""


class Sending:
    """Resolve, connect or reuse, send: the common part of attempts and canaries."""

    __slots__ = (
        "address", "answered", "asked_in", "asked_out", "cache", "connection", "engine",
        "intended_s", "over", "region", "resent", "second", "sent_s",
    )  # fmt: skip
    keeps = False

    def __init__(self, engine: Host, intended_s: float, cache: Cache) -> None:
        self.engine = engine
        self.intended_s = intended_s
        self.cache = cache
        self.address = ""
        self.region = UNKNOWN
        self.connection: Connection | None = None
        self.resent = False
        self.second = False  # goes to a second address
        self.answered = False  # the head came
        self.over = False
        self.sent_s = 0.0
        self.asked_in = 0  # tokens; 0: not sent yet
        self.asked_out = 0

    def begin(self) -> None:
        now_s = self.engine.now_s()
        address = self.cache.address(now_s)
        if address is not None:
            self._go(address)
        else:
            self.cache.wait(now_s, self._resolved)

    def request(self) -> bytes:
        raise NotImplementedError

    def asked(self, requests: Requests, tokens: int, context: int = 0) -> bytes:
        """The next request for `tokens` tokens, which is sent at once: it counts from now on."""
        request = requests.of(tokens, context)
        self.asked_in, self.asked_out = requests.tokens_in, tokens
        self.engine.spent.sent(self.asked_in, tokens)
        return request

    def moved(self, answer: Answer) -> None:
        raise NotImplementedError

    def end(self, outcome: str) -> None:
        raise NotImplementedError

    def went_on(self) -> None:
        """One more plain event of the stream arrived."""

    def relocated(self, region: str) -> None:
        """The region became known."""
        self.region = region

    def _resolved(self, address: str | None) -> None:
        if self.over:
            return
        if address is None:
            self.end("refused")
        else:
            self._go(address)

    def _go(self, address: str, *, fresh: bool = False) -> None:
        engine = self.engine
        self.address = address
        region = engine.region_of(address)
        if region != self.region:
            self.relocated(region)
        connection = None if fresh else engine.pool.take(address)
        if connection is not None:
            self._use(connection)
        else:
            engine.spawn(self._connect(address))

    async def _connect(self, address: str) -> None:
        engine = self.engine
        another = True
        try:
            connection = await engine.pool.connect(address)
        except TimeoutError:
            failure = "timeout"
        except ConnectionRefusedError:
            failure = "refused"
        except asyncio.CancelledError:
            raise
        except ConnectionResetError:
            failure = "reset"
        except ssl.SSLError:
            # Somebody answers there, and a client would not take a wrong certificate for no answer.
            failure, another = "refused", False
        except OSError:
            failure = "refused"
        else:
            engine.tally.connection(self.region)
            if self.over:
                connection.close()
            else:
                self._use(connection)
            return
        self._not_connected(address, failure, another)

    def _not_connected(self, address: str, failure: str, another: bool) -> None:
        """Nobody took the connection: a second address of the same answer is tried, once."""
        second = self.cache.second(address) if another and not self.second else None
        self.cache.released(address)
        if second is not None and not self.over:
            self.second = True
            self.engine.tally.address_failed(self.region)
            self._go(second)
        elif not self.over:
            self.end(failure)

    def _use(self, connection: Connection) -> None:
        self.connection = connection
        self.sent_s = self.engine.now_s()
        connection.send(self, self.request())

    def lost(self, answer: Answer, reused: bool, error: Exception | None) -> None:
        self.connection = None
        if self.over:
            return
        if reused and not self.resent and not answer.status and answer.untouched:
            self.resent = True
            self.engine.tally.resends[self.region] += 1
            self._go(self.address, fresh=True)
            return
        self.cache.released(self.address)
        self.end(outcome_of(answer, self.engine.form, cut=True) if answer.status else "reset")

    def located(self, answer: Answer) -> None:
        """The region that the answer itself names, if addresses do not identify it."""
        header = self.engine.region_header
        if header is not None:
            named = answer.header(header)
            if named:
                self.relocated(self.engine.tally.know(named.decode("ascii", "replace")))

    def let_go(self) -> None:
        """Give the connection back, or close it if the answer is not complete."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        self.engine.spent.answered(self, connection.answer)
        if connection.answer.complete:
            if not connection.answer.keep_alive:
                self.cache.released(self.address)
            connection.release(self.engine.now_s())
        else:
            connection.drop()


class Attempt(Sending):
    """One scheduled attempt or retry. `tries` counts the attempts of its request, from 1."""

    __slots__ = (
        "content", "context", "first_token_s", "kind", "number", "short", "token_s", "tokens",
        "tries",
    )  # fmt: skip
    engine: AttemptHost

    def __init__(
        self,
        engine: AttemptHost,
        intended_s: float,
        cache: Cache,
        tokens: int,
        number: int,
        tries: int,
        context: int = 0,
    ) -> None:
        super().__init__(engine, intended_s, cache)
        self.tokens = tokens
        self.context = context
        self.number = number
        self.tries = tries
        self.kind = "scheduled" if tries == 1 else "retry"
        self.content = False
        self.first_token_s = 0.0
        self.short = False  # a success with fewer tokens than requested
        self.token_s = 0.0  # when the last generated delta arrived

    def request(self) -> bytes:
        return self.asked(self.engine.requests, self.tokens, self.context)

    def relocated(self, region: str) -> None:
        tally = self.engine.tally
        tally.streams_open[self.region] -= 1
        tally.streams_open[region] += 1
        self.region = region

    def moved(self, answer: Answer) -> None:
        if not self.answered:
            if not answer.status:
                return
            self.answered = True
            self.located(answer)
            self.engine.tally.answer(self.region, str(answer.status), self.kind)
        if answer.moved_on():
            if self.content:
                self.went_on()
            elif answer.events.carried(self.engine.form.first_token):
                self.content = True
                self.token_s = self.engine.now_s()
                self.engine.first_token(self, answer)
        if answer.complete:
            self.end(outcome_of(answer, self.engine.form))

    def went_on(self) -> None:
        now_s = self.engine.now_s()
        self.engine.tally.token_gap(self.region, now_s - self.token_s)
        self.token_s = now_s

    def end(self, outcome: str) -> None:
        if not self.over:
            self.over = True
            self.engine.ended(self, outcome)
            self.let_go()


def outcome_of(answer: Answer, form: RequestForm = FORM, *, cut: bool = False) -> str:
    """Outcome of an attempt whose head arrived; `cut` if the message did not reach its end.

    A stream is judged by its content: an error in it counts, however the stream ended.
    """
    status = answer.status
    if 200 <= status < 300:
        events = answer.events
        events.end()
        if events.error:
            return "error_in_stream"
        if cut or not (events.done or (events.finish and not form.done_demanded)):
            return "broken"
        return "success" if events.carried(form.first_token) else "empty_stream"
    if status == 429:
        return "http_429"
    return "http_5xx" if status >= 500 else "http_4xx"
