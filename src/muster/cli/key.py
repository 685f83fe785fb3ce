"""`chaos drill key …`: key pairs that sign evidence."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def key() -> None:
    """Make or show the keys that sign and verify evidence.

    \b
    Example:
      chaos drill key new ~/muster-keys
    """


@key.command("new")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def key_new(directory: Path) -> None:
    """Write a new Ed25519 key pair to DIRECTORY.

    The files are signing-key.pem and verify-key.pem. Existing files are never replaced. If
    MUSTER_SIGNING_KEY_PASSWORD is set, it encrypts the private key.
    """
    from muster.signing import SIGNING_KEY_FILE, VERIFY_KEY_FILE, new_pair

    private, public, found = new_pair(directory)
    click.echo(f"{private}: private key; set {SIGNING_KEY_FILE} to it where drills run")
    click.echo(f"{public}: public key; whoever verifies needs it (--key or {VERIFY_KEY_FILE})")
    click.echo(f"fingerprint: {found.name}")


@key.command("show")
@click.argument("files", metavar="[PUBLIC-KEY...]", type=click.Path(path_type=Path), nargs=-1)
@click.option("--pem", is_flag=True, help="Also print the public keys as PEM.")
def key_show(files: tuple[Path, ...], pem: bool) -> None:
    """Print the fingerprints of public keys.

    Without arguments, these are the key that signs (MUSTER_SIGNING_KEY_FILE) and the keys that
    verify (MUSTER_VERIFY_KEY_FILE). A private key is never printed.
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
