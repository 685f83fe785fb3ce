"""Whether this machine can hold a testbed of pods."""

from __future__ import annotations

from muster import home
from muster.errors import BadInput
from muster.testbed.kubernetes.control_plane import programs_in
from muster.testbed.kubernetes.node import design


def lacking() -> str:
    """Why it cannot, in one line; empty where it can."""
    tools = home.tools_dir()
    if why := design.lacking(tools):
        return f"processes: {why}"
    try:
        programs_in(tools)
    except BadInput as error:
        return f"processes, or {error.expected}"
    return ""
