"""The end of every drill's evidence: judged, reported, sealed, in that order.

The manifest comes last, over everything else; a reader who finds one knows that nothing was
written afterwards.
"""

from __future__ import annotations

import logging
from pathlib import Path

from muster.bundle import seal
from muster.reports import write_reports
from muster.verdict import Verdict, judge, write_verdict

logger = logging.getLogger("chaostoolkit")


def conclude(bundle: Path) -> Verdict:
    """Judge the bundle, write verdict and reports, seal it. Raises BadInput for no bundle.

    A report that cannot be drawn does not take the verdict with it.
    """
    verdict = judge(bundle)
    write_verdict(bundle, verdict)
    try:
        write_reports(bundle)
    except Exception as error:
        logger.error("report: %s: %s", type(error).__name__, error)
        logger.debug("report", exc_info=True)
    if unsigned := seal(bundle):
        logger.error("seal: %s", unsigned)
    return verdict
