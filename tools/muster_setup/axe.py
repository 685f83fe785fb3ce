"""`.tools/axe`: axe-core, the accessibility checker that a test runs on the report's page.

It comes as one pinned package from npm, whose digest is checked, and nothing of it is run here.
Without npm, or without its registry, those tests are skipped aloud; everything else works.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

from .console import SetupError, run, say

VERSION = "4.10.3"
SHA512 = (
    "5e6edba515e70d25f6604d9815f064d859c5d1ea7ab661bbc4f87c88779ef0c2"
    "1cae0abbeb636471ef39e9d62d2582e4b88a1866f19f4ecfcf6d986275e4dc12"
)
FILES = ("axe.min.js", "LICENSE")


def provide(root: Path, log_dir: Path) -> None:
    """Make `.tools/axe` hold that version. Raises SetupError if the package is another one."""
    place = root / ".tools/axe"
    stamp = place / "muster-pinned"
    if stamp.is_file() and stamp.read_text() == SHA512:
        return
    npm = shutil.which("npm")
    if npm is None:
        say("no npm on PATH: the accessibility test of the report will be skipped")
        return
    with tempfile.TemporaryDirectory(prefix="muster-axe-") as folder:
        argv = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", folder]
        try:
            run(f"axe-core {VERSION}", argv, log_dir / "axe.log")
        except SetupError as error:
            # Nothing that a user runs needs it, so a registry that is away keeps no test from it.
            say(f"{error}: the accessibility tests of the pages will be skipped")
            return
        unpack(Path(folder) / f"axe-core-{VERSION}.tgz", place)
    stamp.write_text(SHA512)


def unpack(package: Path, place: Path) -> None:
    """Take the files that are needed out of the package, if it is the pinned one."""
    try:
        got = hashlib.sha512(package.read_bytes()).hexdigest()
    except OSError as error:
        raise SetupError(f"{package.name}: {error.strerror}, expected npm to pack it") from error
    if got != SHA512:
        raise SetupError(f"{package.name}: got sha512 {got[:16]}…, expected {SHA512[:16]}…")
    place.mkdir(parents=True, exist_ok=True)
    with tarfile.open(package) as packed:
        for name in FILES:
            member = packed.extractfile(f"package/{name}")
            if member is None:
                raise SetupError(f"{package.name}: no {name} in it")
            (place / name).write_bytes(member.read())
