"""What an operator may say about copies of mails that were sent, for the worker and for each account."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from connector.settings.values import Section

_NOT_BUILT = ("directory", "document")


def _built(given: object) -> object:
    if given in _NOT_BUILT:
        raise ValueError(f"{given} is not available in this version; write sent-folder or none")
    return given


CopyTo = Annotated[Literal["none", "sent-folder"], BeforeValidator(_built)]


class _Named(Section):
    @model_validator(mode="before")
    @classmethod
    def _in_one_word(cls, given: Any) -> Any:
        return {"to": given} if isinstance(given, str) else given


class CopySettings(_Named):
    """Copies of the mails that were sent, for accounts that say nothing else."""

    to: CopyTo = Field(
        "none",
        description="`sent-folder`: each mail is put into the folder of sent mails of its account's mailbox "
        "(IMAP); `none`. `copy: sent-folder` says the same.",
    )
    required: bool = Field(
        False,
        description="A copy that cannot be made is an error (`COPY_FAILED`), after which only the copy is "
        "tried again; otherwise it is a warning.",
    )
    bcc: bool = Field(False, description="The copy names the blind recipients.")


class AccountCopySettings(_Named):
    """The same for one account, instead of what the worker's ``copy`` says."""

    to: CopyTo | None = Field(
        None, description="Instead of copy.to; `copy: sent-folder` or `copy: none` says the same."
    )
    required: bool | None = Field(None, description="Instead of copy.required.")
    bcc: bool | None = Field(None, description="Instead of copy.bcc.")

    def completed(self, usual: CopySettings) -> CopySettings:
        """What holds for the account."""
        return usual.model_copy(update=self.model_dump(exclude_none=True))
