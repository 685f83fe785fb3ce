"""A report's page as PDF, printed by the Chromium that the system has.

The browser opens the file itself, with a profile of its own that is removed afterwards, and is
killed with all its processes when it takes too long.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from muster.child import run_to_end
from muster.errors import BadInput, MusterError

NAME = "report.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PRINT_S_MAX = 120.0


def browser() -> str:
    """The browser that $CHROMIUM names, else the first on PATH. Raises BadInput without one."""
    names = [os.environ.get("CHROMIUM", ""), *BROWSERS]
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    if found is None:
        wanted = f"one of {', '.join(BROWSERS)} on PATH (apt-get install chromium)"
        raise BadInput("--pdf", "", "no browser", wanted)
    return found


def print_pdf(bundle: Path, seconds_max: float = PRINT_S_MAX) -> Path:
    """Print `report.html` of `bundle` to `report.pdf` beside it, whole or not at all.

    Raises BadInput without a browser, MusterError if it does not print within `seconds_max`.
    """
    program = browser()
    page, out = bundle.resolve() / "report.html", bundle.resolve() / NAME
    with tempfile.TemporaryDirectory(prefix="muster-print-") as folder:
        printed = Path(folder) / NAME
        command = [
            program,
            "--headless",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={printed}",
            page.as_uri(),
        ]
        if os.geteuid() == 0:
            # Chromium does not start as root with its sandbox. The page may load and run nothing
            # but what its policy names by hash.
            command.insert(1, "--no-sandbox")
        said = _run(command, seconds_max)
        if not printed.is_file() or not printed.read_bytes().startswith(b"%PDF-"):
            raise MusterError(f"{out}: {program} printed nothing: {said}")
        try:
            beside = out.with_name(f".{NAME}")
            shutil.copyfile(printed, beside)
            beside.replace(out)
        except OSError as error:
            raise MusterError(f"{out}: {error.strerror or error}") from error
    return out


def _run(command: list[str], seconds_max: float) -> str:
    """Run the browser to its end; return its last line. Raises MusterError if it was killed."""
    try:
        _, said = run_to_end(command, seconds_max)
    except OSError as error:
        raise MusterError(f"{command[0]}: {error.strerror or error}") from error
    except subprocess.TimeoutExpired:
        raise MusterError(f"{command[0]} did not print within {seconds_max:g} s") from None
    return said
