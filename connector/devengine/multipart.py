"""The files of a ``multipart/form-data`` request (RFC 7578), which is how a deployment arrives over REST."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser

from connector.devengine.arguments import BadRequestError
from connector.devengine.commands import Resource

_NO_FORM = "Expected a multipart/form-data request with one part named 'resources' for each file"


def read_form(content_type: str, body: bytes) -> tuple[list[Resource], dict[str, str]]:
    """Read a form.

    Args:
        content_type: The request's header, which names the boundary.
        body: The request's body.

    Returns:
        The parts named ``resources``, and the text of every other part by its name.

    Raises:
        BadRequestError: It is no such form.
    """
    boundary = _header("Content-Type", content_type).get_boundary()
    if boundary is None:
        raise BadRequestError(_NO_FORM)
    # Each boundary stands at the start of a line, the first of them at the start of the body.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"))
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        raise BadRequestError(f"{_NO_FORM}; the form has no end")
    resources: list[Resource] = []
    texts: dict[str, str] = {}
    for part in parts[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        disposition = _disposition(head)
        name, file = disposition.get_param("name", header="Content-Disposition"), disposition.get_filename()
        if name == "resources":
            resources.append(Resource(file or "", content))
        else:
            texts[str(name)] = content.decode("utf-8", "replace")
    return resources, texts


def _disposition(head: bytes) -> Message:
    message = BytesHeaderParser().parsebytes(head.lstrip(b"\r\n") + b"\r\n\r\n")
    return _header("Content-Disposition", message.get("Content-Disposition", ""))


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message
