"""A target's own command as an adapter: no shell, JSON on standard output, limited in time.

The command is the target's own text. It runs where the drill runs, with the drill's environment.
Its answer is checked like any outside input: one JSON object of a stated model, at most 64 KiB.
Standard error is for people; if the command fails, its last line is in the message.

A command that was killed at its time limit may have done all, half or nothing. `settle` then reads
the state back until it is as wanted, or until that time is over too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any, Protocol, TypeVar

from pydantic import ValidationError

from muster import effects
from muster.clock import SYSTEM_CLOCK, Clock
from muster.documents import Document
from muster.platform.by_hand import words
from muster.platform.port import PortError, RegionAdapter, Touch, Unusable

ANSWER_BYTES_MAX = 64 * 1024
SAID_BYTES_MAX = 1024 * 1024
"""A command that writes more than this is ended, because it must not fill the disk."""
SAID_MAX = 200
AGAIN = 75
"""The exit code of a failure that passes by itself (`EX_TEMPFAIL` of sysexits.h)."""
LOOK_S = 0.1
SETTLE_S_MIN, SETTLE_S_MAX = 0.1, 2.0
D = TypeVar("D", bound=Document)


class TimedOut(PortError):
    """The command was killed at its time limit: what it has done is unknown."""


class Temporary(PortError):
    """The command ended with `AGAIN`: what it needs is away, and asking again may help."""


class WrongAnswer(PortError):
    """The command succeeded but its answer is not of the stated model: asking again does not
    help.
    """


class Talkative(Exception):
    """The command wrote more than it may."""


def run(
    argv: Sequence[str],
    verb: str,
    arguments: Sequence[str],
    timeout_s: float,
    clock: Clock = SYSTEM_CLOCK,
) -> bytes:
    """Return what `argv VERB ARGUMENTS…` wrote to standard output. Raises PortError.

    After `timeout_s` the command and all its children are killed. What it has done by then is
    unknown, so the caller reads the state back.
    """
    shown = f"{os.path.basename(argv[0])} {verb}"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            status = bounded([*argv, verb, *arguments], timeout_s, out, err, clock)
        except (OSError, ValueError) as error:
            raise PortError(f"{shown}: could not be started: {error}") from error
        except subprocess.TimeoutExpired:
            raise TimedOut(f"{shown}: no end after {timeout_s:g} s, killed") from None
        except Talkative as error:
            raise PortError(f"{shown}: {error}, killed") from None
        if status != 0:
            failed = Temporary if status == AGAIN else PortError
            raise failed(f"{shown}: exit {status}: {_last_line(err)}")
        out.seek(0)
        answer = out.read(ANSWER_BYTES_MAX + 1)
    if len(answer) > ANSWER_BYTES_MAX:
        raise WrongAnswer(f"{shown}: more than {ANSWER_BYTES_MAX} bytes on standard output")
    return answer


class _End:
    """The end of a child process, in the form in which a clock waits for it."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def is_set(self) -> bool:
        return self._child.poll() is not None

    def wait(self, timeout: float | None = None) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout)
        return self.is_set()


def bounded(
    words: Sequence[str],
    timeout_s: float,
    out: IO[bytes],
    err: IO[bytes],
    clock: Clock = SYSTEM_CLOCK,
) -> int:
    """Run `words` without a shell and return the exit code; it and its children end in time.

    Output goes to files and not to pipes: a server that the command leaves running would hold a
    pipe open for ever. Raises OSError or ValueError if it cannot be started, TimeoutExpired, or
    Talkative.
    """
    child = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
    )
    ended, end_s = _End(child), clock.monotonic_s() + timeout_s
    try:
        while True:
            left_s = end_s - clock.monotonic_s()
            if clock.wait(ended, min(LOOK_S, max(0.0, left_s))):
                return child.returncode
            if left_s <= 0:
                raise subprocess.TimeoutExpired(list(words), timeout_s)
            for file in (out, err):
                if os.fstat(file.fileno()).st_size > SAID_BYTES_MAX:
                    raise Talkative(f"more than {SAID_BYTES_MAX} bytes written")
    except BaseException:
        _kill(child)
        raise


def read(model: type[D], answer: bytes, shown: str) -> D:
    """Parse `answer` as `model`; `shown` names the command. Raises WrongAnswer that names the wrong
    key.
    """
    try:
        # Parsed twice: if a key is given twice, the second value would win without notice.
        json.loads(answer, object_pairs_hook=_once, parse_constant=_no_number)
        return model.model_validate_json(answer, strict=True)
    except _Doubled as error:
        raise WrongAnswer(f"{shown}: {error}") from None
    except (ValueError, RecursionError) as error:
        if not isinstance(error, ValidationError):
            raise WrongAnswer(f"{shown}: printed no JSON object") from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise WrongAnswer(f"{shown}: {where}: {first['msg']}") from None


