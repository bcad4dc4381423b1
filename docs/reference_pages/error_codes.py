"""``docs/reference/error-codes.md``: what each error code means, whether it is tried again, what to do."""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import ErrorCode
from reference_pages.markdown import table

_PAGE = """\
# Error codes

A failed job carries one of these as `error.code`, and its incident's message begins with it. Codes are
stable: a diagram may rely on them.

- **Tried again** means that the attempt spends one of the job's retries and waits for the task's
  `retryBackoff`, or for `worker.retry_backoff` (after a 4xx reply `worker.rejection_backoff`). The last one
  raises an incident.
- The others raise an incident at once, because trying again would not help before somebody changes something.

A task's `errorExpression` or `errorMapping`, or `worker.error_mapping`, may decide otherwise: a BPMN error,
other retries, or to go on. [Handle errors](../how-to/errors.md) shows how, [results and
errors](results-and-errors.md) has the rules.

{codes}"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code, for the person who meets it.

    Attributes:
        meaning: When it arises.
        remedy: What to do.
    """

    meaning: str
    remedy: str


EXPLANATIONS = {
    ErrorCode.INVALID_INPUT: Explanation(
        "A variable fails validation. `error.variables` has its name as `field`, and as `allowed` the values "
        "it may have, where they are few.",
        "Correct the input in the diagram, or the data that it came from. The message names the variable and "
        "what would be right. FEEL gives null for a name that does not exist: a mapping with a typing "
        "mistake ends here.",
    ),
    ErrorCode.SECRET_NOT_FOUND: Explanation(
        "No provider has a secret of that name, or the one that has it may not give it to this worker.",
        "Compare the name in the diagram or the account with the place where [secrets are kept]"
        "(../how-to/secrets.md); check what the worker's identity may read there.",
    ),
    ErrorCode.SECRET_NOT_ALLOWED: Explanation(
        "The secret is bound to other mail servers by `secrets.bind`, and went nowhere.",
        "If the server in the task is right, the operator adds it to the binding. If not, find out who wrote "
        "it into the diagram.",
    ),
    ErrorCode.SECRETS_UNAVAILABLE: Explanation(
        "A secret provider cannot be reached, or does not let the worker in; nothing was sent.",
        "Nothing, if it is a short outage. Otherwise look at the provider, and at the worker's login to it.",
    ),
    ErrorCode.ACCOUNT_NOT_FOUND: Explanation(
        "There is no such account for this process; or the task gives neither `account` nor "
        "`authentication`, and there is no default account.",
        "Correct the name, or let the operator [set the account up](../how-to/accounts.md) or allow it for "
        "the process (`allowed_process_ids`, `allowed_tenants`).",
    ),
    ErrorCode.ATTACHMENT_NOT_FOUND: Explanation(
        "A file or URL that may be read is not there.",
        "Check the path or the URL, and whether the file exists by the time the task is reached.",
    ),
    ErrorCode.ATTACHMENT_NOT_ALLOWED: Explanation(
        "A path outside `attachments.roots`, or a host that is not in `attachments.urls`.",
        "Put the file below a directory that is allowed, or let the operator [allow the place]"
        "(../how-to/attach-files.md).",
    ),
    ErrorCode.MESSAGE_TOO_LARGE: Explanation(
        "Larger than a limit in the settings, or than the mail server's own (SIZE).",
        "Send less, or a link. The limits of the worker are `attachments.max_count`, `.max_size` and "
        "`.max_total`.",
    ),
    ErrorCode.EXPRESSION_ERROR: Explanation(
        "A task header cannot be understood, and nothing was sent; or an expression failed once the mail was "
        "out, and the message says so.",
        "Correct the header; `smtp-connector feel` tries an expression and shows the place of a mistake. If "
        "the mail was out, a retry evaluates the expression anew and sends nothing.",
    ),
    ErrorCode.SIGNING_FAILED: Explanation(
        "The mail must be signed, and no key can: a wrong password, an expired certificate, one that is not "
        "for signing mail or not for the sender's address; or a DKIM key that cannot be read.",
        "The message names each key's file with the reason. `smtp-connector keys show ACCOUNT` shows what an "
        "account's keys are good for; see [Sign and encrypt mails](../how-to/sign-and-encrypt.md).",
    ),
    ErrorCode.ENCRYPTION_FAILED: Explanation(
        "The mail must be encrypted, and a recipient, or the sender, has no usable certificate: none, an "
        "expired one, one that is not for encryption, or one with an EC key. `error.variables.recipients` "
        "names them.",
        "Put a certificate with an RSA key into the account's `signing.certificates`; it is found without a "
        "restart. See [Sign and encrypt mails](../how-to/sign-and-encrypt.md).",
    ),
    ErrorCode.CONNECTION_FAILED: Explanation(
        "No connection to the mail server, or it broke before the message's last octet.",
        "Check host and port, and whether a firewall lets the worker through; many networks block port 25.",
    ),
    ErrorCode.CONNECTION_TIMEOUT: Explanation(
        "The server took too long before the message's last octet.",
        "Check host and port. Where the server is slow by nature, raise the one of `smtp.timeouts` that the "
        "message names.",
    ),
    ErrorCode.DNS_FAILED: Explanation(
        "The host name cannot be resolved.",
        "Check the name, and the DNS of the machine or container that the worker runs on.",
    ),
    ErrorCode.TLS_FAILED: Explanation(
        "The certificate is not trusted or the handshake failed; no credentials went out.",
        "The message says what is wrong. For a private authority set the account's `ca_file` or "
        "`trust_store`, or `smtp.ca_file`. There is no switch that trusts anybody.",
    ),
    ErrorCode.TLS_NOT_OFFERED: Explanation(
        "STARTTLS is required and the server does not offer it; no credentials went out.",
        "Use port 465 with `tls` if the server has it. Only in a network that you trust with everything that "
        "is in the mail: `security` = `starttls-optional` or `none`.",
    ),
    ErrorCode.AUTH_FAILED: Explanation(
        "The server refuses the credentials, wants a login or encryption where there is none (530), or "
        "offers no way to log in that the worker knows. Before a "
        "process hears of it, the secrets are asked for anew; others than those refused are tried, once.",
        "Check user name and password. Microsoft and Google want an app password, or that SMTP AUTH is "
        "enabled for the mailbox.",
    ),
    ErrorCode.AUTH_UNAVAILABLE: Explanation(
        "The server cannot check credentials at the moment (454).",
        "Nothing: the worker tries again. If it stays so, ask the server's operator.",
    ),
    ErrorCode.TOKEN_FAILED: Explanation(
        "OAuth: the provider's token endpoint could not be reached, was too busy (429, 5xx) or answered "
        "with something that is no token. `error.variables` name the credential and the provider.",
        "Nothing: the worker tries again, and waits as long as the provider asks for. If it stays so, check "
        "the addresses and the way to the provider.",
    ),
    ErrorCode.AUTHORIZATION_REQUIRED: Explanation(
        "OAuth: nobody has consented yet, or the provider has ended the grant (revoked, expired, password "
        "changed, another login wanted).",
        "Run the command that the incident names (`smtp-connector authorize ACCOUNT`), then retry the job.",
    ),
    ErrorCode.SENDER_REJECTED: Explanation(
        "The server refuses the sender: 5xx to MAIL, or a later 5xx that is about the sender (“Sender "
        "address rejected”, “send as”, X.1.7, X.1.8).",
        "Use an address that this login may send as, or ask the server's operator to allow it.",
    ),
    ErrorCode.RECIPIENT_REJECTED: Explanation(
        "The server refuses every recipient (5xx to RCPT), or one of them where all are required, and does "
        "not say that something else is the reason. `error.variables.rejected` lists them with the server's "
        "words.",
        "Correct the address, best in the process: [catch the error](../how-to/errors.md) and have a person "
        "look at it.",
    ),
    ErrorCode.CLIENT_REJECTED: Explanation(
        "The server refuses this worker, whatever the mail is: “Relay access denied”, its name at EHLO, its "
        "IP address, or a policy (X.7.x to RCPT) that does not speak of the recipient.",
        "The message says which: log in, set `helo_name`, or have the server's operator let the worker's IP "
        "address in.",
    ),
    ErrorCode.MESSAGE_REJECTED: Explanation(
        "The server refuses the message itself: 5xx to DATA or after the final dot. Or it takes fewer "
        "recipients in one mail, and all of them are required.",
        "Read the server's words: content that it takes for spam, SPF and DKIM of the sender's domain.",
    ),
    ErrorCode.TEMPORARILY_REJECTED: Explanation(
        "4xx: greylisting (450), a full mailbox (452), a server that shuts down (421).",
        "Nothing: the worker tries again after `worker.rejection_backoff`. Give the task enough retries for "
        "greylisting, which takes minutes.",
    ),
    ErrorCode.RATE_LIMITED: Explanation(
        "The server says that too much was sent, or over too many connections, with any code; or 429 from "
        "where an attachment is fetched. After a quota of an hour or a day the next attempt waits at least "
        "an hour.",
        "Set the account's `rate` and `max_connections` to what the provider allows; ask it for a higher "
        "quota.",
    ),
    ErrorCode.DELIVERY_UNCERTAIN: Explanation(
        "The connection, or the worker, broke after the message's last octet and before the server's reply: "
        "perhaps delivered. Tried again only where `ledger.uncertain`, the account or "
        "`smtpEmailWhenUncertain` says `resend`.",
        "Find out whether it arrived, then [decide](../how-to/errors.md#a-delivery_uncertain): a retry in "
        "Operate sends it again.",
    ),
    ErrorCode.LEDGER_UNAVAILABLE: Explanation(
        "The ledger cannot be written, so nothing was sent. The job's retries are unchanged, and it comes "
        "again every ten seconds.",
        "Look at the disk or the database of [the ledger](../explanation/no-mail-twice.md#where-it-is-kept).",
    ),
    ErrorCode.WORKER_CRASHED: Explanation(
        "`ledger.max_crashes` attempts in a row ended with the worker's death; the job is not begun again.",
        "Look at what the worker's log and its host say about it, memory above all. Retry the job once that "
        "is mended.",
    ),
    ErrorCode.CANCELLED: Explanation(
        "The worker stopped, lost the job, found another one sending the mail, or there was no room for it "
        "(the account's `rate`, `smtp.pool.wait`). Nothing was sent, and the job's retries are unchanged.",
        "Nothing: the job comes again by itself. It is no error for the process, whose error handling is not "
        "asked.",
    ),
}


def page() -> str:
    """The page; a code without an explanation is a KeyError."""
    return _PAGE.format(codes=table(("Code", "When", "Tried again", "What to do"), map(_row, ErrorCode)))


def _row(code: ErrorCode) -> tuple[str, str, str, str]:
    explained = EXPLANATIONS[code]
    return f"`{code}`", explained.meaning, "yes" if code.retryable else "no", explained.remedy
