"""Tells every receiver at the same time, within one time limit; says who was not told.

Nothing that a receiver does is raised: the verdict is written, and a drill's end must not wait for
a monitor.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import BadInput
from muster.notify.message import Message
from muster.notify.registry import SENDERS, wants
from muster.notify.wire import NotSent
from muster.targets.parse import refilled

DELIVER_S_MAX = 20.0


def deliver(
    receivers: Sequence[Any],
    message: Message,
    file: str,
    environment: Mapping[str, str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> list[str]:
    """Send `message` to each of `receivers` that wants it; return a line for each that failed.

    `file` names where the receivers stand. Their placeholders are filled here.
    """
    failed: list[str] = []
    threads: list[tuple[str, threading.Thread, threading.Event]] = []
    for index, receiver in enumerate(receivers):
        if not wants(receiver, message):
            continue
        name = f"notify.to.{index} ({receiver.kind})"
        try:
            filled = refilled(
                type(receiver),
                receiver.model_dump(by_alias=True),
                file,
                f"notify.to.{index}",
                environment=environment,
            )
        except BadInput as error:
            failed.append(str(error))
            continue
        over = threading.Event()
        thread = threading.Thread(
            target=_send, args=(name, filled, message, failed, over), daemon=True, name="notify"
        )
        thread.start()
        threads.append((name, thread, over))
    end_s = clock.monotonic_s() + DELIVER_S_MAX
    for name, thread, over in threads:
        if clock.wait(over, max(0.0, end_s - clock.monotonic_s())):
            thread.join()
        else:
            failed.append(f"{name}: not told within {DELIVER_S_MAX:g} s")
    return failed


def _send(
    name: str, receiver: Any, message: Message, failed: list[str], over: threading.Event
) -> None:
    try:
        SENDERS[receiver.kind](receiver, message)
    except NotSent as error:
        failed.append(f"{name}: {error}")
    except Exception as error:  # its text may hold the address
        failed.append(f"{name}: {type(error).__name__}")
    finally:
        over.set()
