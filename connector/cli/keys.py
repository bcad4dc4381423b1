"""``smtp-connector keys``: look at the keys with which mails are signed, and make new ones for DKIM."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.options import Assignments, Config, UsageError, commands, load_settings, wrong_usage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    from connector.settings.model import Settings
    from connector.signing.state import KeyState
    from connector.tls.own_keys import OwnKey

app = commands()
_KINDS = ("rsa", "ed25519")


@app.command(
    "show",
    epilog="Examples:\n\n  smtp-connector keys show payroll --config worker.yaml\n\n"
    "  smtp-connector keys show payroll.p12 --password-secret PAYROLL_KEY_PASSWORD",
)
def show(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    what: Annotated[
        str, typer.Argument(help="An account of the settings, or a file with a key.", metavar="ACCOUNT|FILE")
    ],
    alias: Annotated[
        str | None, typer.Option(help="Which key, where a JKS file has several.", metavar="NAME")
    ] = None,
    password_secret: Annotated[
        str | None,
        typer.Option(
            help="The secret that opens the file. Default: asked for, or read from standard input.",
            metavar="NAME",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Show whose a key is, what it may do and how long: subject, addresses, purposes, chain, days left.

    Exit code 1 when a key cannot be used.
    """
    loaded = load_settings(config, assignments)
    try:
        code = _show(_Shown(what, alias, password_secret), loaded.settings, as_json=as_json)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@app.command(
    "dkim-new",
    epilog="Example:\n\n  smtp-connector keys dkim-new --domain example.com --selector r2026 "
    "--output dkim-rsa.pem",
)
def dkim_new(
    domain: Annotated[str, typer.Option(help="The domain that answers for the mails.", metavar="DOMAIN")],
    selector: Annotated[
        str, typer.Option(help="Name of the key below the domain; a new one for each key.", metavar="NAME")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the key goes; the file must be new.", metavar="FILE")
    ],
    kind: Annotated[str, typer.Option("--type", help="rsa (2,048 bits) or ed25519.")] = "rsa",
) -> None:
    """Make a key for DKIM, and print the record that publishes it in the DNS."""
    try:
        code = _dkim_new(domain, selector, output, kind)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What ``keys show`` is to show; as typed.

    Attributes:
        what: An account's name, or a file.
        alias: Which key of a JKS file.
        password_secret: The secret that opens the file.
    """

    what: str
    alias: str | None
    password_secret: str | None


def _show(
    shown: _Shown, settings: Settings, *, as_json: bool, environ: Mapping[str, str] = os.environ
) -> int:
    from connector.errors import ConnectorError
    from connector.tls.own_keys import UnreadableKeyError

    now = datetime.now(UTC)
    try:
        if shown.what in settings.accounts:
            states = asyncio.run(_of_account(shown, settings, environ, now))
        else:
            states = [_of_file(shown, settings, environ, now)]
    except (ConnectorError, UnreadableKeyError) as error:
        typer.echo(f"smtp-connector: {error}", err=True)
        return 1
    described = [state.as_json(now) for state in states]
    typer.echo(json.dumps(described, indent=2, ensure_ascii=False) if as_json else _text(described))
    return 1 if any(state.fault is not None for state in states) else 0


async def _of_account(
    shown: _Shown, settings: Settings, environ: Mapping[str, str], now: datetime
) -> list[KeyState]:
    from connector.accounts.accounts import Accounts
    from connector.accounts.secret_values import with_key_passwords
    from connector.net.outbound import outbound
    from connector.secrets.providers import open_secrets
    from connector.signing.keys import Keys
    from connector.signing.state import account_states

    if shown.alias or shown.password_secret:
        raise UsageError("--alias and --password-secret are for files; an account has its own")
    account = Accounts(settings).configured(shown.what)
    if not (account.signing.keys or account.signing.dkim):
        raise UsageError(f"{account.name}: the account has no keys; set signing.keys or signing.dkim.keys")
    async with open_secrets(settings.secrets, environ, _forget, outbound(settings.http)) as secrets:
        policy = await with_key_passwords(account.signing, account.route, secrets)
    return account_states(Keys(), policy, account.sender.address if account.sender else None, now)


def _of_file(shown: _Shown, settings: Settings, environ: Mapping[str, str], now: datetime) -> KeyState:
    from connector.signing.state import file_state

    file = Path(shown.what)
    if not file.exists():
        names = ", ".join(settings.accounts) or "none"
        raise UsageError(f"{shown.what}: neither a file nor an account; the settings have: {names}")
    password = None
    if shown.password_secret is not None:
        password = asyncio.run(_secret(shown.password_secret, settings, environ))
    return file_state(_opened(file, shown.alias, password), file, now)


def _opened(file: Path, alias: str | None, password: str | None) -> OwnKey:
    """Read a key, and ask for the password if it turns out to need one."""
    from pydantic import SecretStr

    from connector.model.signing import KeyFile
    from connector.tls.own_keys import UnreadableKeyError, read_key

    source = KeyFile(file, password=SecretStr(password) if password is not None else None, alias=alias)
    try:
        return read_key(source)
    except UnreadableKeyError as error:
        if not error.locked or password is not None:
            raise
        return read_key(replace(source, password=SecretStr(_asked_for(file))))


def _asked_for(file: Path) -> str:
    """The password, typed without being shown, or the first line of a standard input that is no terminal."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {file}: ")
    return sys.stdin.readline().rstrip("\r\n")


