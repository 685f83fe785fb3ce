"""The images of a node, made on the spot as tar files: no registry is asked.

`PAUSE` holds one static program. `HOST` is an almost empty root: its pods get the machine's /usr
and Muster's own interpreter by hostPath (see pods).
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

PAUSE = "muster.invalid/pause:1"
HOST = "muster.invalid/host:1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
_MERGED = ("bin", "sbin", "lib", "lib64", "lib32")
_LINKER_CACHE = Path("/etc/ld.so.cache")


def write_all(folder: Path, pause: Path) -> Sequence[Path]:
    """Write both images as tar files into `folder`. `pause`: the static program."""
    folder.mkdir(parents=True, exist_ok=True)
    root = {name: text.encode() for name, text in _TEXTS.items()}
    if _LINKER_CACHE.exists():
        root["etc/ld.so.cache"] = _LINKER_CACHE.read_bytes()
    links = {one: f"usr/{one}" for one in _MERGED if Path("/", one).is_symlink()}
    made = {
        "pause": _image(PAUSE, _layer({"pause": pause.read_bytes()}, {}), ["/pause"]),
        "host": _image(HOST, _layer(root, links), []),
    }
    for name, data in made.items():
        (folder / f"{name}.tar").write_bytes(data)
    return [folder / f"{name}.tar" for name in made]


def _layer(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    """A layer: everybody may read and run `files`; and a /tmp."""
    folders = {"tmp": 0o1777} | {str(Path(name).parent): 0o755 for name in files if "/" in name}
    entries = [(_entry(name, tarfile.DIRTYPE, mode), b"") for name, mode in folders.items()]
    entries += [(_entry(name, tarfile.REGTYPE, 0o755), data) for name, data in files.items()]
    for name, target in links.items():
        link = _entry(name, tarfile.SYMTYPE, 0o777)
        link.linkname = target
        entries.append((link, b""))
    return _tar(entries)


def _image(name: str, layer: bytes, command: Sequence[str]) -> bytes:
    """An archive as `docker save` writes it, which containerd imports."""
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": list(command), "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sum(layer)}"]},
        }
    ).encode()
    manifest = [{"Config": f"{_sum(config)}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {
        f"{_sum(config)}.json": config,
        "layer.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    return _tar([(_entry(one, tarfile.REGTYPE, 0o644), data) for one, data in parts.items()])


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _tar(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
