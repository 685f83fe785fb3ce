"""A target's own command as an adapter: no shell, JSON on standard output, bounded in time.

The command is the target's own text; it runs where the drill runs, with the drill's environment.
Its answer is checked like any input from outside: a single JSON object of a stated model, at most
64 KiB. Standard error is for people; its last line stands in the message when the command fails.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import ValidationError

from muster.documents import Document
from muster.platform.port import PortError, Unusable

ANSWER_BYTES_MAX = 64 * 1024
SAID_MAX = 200
D = TypeVar("D", bound=Document)


def run(argv: Sequence[str], verb: str, arguments: Sequence[str], timeout_s: float) -> bytes:
    """What `argv VERB ARGUMENTS…` wrote to standard output. Raises PortError.

    Past `timeout_s` the command and all its children are killed: what it has done by then is
    unknown, so the caller reads the state back.
    """
    words = [*argv, verb, *arguments]
    shown = f"{os.path.basename(argv[0])} {verb}"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise PortError(f"{shown}: could not be started: {error}") from error
        try:
            status = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _kill(child)
            raise PortError(f"{shown}: no end after {timeout_s:g} s, killed") from None
        except BaseException:
            _kill(child)
            raise
        if status != 0:
            raise PortError(f"{shown}: exit {status}: {_last_line(err)}")
        out.seek(0)
        answer = out.read(ANSWER_BYTES_MAX + 1)
    if len(answer) > ANSWER_BYTES_MAX:
        raise PortError(f"{shown}: more than {ANSWER_BYTES_MAX} bytes on standard output")
    return answer


def ask(
    model: type[D], argv: Sequence[str], verb: str, arguments: Sequence[str], timeout_s: float
) -> D:
    """The command's answer as `model`. Raises PortError, naming the key that is wrong."""
    answer = run(argv, verb, arguments, timeout_s)
    shown = f"{os.path.basename(argv[0])} {verb}"
    try:
        # Parsed twice: of a key given twice the second would silently win.
        json.loads(answer, object_pairs_hook=_once)
        return model.model_validate_json(answer, strict=True)
    except _Doubled as error:
        raise PortError(f"{shown}: {error}") from None
    except ValueError as error:
        if not isinstance(error, ValidationError):
            raise PortError(f"{shown}: printed no JSON object") from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise PortError(f"{shown}: {where}: {first['msg']}") from None


class _Doubled(Exception):
    """A key stands twice in one object."""


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


def _last_line(err: object) -> str:
    err.seek(0)  # type: ignore[attr-defined]
    text = err.read().decode(errors="replace").strip()  # type: ignore[attr-defined]
    return text.splitlines()[-1][:SAID_MAX] if text else "nothing on standard error"


def unusable(argv: Sequence[str]) -> Unusable | None:
    """Whether `argv` names a program that can be started here. Starts nothing."""
    if shutil.which(argv[0]) is None:
        return Unusable("argv.0", argv[0], "a program that can be started on this machine")
    return None
