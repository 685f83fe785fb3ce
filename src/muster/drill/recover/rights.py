"""Whether this process could restore whatever a drill may change on a target.

Each part of the platform that a drill may change is asked for the undo alone, by the credentials
that this process has. What cannot be asked without a change (records of Route 53, the verbs of a
target's own command) is only looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import MusterError
from muster.faults.redis_path import PONG, look_at_redis
from muster.faults.toxiproxy import ProxyHandle
from muster.platform import Platform
from muster.platform.kubernetes.load_job import LoadJob
from muster.platform.port import Denied, PortError
from muster.platform.restart import restart_of
from muster.redact import redacted
from muster.stores import store_of
from muster.targets import resolve_shared
from muster.targets.model import ToxiproxyAccess

ASK_S_MAX = 20.0
"""After so many seconds no further part is asked: what hangs must not keep a restore waiting."""
_NO_RIGHT = ("NOAUTH", "WRONGPASS", "NOPERM")


@dataclass(frozen=True)
class Part:
    """A part of the platform by its key in the target.

    `ask`: what would be refused of an undo, a line each; it raises MusterError if that is unknown.
    `inside`: it stands in the region and may be away while a drill has stopped that.
    """

    key: str
    ask: Callable[[], tuple[str, ...]]
    inside: bool = False


class Rights:
    """Asks every part, and remembers what those said that may be away during a drill."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._earlier: dict[str, tuple[str, ...]] = {}

    def refused(self, platform: Platform, *, changed: bool) -> tuple[str, ...]:
        """What would be refused of restoring, a line each; unknown is refused too.

        `changed`: a drill has changes on the platform now.
        """
        return self.of(parts_of(platform), changed=changed)

    def of(self, parts: Iterator[Part], *, changed: bool) -> tuple[str, ...]:
        """The same of these parts."""
        end_s = self._clock.boot_s() + ASK_S_MAX
        found: list[str] = []
        for part in parts:
            if self._clock.boot_s() > end_s:
                found.append(f"{part.key}: not asked: the others took over {ASK_S_MAX:g} s")
                continue
            found += (f"{part.key}: {line}" for line in self._of(part, changed=changed))
        return tuple(found)

    def _of(self, part: Part, *, changed: bool) -> tuple[str, ...]:
        try:
            found = part.ask()
        except Denied as error:
            found = (str(error),)
        except MusterError as error:
            if part.inside and changed and part.key in self._earlier:
                # A region that a drill has stopped does not answer: that says nothing of rights.
                return self._earlier[part.key]
            return (str(error),)
        except Exception as error:  # whatever it was, the standby must not end for it
            return (redacted(f"{type(error).__name__}: {error}"),)
        self._earlier[part.key] = found
        return found


def parts_of(platform: Platform) -> Iterator[Part]:
    """Everything that an entry of an undo log may need to be restored, and to be recorded so."""
    target, clock = platform.target, platform.clock
    if (shared := resolve_shared(target)) is not None:
        # Each restored change is removed there.
        yield Part("shared", store_of(shared).rehearse)
    yield Part("steering", platform.steering.rehearse_revert)
    if (cluster := target.load.cluster) is not None:
        yield Part("load", LoadJob(cluster, target.load.job_name, clock=clock).rehearse_revert)
    for name, region in target.regions.items():
        key = f"regions.{name}"
        yield Part(f"{key}.power", platform.power[name].rehearse_revert)
        yield Part(f"{key}.partition", platform.partition[name].rehearse_revert)
        yield Part(f"{key}.cluster", platform.cluster[name].rehearse_revert)
        yield Part(f"{key}.redis_process", platform.redis_process[name].rehearse_revert)
        yield Part(f"{key}.drain", platform.drain[name].rehearse_revert, inside=True)
        if region.toxiproxy is not None:
            way = restart_of(region.toxiproxy.restart, clock)
            yield Part(f"{key}.toxiproxy.restart", way.rehearse_revert)
            yield Part(f"{key}.toxiproxy", partial(_toxiproxy, region.toxiproxy), inside=True)
        if region.redis_url is not None and name in target.blast_radius.redis:
            yield Part(f"{key}.redis_url", partial(_redis, region.redis_url), inside=True)


def _toxiproxy(access: ToxiproxyAccess) -> tuple[str, ...]:
    """Its API knows no rights: whoever reaches it may change its proxies. Raises PortError."""
    ProxyHandle(access.url, "", access.timeout_s).server()
    return ()


def _redis(url: str) -> tuple[str, ...]:
    """Whether Redis takes the credentials. Raises PortError without a whole answer."""
    look = look_at_redis(url)
    if look.reply in _NO_RIGHT:
        return (f"Redis {look.said}",)
    if look.reply != PONG:
        raise PortError(f"Redis {look.said}")
    return ()
