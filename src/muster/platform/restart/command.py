"""Restarts it by the target's own command, run without a shell where the drill runs."""

from __future__ import annotations

import subprocess
import tempfile

from muster import effects
from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import words
from muster.platform.command import ByCommand, Command, Talkative, bounded
from muster.platform.port import PortError
from muster.platform.restart.model import Restart
from muster.targets.restart import CommandRestart


class RestartByCommand(ByCommand, Restart):
    """The command returns once the server was restarted; it and its children end in time."""

    def __init__(self, settings: CommandRestart, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(clock)
        self._settings = settings
        self._command = Command(settings.argv, None, settings.timeout_s, settings.timeout_s, clock)

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    def restart(self) -> None:
        argv, timeout_s = self._settings.argv, self._settings.timeout_s
        shown = f"restart: {argv[0]}"
        effects.ask()
        with tempfile.TemporaryFile() as said:
            try:
                code = bounded(argv, timeout_s, said, said, self.clock)
            except OSError as error:
                raise PortError(f"{shown}: {error.strerror or error}") from error
            except (ValueError, Talkative) as error:
                raise PortError(f"{shown}: {error}") from None
            except subprocess.TimeoutExpired:
                raise PortError(f"{shown}: not done in {timeout_s:g} s") from None
            if code:
                said.seek(0)
                text = " ".join(said.read(4096).decode("utf-8", "replace").split())
                raise PortError(f"{shown}: exit {code}: {text[:200]}")

    def command(self) -> str | None:
        return words(*self._settings.argv)
