"""Finding a folder by what a task calls it: its path, its role, or its path in another spelling."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from connector.errors import ErrorCode, MailboxError
from connector.mailbox.folder_names import USUAL_NAMES
from connector.mailbox.port import Folder, Role


def usual_role(name: str) -> Role | None:
    """What a folder of this name is usually for."""
    plain = _plain(name)
    return next((role for role, names in USUAL_NAMES.items() if plain in names), None)


def role_named(text: str) -> Role | None:
    """The role that a task names: ``sent`` in any case, or with IMAP's backslash before it."""
    try:
        return Role(text.strip().lstrip("\\").lower())
    except ValueError:
        return None


def find_folder(folders: Iterable[Folder], wanted: str, namespace: Sequence[str] = ()) -> Folder | None:
    """The folder that a task means, or None.

    A path comes first, as the server spells it and then with ``/`` between its parts; then a role; then a
    path in another case.

    Args:
        folders: Every folder.
        wanted: What the task says.
        namespace: The parts that stand before the paths of the user's own folders.
    """
    folders = tuple(folders)
    parts = tuple(part.strip() for part in wanted.strip().strip("/").split("/"))
    forms = (parts, (*namespace, *parts))
    return (
        next((folder for folder in folders if folder.path == wanted), None)
        or next((folder for folder in folders if folder.parts in forms), None)
        or _of_role(folders, role_named(wanted))
        or _in_any_case(folders, forms)
    )


def _of_role(folders: Iterable[Folder], role: Role | None) -> Folder | None:
    return next((folder for folder in folders if role is not None and folder.role is role), None)


def _in_any_case(folders: Iterable[Folder], forms: Iterable[tuple[str, ...]]) -> Folder | None:
    plain = {tuple(map(_plain, form)) for form in forms}
    found = [folder for folder in folders if tuple(map(_plain, folder.parts)) in plain]
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    """A name without accents and case, to compare."""
    apart = unicodedata.normalize("NFKD", name.strip())
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()


def not_found(folders: Iterable[Folder], wanted: str, server: str) -> MailboxError:
    """The error for a folder that is not there."""
    paths = [folder.path for folder in folders]
    near = get_close_matches(wanted[:100], paths, n=1, cutoff=0.5)
    shown = ", ".join(paths[:10]) + (", …" if len(paths) > 10 else "")
    advice = f"did you mean {near[0]}?" if near else f"there are {shown or 'none'}."
    return MailboxError(
        ErrorCode.FOLDER_NOT_FOUND, f"The mailbox has no folder {wanted[:100]!r}; {advice}", server=server
    )
