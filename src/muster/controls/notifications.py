"""The way through Chaos Toolkit's `settings.yaml`: a notification plugin for any experiment.

    notifications:
      - type: plugin
        module: muster.controls.notifications
        to:
          - {kind: slack, webhook_url: "${env.SLACK_WEBHOOK_URL}"}

Its receivers are those of a target's `notify` section, and are told when the run has ended. A
target that has that section needs no entry here. Chaos Toolkit swallows what a plugin raises, so a
setting that does not fit is logged.
"""

from __future__ import annotations

import logging
from typing import Any

from muster.drill import current as drills
from muster.errors import MusterError

logger = logging.getLogger("chaostoolkit")
ENDED = ("run-completed", "run-failed", "run-deviated")
OWN = ("type", "module", "func", "events")


def notify(settings: dict[str, Any], event: dict[str, Any]) -> None:
    """Tell the receivers of `settings` how the drill that this process ran ended."""
    if event.get("name") not in ENDED:
        return
    from muster.documents import parse
    from muster.drill.telling import tell
    from muster.targets.notify import Notify

    bundle = drills.last_bundle()
    if bundle is None:
        return
    told = {key: value for key, value in settings.items() if key not in OWN}
    try:
        tell(bundle, parse(Notify, told, "settings.yaml: notifications"))
    except MusterError as error:
        logger.warning("notify: %s", error)
