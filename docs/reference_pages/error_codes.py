"""``docs/reference/error-codes.md``: when each error code arises, whether it is retried, what to do."""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import ErrorCode
from reference_pages.markdown import table

_PAGE = """\
# Error codes

A failed job has one of these codes as `error.code`, and its incident's message begins with it. Codes are
stable, so diagrams can rely on them.

- **Retried**: a failed attempt uses one of the job's retries. The next one follows after the task's
  `retryBackoff`, or `worker.retry_backoff` (after a 4xx reply `worker.rejection_backoff`). The last attempt
  raises an incident.
- Errors that are not retried raise an incident at once, because a retry without a change would fail again.

A task's `errorExpression` or `errorMapping`, or `worker.error_mapping`, can decide otherwise: a BPMN error,
other retries, or to continue. [Handle errors](../how-to/errors.md) shows how, and [results and
errors](results-and-errors.md) has the rules.

{codes}"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explain one code to the person who has the incident.

    Attributes:
        meaning: When it arises.
        remedy: What to do.
    """

    meaning: str
    remedy: str


EXPLANATIONS = {
    ErrorCode.INVALID_INPUT: Explanation(
        "A variable is missing or invalid. `error.variables` has its name as `field`, and the permitted "
        "values as `allowed` if there are few.",
        "Correct the input in the diagram, or the data that it is computed from. The message names the "
        "variable and the expected value. FEEL gives null for an unknown name, so a typing mistake in a "
        "mapping also leads to this error.",
    ),
    ErrorCode.SECRET_NOT_FOUND: Explanation(
        "No secret store has a secret of that name, or the worker may not read it.",
        "Compare the name in the diagram or the account with the names in the [secret store]"
        "(../how-to/secrets.md), and check which secrets the worker's identity may read there.",
    ),
    ErrorCode.SECRET_NOT_ALLOWED: Explanation(
        "`secrets.bind` binds the secret to other mail servers. The worker did not look it up.",
        "If the server in the task is correct, add it to the binding. If not, find out who entered it in the "
        "diagram.",
    ),
    ErrorCode.SECRETS_UNAVAILABLE: Explanation(
        "A secret store cannot be reached or refuses the worker's login. Nothing was sent.",
        "Wait if it is a short outage. Otherwise check the store and the worker's login to it.",
    ),
    ErrorCode.ACCOUNT_NOT_FOUND: Explanation(
        "The account does not exist, is disabled, or this process may not use it; or the task gives neither "
        "`account` nor `authentication`, and there is no default account.",
        "Correct the name, [set up the account](../how-to/accounts.md), or permit it for the process "
        "(`allowed_process_ids`, `allowed_tenants`).",
    ),
    ErrorCode.ATTACHMENT_NOT_FOUND: Explanation(
        "The file or URL is permitted but does not exist.",
        "Check the path or the URL, and whether the file exists when the process reaches the task.",
    ),
    ErrorCode.ATTACHMENT_NOT_ALLOWED: Explanation(
        "A path outside `attachments.roots`, or a host that is not in `attachments.urls`.",
        "Move the file below a permitted directory, or [permit the directory or the host]"
        "(../how-to/attach-files.md).",
    ),
    ErrorCode.MESSAGE_TOO_LARGE: Explanation(
        "The mail exceeds a limit in the settings, or the mail server's own (SIZE).",
        "Send smaller files, or a link. The worker's limits are `attachments.max_count`, `.max_size` and "
        "`.max_total`.",
    ),
    ErrorCode.EXPRESSION_ERROR: Explanation(
        "A task header is invalid, and nothing was sent; or an expression failed after the mail was sent, "
        "and the message says so.",
        "Correct the header. `smtp-connector feel` evaluates an expression and shows the position of a "
        "syntax error. If the mail was sent, a retry evaluates the expression again and sends nothing.",
    ),
    ErrorCode.TEMPLATE_ERROR: Explanation(
        "A mail template cannot be rendered: its data lacks a variable, a value is not of the kind that a "
        "line needs, the template has a mistake, or it would take too much time or memory. "
        "`error.variables` has `template`, `file`, `line` and `name`.",
        "The message names file, line and variable. Give the variable in `smtpEmailTemplateData`, or correct "
        "the template; no restart is needed. See [Mail templates](../how-to/mail-templates.md).",
    ),
    ErrorCode.SIGNING_FAILED: Explanation(
        "The mail must be signed, but no key is usable: its password is wrong, or its certificate has "
        "expired, is not for signing mail, or not for the sender's address; or a DKIM key cannot be read.",
        "The message names each key's file with the reason. `smtp-connector keys show ACCOUNT` shows the "
        "uses of an account's keys; see [Sign and encrypt mails](../how-to/sign-and-encrypt.md).",
    ),
    ErrorCode.ENCRYPTION_FAILED: Explanation(
        "The mail must be encrypted, but a recipient, or the sender, has no usable certificate: there is "
        "none, or it has expired, is not for encryption, or has an EC key. `error.variables.recipients` "
        "lists them.",
        "Add a certificate with an RSA key to the account's `signing.certificates`; no restart is needed. "
        "See [Sign and encrypt mails](../how-to/sign-and-encrypt.md).",
    ),
    ErrorCode.CONNECTION_FAILED: Explanation(
        "The worker could not connect to the mail server, or the connection broke before the message's last "
        "octet.",
        "Check host and port, and the firewalls between worker and server; many networks block port 25.",
    ),
    ErrorCode.CONNECTION_TIMEOUT: Explanation(
        "The server exceeded a time limit before the message's last octet.",
        "Check host and port. If the server is always slow, raise the limit in `smtp.timeouts` that the "
        "message names.",
    ),
    ErrorCode.DNS_FAILED: Explanation(
        "The host name cannot be resolved.",
        "Check the name, and the DNS settings of the worker's machine or container.",
    ),
    ErrorCode.TLS_FAILED: Explanation(
        "The certificate is not trusted or the handshake failed. No credentials were sent.",
        "The message says what is wrong. For a private authority set the account's `ca_file` or "
        "`trust_store`, or `smtp.ca_file`. No setting accepts every certificate.",
    ),
    ErrorCode.TLS_NOT_OFFERED: Explanation(
        "STARTTLS is required, but the server does not offer it. No credentials were sent.",
        "Use port 465 with `tls` if the server supports it. Set `security` = `starttls-optional` or `none` "
        "only in a network where everyone may read the mail and the password.",
    ),
    ErrorCode.AUTH_FAILED: Explanation(
        "The server refuses the credentials, requires a login or encryption that the task does not use "
        "(530), or offers no login mechanism that the worker supports. The worker first reads the secrets "
        "again and, if they have changed, logs in once more with the new ones.",
        "Check user name and password. Microsoft and Google require an app password, or SMTP AUTH enabled "
        "for the mailbox.",
    ),
    ErrorCode.AUTH_UNAVAILABLE: Explanation(
        "The server cannot check credentials at the moment (454).",
        "Wait: the worker retries. If the error persists, ask the server's operator.",
    ),
    ErrorCode.TOKEN_FAILED: Explanation(
        "OAuth: the provider's token endpoint could not be reached, was too busy (429, 5xx), or its answer "
        "contained no token. `error.variables` name the credential and the provider.",
        "Wait: the worker retries, as late as the provider asks for. If the error persists, check the "
        "addresses and the network path to the provider.",
    ),
    ErrorCode.AUTHORIZATION_REQUIRED: Explanation(
        "OAuth: the mailbox's owner has not consented yet, or the provider has ended the grant (revoked, "
        "expired, password changed, new login required).",
        "Run the command that the incident names (`smtp-connector authorize ACCOUNT`), then retry the job.",
    ),
    ErrorCode.SENDER_REJECTED: Explanation(
        "The server refuses the sender: 5xx to MAIL, or a later 5xx that is about the sender (“Sender "
        "address rejected”, “send as”, X.1.7, X.1.8).",
        "Use an address that this login may send as, or ask the server's operator to permit this one.",
    ),
    ErrorCode.RECIPIENT_REJECTED: Explanation(
        "The server refuses every recipient (5xx to RCPT), or one of them if all are required, and gives no "
        "other reason. `error.variables.rejected` lists them with the server's replies.",
        "Correct the address, preferably in the process: [catch the "
        "error](../how-to/errors.md#catch-a-bpmn-error) and let a person check it.",
    ),
    ErrorCode.CLIENT_REJECTED: Explanation(
        "The server refuses this worker independently of the mail: “Relay access denied”, its name at EHLO, "
        "its IP address, or a policy (X.7.x to RCPT) that does not concern the recipient.",
        "The message names the reason: log in, set `helo_name`, or ask the server's operator to permit the "
        "worker's IP address.",
    ),
    ErrorCode.MESSAGE_REJECTED: Explanation(
        "The server refuses the message itself: 5xx to DATA or after the final dot. Or it accepts fewer "
        "recipients in one mail, and all of them are required.",
        "Read the server's reply. Common reasons are content that looks like spam, and SPF or DKIM of the "
        "sender's domain.",
    ),
    ErrorCode.TEMPORARILY_REJECTED: Explanation(
        "The server replies 4xx: greylisting (450), a full mailbox (452), a server that shuts down (421).",
        "Wait: the worker retries after `worker.rejection_backoff`. Give the task enough retries for "
        "greylisting, which takes minutes.",
    ),
    ErrorCode.RATE_LIMITED: Explanation(
        "The server reports too many mails or connections, with any code; or the server of an attachment "
        "answers 429. After an hourly or daily quota the next attempt waits at least an hour.",
        "Set the account's `rate` and `max_connections` to the provider's limits, or ask the provider for a "
        "higher quota.",
    ),
    ErrorCode.DELIVERY_UNCERTAIN: Explanation(
        "The connection or the worker failed after the message's last octet and before the server's reply, "
        "so the mail may have been delivered. Retried only if `ledger.uncertain`, the account or "
        "`smtpEmailWhenUncertain` is `resend`.",
        "Find out whether the mail arrived, then [resolve the incident]"
        "(../how-to/errors.md#resolve-delivery_uncertain). A retry in Operate sends it again.",
    ),
    ErrorCode.LEDGER_UNAVAILABLE: Explanation(
        "The ledger cannot be written, so nothing was sent. The job's retries are unchanged, and it comes "
        "again every ten seconds.",
        "Check the disk or the database of [the ledger]"
        "(../explanation/no-mail-twice.md#where-the-ledger-is-stored).",
    ),
    ErrorCode.WORKER_CRASHED: Explanation(
        "The worker crashed in `ledger.max_crashes` attempts in a row; it does not start the job again.",
        "Check the logs of the worker and its host, especially for memory limits. Retry the job after you "
        "have removed the cause.",
    ),
    ErrorCode.COPY_FAILED: Explanation(
        "The mail was sent, and the copy of it that `copy.required` asks for could not be made.",
        "Usually nothing: the worker tries again, and a retry makes the copy and sends nothing. The message "
        "says why the mailbox did not take it.",
    ),
    ErrorCode.MAILBOX_ERROR: Explanation(
        "A mailbox's server refuses an operation, ends the session, or answers what makes no sense. "
        "`error.variables` has `server` and `phase`, the step that failed.",
        "Usually nothing: the worker tries again, and what an attempt has done already is not done twice. "
        "Where the server says that the user may not do this, an incident comes at once: its administrator "
        "gives the right.",
    ),
    ErrorCode.MESSAGE_NOT_FOUND: Explanation(
        "The mail that `mailboxMessage` names is not there, or no longer.",
        "Another mail program or process has moved or deleted it, or the id is of another mailbox. A process "
        "that expects this catches it as a BPMN error.",
    ),
    ErrorCode.FOLDER_NOT_FOUND: Explanation(
        "The mailbox has no such folder; the message names the nearest one.",
        "Write the path as `listFolders` gives it, or a role such as `sent`. With `mailboxCreateFolder` a "
        "target folder is created.",
    ),
    ErrorCode.CANCELLED: Explanation(
        "The worker stopped, lost the job, found another worker sending the mail, or had no capacity (the "
        "account's `rate`, `smtp.pool.wait`). Nothing was sent, and the job's retries are unchanged.",
        "Wait: the job comes again automatically. The process does not see an error, and its error handling "
        "is not evaluated.",
    ),
}


def page() -> str:
    """Return the page; a code without an explanation is a KeyError."""
    return _PAGE.format(codes=table(("Code", "When", "Retried", "What to do"), map(_row, ErrorCode)))


def _row(code: ErrorCode) -> tuple[str, str, str, str]:
    explained = EXPLANATIONS[code]
    return f"`{code}`", explained.meaning, "yes" if code.retryable else "no", explained.remedy