class _Doubled(Exception):
    """A key occurs twice in one object."""


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Doubled(f"key {twice!r} given twice")
    return found


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _last_line(err: IO[bytes]) -> str:
    err.seek(max(0, err.seek(0, os.SEEK_END) - 4 * SAID_MAX))
    text = err.read().decode(errors="replace").strip()
    return text.splitlines()[-1][:SAID_MAX] if text else "nothing on standard error"


class Command:
    """One command of a target: `argv VERB REGION …`, without REGION if the verb concerns all
    regions.

    `timeout_s`: for a verb that changes something; `look_s_max`: for one that only answers.
    """

    def __init__(
        self,
        argv: Sequence[str],
        region: str | None,
        timeout_s: float,
        look_s_max: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.argv = tuple(argv)
        self.name = os.path.basename(argv[0])
        self._regions = () if region is None else (region,)
        self._clock = clock
        self.timeout_s = timeout_s
        self.look_s_max = look_s_max

    @property
    def do_s_max(self) -> float:
        """How long a change may take: the verb, the state that must follow, and a last
        observation.
        """
        return 2 * self.timeout_s + self.look_s_max

    def touches(self) -> tuple[Touch, ...]:
        """The command itself, as the target writes it."""
        return (Touch("commands", self.argv[0]),)

    def unusable(self) -> Unusable | None:
        """Why it cannot be started here, by its key in the adapter's section; starts nothing.

        None if no reason is known. A placeholder that is not filled yet decides nothing.
        """
        program = self.argv[0]
        if "${" in program or shutil.which(program) is not None:
            return None
        return Unusable("argv.0", program, "a program that can be started on this machine")

    def line(self, verb: str, *arguments: str) -> str | None:
        """The same for a shell, without any secret; None if a secret is in no variable."""
        return words(*self.argv, verb, *self._regions, *arguments)

    def ask(self, model: type[D], verb: str) -> D:
        """Return what `verb` answers. Raises PortError."""
        answer = self._run(verb, (), self.look_s_max)
        return read(model, answer, f"{self.name} {verb}")

    def do(self, verb: str, *arguments: str, settled: Callable[[], str]) -> None:
        """Run `verb`, and return once `settled` reports success (empty). Raises PortError.

        `settled` reads the state back and says what is not yet as it must be. It is asked until
        `timeout_s` is over, after the verb's own end as well as after its time-out.
        """
        late: TimedOut | None = None
        try:
            self.tell(verb, *arguments)
        except TimedOut as error:
            late = error
        if wrong := settle(settled, self.timeout_s, self._clock):
            begun = str(late) if late else f"{self.name} {verb}: exit 0"
            raise PortError(f"{begun}; read back: {wrong}")

    def tell(self, verb: str, *arguments: str) -> None:
        """Run `verb` without reading anything back. Raises PortError."""
        effects.ask()
        self._run(verb, arguments, self.timeout_s)

    def _run(self, verb: str, arguments: Sequence[str], timeout_s: float) -> bytes:
        return run(self.argv, verb, (*self._regions, *arguments), timeout_s, self._clock)


class RegionCommand(Protocol):
    """The section of a target that names the command of a region, with its two time limits."""

    @property
    def argv(self) -> Sequence[str]:
        """The program and its first arguments."""

    @property
    def timeout_s(self) -> float:
        """For a verb that changes something, and for the state that must follow, in seconds."""

    @property
    def state_timeout_s(self) -> float:
        """For one answer of the state, in seconds."""


class ByCommand:
    """What every adapter that uses a command has in common; mixed in before the port's own
    class.
    """

    _command: Command

    def touches(self) -> tuple[Touch, ...]:
        """The command, which `blast_radius.commands` must name."""
        return self._command.touches()

    def unusable(self) -> Unusable | None:
        """Why the command cannot be started on this machine; starts nothing."""
        return self._command.unusable()


class RegionByCommand(ByCommand, RegionAdapter):
    """The same for one region: its verbs change something, and another one answers the state."""

    def __init__(self, region: str, settings: RegionCommand, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)
        self._command = Command(
            settings.argv, region, settings.timeout_s, settings.state_timeout_s, clock
        )

    @property
    def timeout_s(self) -> float:
        return self._command.do_s_max

    @property
    def look_s_max(self) -> float:
        return self._command.look_s_max


def settle(settled: Callable[[], str], seconds_max: float, clock: Clock = SYSTEM_CLOCK) -> str:
    """What `settled` last found wrong; empty if nothing. An observation that fails is repeated.

    Raises WrongAnswer, because such a command would not answer better later.
    """
    end_s, pause_s = clock.monotonic_s() + seconds_max, SETTLE_S_MIN
    while True:
        try:
            wrong = settled()
        except WrongAnswer:
            raise
        except PortError as error:
            wrong = str(error)
        if not wrong or clock.monotonic_s() + pause_s > end_s:
            return wrong
        clock.sleep(pause_s)
        pause_s = min(SETTLE_S_MAX, 2 * pause_s)
