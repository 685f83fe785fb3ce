"""`chaos drill key …`: key pairs that sign evidence."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def key() -> None:
    """Make or show the keys that sign and verify evidence."""


@key.command("new")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def key_new(directory: Path) -> None:
    """Write a new Ed25519 pair to DIRECTORY: signing-key.pem and verify-key.pem.

    No file is replaced. With MUSTER_SIGNING_KEY_PASSWORD set, the private key is encrypted by it.
    """
    from muster.signing import SIGNING_KEY_FILE, VERIFY_KEY_FILE, new_pair

    private, public, found = new_pair(directory)
    click.echo(f"{private}: private key; keep it to the drill: {SIGNING_KEY_FILE}")
    click.echo(f"{public}: public key; give it to whoever verifies: --key or {VERIFY_KEY_FILE}")
    click.echo(f"fingerprint: {found.name}")


@key.command("show")
@click.argument("files", metavar="[PUBLIC-KEY...]", type=click.Path(path_type=Path), nargs=-1)
@click.option("--pem", is_flag=True, help="Print the public keys themselves as PEM.")
def key_show(files: tuple[Path, ...], pem: bool) -> None:
    """Print the fingerprints of public keys: of those named, else of those that would be used.

    These are the key that signs (MUSTER_SIGNING_KEY_FILE) and those that verify
    (MUSTER_VERIFY_KEY_FILE). No private key is ever printed.
    """
    from muster.signing import signing_key, verify_keys

    shown = [("verifies", one) for one in verify_keys(files)]
    own = None if files else signing_key()
    if own is not None:
        shown.insert(0, ("signs", own.public))
    if not shown:
        click.echo("no key is set")
    for word, one in shown:
        click.echo(f"{word}: {one.name}")
        if pem:
            click.echo(one.pem().decode(), nl=False)