async def _secret(name: str, settings: Settings, environ: Mapping[str, str]) -> str:
    from connector.net.outbound import outbound
    from connector.secrets.providers import open_secrets

    async with open_secrets(settings.secrets, environ, _forget, outbound(settings.http)) as secrets:
        return (await secrets.resolve_text(f"secrets.{name}", "--password-secret", "", 0)).value


def _forget(_: str) -> None:
    """Nothing of a secret is printed here, so nothing has to be masked."""


def _text(states: Iterable[Mapping[str, Any]]) -> str:
    return "\n\n".join("\n".join(_lines(state)) for state in states)


def _lines(state: Mapping[str, Any]) -> Iterable[str]:
    yield str(state["file"])
    rows = {
        "for": f"{state['use']}, selector {state['selector']}" if state["selector"] else state["use"],
        "key": state["key"],
        "subject": state["subject"],
        "addresses": ", ".join(state["addresses"]),
        "purposes": ", ".join(state["purposes"]),
        "issuer": state["issuer"],
        "chain": " <- ".join(state["chain"]),
        "valid": _validity(state),
        "SHA-256": state["sha256"],
        "usable": "yes" if state["fault"] is None else f"no: {state['fault']}",
    }
    for name, value in rows.items():
        if value:
            yield f"  {name:9}  {value}"


def _validity(state: Mapping[str, Any]) -> str:
    if state["expires"] is None:
        return ""
    return f"{state['begins'][:10]} to {state['expires'][:10]}, {state['daysLeft']} days left"


def _dkim_new(domain: str, selector: str, output: Path, kind: str) -> int:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from connector.signing.dkim import DomainKey
    from connector.signing.record import name_of, text_of, zone_line

    key = DomainKey(_domain(domain), _selector(selector), _new(kind))
    pem = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        _write(output, pem)
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror}") from None
    typer.echo(
        f"The key is in {output}, readable for you alone. Publish this record:\n\n"
        f"name   {name_of(key)}\ntype   TXT\nvalue  {text_of(key)}\n\n"
        f"As a line of a zone file:\n\n{zone_line(key)}\n\n"
        f"Then set for the account:\n\nsigning:\n  dkim:\n    domain: {key.domain}\n    keys:\n"
        f"      - selector: {key.selector}\n        file: {output.absolute()}"
    )
    return 0


def _domain(text: str) -> str:
    from connector.errors import InputError
    from connector.model.addresses import ascii_domain

    try:
        return ascii_domain(text, "--domain")
    except InputError:
        raise UsageError(f"--domain {text}: expected a domain, as example.com") from None


def _selector(text: str) -> str:
    from connector.settings.signing import SELECTOR, SELECTOR_WORDS

    if not re.fullmatch(SELECTOR, text):
        raise UsageError(f"--selector {text}: expected {SELECTOR_WORDS}")
    return text


def _new(kind: str) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    raise UsageError(f"--type {kind}: expected one of {', '.join(_KINDS)}")


def _write(file: Path, data: bytes) -> None:
    """Write a file that only its owner can read, and that was not there before."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as opened:  # noqa: PTH123 - of a descriptor
            opened.write(data)
    except OSError:
        with suppress(OSError):
            file.unlink()
        raise
