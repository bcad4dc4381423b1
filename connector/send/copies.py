"""The copy of a mail that was sent, in the folder of sent mails of its account's mailbox.

The response to a mail that is out enters, the response with the copy's place leaves. Stands apart because
nothing here may change what became of the mail: what fails is a warning, or an error after which only the
copy is tried again.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from connector.accounts.secret_values import incoming_with_secrets
from connector.errors import ConnectorError, CopyError, PostponedError
from connector.mailbox.port import FiledMail, Filing, Mailbox, Place
from connector.message.header import mailboxes
from connector.model.mail import SendRequest, SentFolder
from connector.send.submission import Response, Stages, Submission

_INTERRUPTED = "the worker was interrupted."
_COME_AGAIN = timedelta(seconds=5)


async def with_copy(response: Response, submission: Submission, stages: Stages) -> Response:
    """Make the copy of a mail that was sent, and say where it is.

    Args:
        response: What was recorded of the mail.
        submission: Has sent it, or can build it anew.
        stages: What does the work.

    Raises:
        CopyError: It cannot be made, and is required; or not now, since the job's task was cancelled or every
            connection to the mailbox is in use.
    """
    wish: SentFolder | None = None
    try:
        request, octets = await submission.sent(response)
        wish = request.copy_to
        if wish is None:  # the settings have changed since the mail was sent
            return response
        place = await _filed(FiledMail(_named(octets, request, wish), *_known_by(response)), wish, stages)
    except PostponedError as error:  # every connection to the mailbox is in use
        raise _later(submission.mask(error.message)) from error
    except ConnectorError as error:
        reason = submission.mask(error.message)
        if wish is not None and wish.required:
            raise CopyError(reason, retryable=error.retryable) from error
        told = f"copy: the mail is not in the folder of sent mails: {reason}"
        return {**response, "warnings": [*response["warnings"], told]}
    except asyncio.CancelledError:
        raise _later(_INTERRUPTED) from None
    return {**response, "copy": {"to": "sent-folder", "folder": place.folder, "id": place.id}}


def _later(reason: str) -> CopyError:
    """The error after which the job comes again for its copy, no retry spent."""
    error = CopyError(reason, retryable=True)
    error.spends_retry, error.retry_after = False, _COME_AGAIN
    return error


def _known_by(response: Response) -> tuple[str, datetime]:
    return response["messageId"], datetime.fromisoformat(response["sentAt"])


def _named(octets: bytes, request: SendRequest, wish: SentFolder) -> bytes:
    """Put the blind recipients in front, where an operator wants them; no signature covers the field."""
    if not (wish.bcc and request.bcc):
        return octets
    return mailboxes("Bcc", request.bcc).encode() + octets


async def _filed(mail: FiledMail, wish: SentFolder, stages: Stages) -> Place:
    incoming, _ = await incoming_with_secrets(wish.incoming, stages.settings.accounts, stages.secrets)
    stages.remember_login(incoming.server)
    credential = incoming.server.credential
    tokens = stages.tokens(credential) if credential else None

    async def operation(mailbox: Mailbox) -> Place:
        if not isinstance(mailbox, Filing):
            raise TypeError(f"no copy can be filed over {incoming.protocol}")
        return await mailbox.file(mail)

    return await stages.mailboxes().use(incoming, operation, tokens)
