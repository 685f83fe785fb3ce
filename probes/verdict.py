"""The probe that decides: whether the drill, judged from its own evidence, passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["passed"]


@activity
def passed(session: Session) -> bool:
    """True only if the evidence so far is judged PASS and the undo log is empty and read back.

    Without a session (the control did not begin the drill) it fails, and so does the run.
    """
    from muster.drill.finish import passed_so_far

    return passed_so_far(session)
