"""The entries that the templates of all task types share: the server, and what becomes of the result.

Most entries about the result are task headers; the retries are the engine's.
"""

from __future__ import annotations

from connector.modeler.field import NOT_GIVEN, Field, Group, Pattern, Target, When

SERVER_HERE = When("mailServer", "connection")
ACCOUNT_CHOSEN = When("mailServer", "account")
_BY_PASSWORD = When("mailbox", None, SERVER_HERE)
_BY_TOKEN = When("login", "oauth", SERVER_HERE)
_AT_MICROSOFT = When("provider", "microsoft", _BY_TOKEN)
_ELSEWHERE = When("provider", "custom", _BY_TOKEN)

SERVER = (
    Field(
        id="mailServer",
        name="mailServer",
        target=Target.PROPERTY,
        group=Group.SERVER,
        label="Send through",
        tooltip="The operator of the worker sets up an account once: then the server, its credentials and "
        "the sender need not be in the diagram.",
        value="connection",
        choices={"account": "Account of the worker", "connection": "Server given here"},
    ),
    Field(
        id="account",
        name="account",
        group=Group.SERVER,
        label="Account",
        description="Empty: the default account.",
        tooltip="The name of an account in the worker's settings.",
        placeholder="invoices",
        when=ACCOUNT_CHOSEN,
    ),
    Field(
        id="hostname",
        name="authentication.hostname",
        group=Group.SERVER,
        label="Host",
        tooltip="Name or IP address of the mail server.",
        placeholder="smtp.example.com",
        pattern=Pattern(
            r"[^\s:/]+|\[[0-9A-Fa-f:.]+\]",
            "must be a name or an IP address alone; the port has its own field.",
        ),
        needed=True,
        when=SERVER_HERE,
    ),
    Field(
        id="port",
        name="authentication.port",
        group=Group.SERVER,
        label="Port",
        tooltip="587 for STARTTLS, 465 for TLS from the start, 25 for a relay.",
        value=587,
        pattern=Pattern(
            r"[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]",
            "must be a whole number from 1 to 65535, or FEEL.",
        ),
        needed=True,
        when=SERVER_HERE,
    ),
    Field(
        id="security",
        name="authentication.security",
        group=Group.SERVER,
        label="Encryption",
        tooltip="Automatic: TLS on port 465; on any other port STARTTLS, which only a loopback host need "
        "not offer. Credentials never travel unprotected unless you choose so.",
        value="auto",
        choices={
            "auto": "Automatic",
            "tls": "TLS from the start",
            "starttls": "STARTTLS",
            "starttls-optional": "STARTTLS if offered",
            "none": "None",
        },
        when=SERVER_HERE,
    ),
    Field(
        id="login",
        name="login",
        target=Target.PROPERTY,
        group=Group.SERVER,
        label="Login",
        tooltip="OAuth2 client credentials: an application of its own asks its provider for a token, which "
        "it shows to the mail server. Where a person has to consent, take an account of the worker.",
        value="password",
        choices={"password": "Password", "oauth": "OAuth2 client credentials"},
        when=SERVER_HERE,
    ),
    Field(
        id="username",
        name="authentication.username",
        group=Group.SERVER,
        label="Username",
        tooltip="Leave it empty for a relay without login.",
        placeholder="workflow@example.com",
        when=_BY_PASSWORD,
    ),
    Field(
        id="password",
        name="authentication.password",
        group=Group.SERVER,
        label="Password",
        description="The name of a secret, never the password itself.",
        tooltip="The worker replaces the name with the secret, which its operator stores. The engine never "
        "sees the value.",
        placeholder="{{secrets.MAIL_PASSWORD}}",
        when=_BY_PASSWORD,
    ),
    Field(
        id="mailbox",
        name="authentication.username",
        group=Group.SERVER,
        label="Mailbox",
        tooltip="The mailbox that sends, to which the application was given access.",
        placeholder="workflow@example.com",
        needed=True,
        when=_BY_TOKEN,
    ),
    Field(
        id="provider",
        name="authentication.oauth.provider",
        group=Group.SERVER,
        label="Provider",
        tooltip="Where the application is registered. Addresses and scope of Microsoft 365 are known.",
        value="microsoft",
        choices={"microsoft": "Microsoft 365", "custom": "Another provider"},
        when=_BY_TOKEN,
    ),
    Field(
        id="tenant",
        name="authentication.oauth.tenant",
        group=Group.SERVER,
        label="Tenant",
        tooltip="The directory (tenant) ID, or a domain of it.",
        placeholder="contoso.onmicrosoft.com",
        needed=True,
        when=_AT_MICROSOFT,
    ),
    Field(
        id="tokenUrl",
        name="authentication.oauth.tokenUrl",
        group=Group.SERVER,
        label="Token URL",
        tooltip="Where the provider gives tokens. The operator of the worker may limit the hosts.",
        placeholder="https://login.example.com/oauth2/token",
        pattern=Pattern(r"https?://\S+", "must be a full URL with https://, or FEEL."),
        needed=True,
        when=_ELSEWHERE,
    ),
    Field(
        id="clientId",
        name="authentication.oauth.clientId",
        group=Group.SERVER,
        label="Client ID",
        tooltip="The application (client) ID.",
        when=_BY_TOKEN,
    ),
    Field(
        id="clientSecret",
        name="authentication.oauth.clientSecret",
        group=Group.SERVER,
        label="Client secret",
        description="The name of a secret, never the client secret itself.",
        tooltip="The worker replaces the name with the secret, which its operator stores. The engine never "
        "sees the value.",
        placeholder="{{secrets.MAIL_CLIENT_SECRET}}",
        when=_BY_TOKEN,
    ),
    Field(
        id="scopes",
        name="authentication.oauth.scopes",
        group=Group.SERVER,
        label="Scopes",
        tooltip="What the token is asked for: one scope, several with blanks, or a FEEL list. Empty where "
        "the provider does not ask for any.",
        when=_ELSEWHERE,
    ),
    Field(
        id="parameters",
        name="authentication.oauth.parameters",
        group=Group.SERVER,
        label="Parameters",
        description='Further parameters of the request, such as {audience: "https://mail.example.com"}',
        tooltip="A FEEL context of names and values, for providers that ask for more than the standard.",
        when=_ELSEWHERE,
    ),
)

OUTCOME = (
    Field(
        id="resultVariable",
        name="resultVariable",
        target=Target.HEADER,
        group=Group.OUTPUT,
        label="Result variable",
        description="Name of the variable that stores the response.",
        tooltip="The response has status, messageId, accepted, rejected, reply, sentAt and warnings.",
        placeholder="mail",
        pattern=Pattern(
            r"[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*",
            "must be a name of letters, digits and _, with no digit in front.",
        ),
    ),
    Field(
        id="resultExpression",
        name="resultExpression",
        target=Target.HEADER,
        group=Group.OUTPUT,
        label="Result expression",
        description="Expression to map the response into process variables, such as {id: response.messageId}",
        tooltip="Its keys become process variables. response is the whole result; its keys can also be used "
        "directly.",
        expression=True,
    ),
    Field(
        id="errorExpression",
        name="errorExpression",
        target=Target.HEADER,
        group=Group.ERRORS,
        label="Error expression",
        description='Expression to handle errors, such as if error.code = "RECIPIENT_REJECTED" then '
        'bpmnError("ADDRESS", error.message) else null',
        tooltip="bpmnError(code, message, variables) throws a BPMN error; jobError(message, variables, "
        "retries, backoff) fails the job; ignoreError(variables) completes it; null changes nothing.",
        expression=True,
    ),
    Field(
        id="errorMapping",
        name="errorMapping",
        target=Target.HEADER,
        group=Group.ERRORS,
        label="Error mapping",
        description='BPMN error codes by error code, such as {RECIPIENT_REJECTED: "ADDRESS", "*": "MAIL"}',
        tooltip="For errors that the error expression does not change. The star stands for every other code.",
        expression=True,
    ),
    Field(
        id="whenUncertain",
        name="smtpEmailWhenUncertain",
        group=Group.ERRORS,
        label="When delivery is uncertain",
        tooltip="What to do when the connection breaks between the end of the mail and the server's reply, "
        "so that it is unknown whether the server accepted it. Without an account, the worker's settings "
        "decide.",
        value=NOT_GIVEN,
        choices={
            NOT_GIVEN: "(as the account says)",
            "incident": "Incident: a person decides",
            "resend": "Send again, with the same Message-ID",
            "assume-sent": "Assume that it was sent",
        },
    ),
    Field(
        id="retries",
        name="retries",
        target=Target.TASK_DEFINITION,
        group=Group.RETRIES,
        label="Retries",
        tooltip="The number of attempts. Only a failure that may pass is retried, such as a server that is "
        "down; any other raises an incident at once.",
        value="3",
        pattern=Pattern(r"\d+", "must be a whole number, or FEEL."),
    ),
    Field(
        id="retryBackoff",
        name="retryBackoff",
        target=Target.HEADER,
        group=Group.RETRIES,
        label="Retry backoff",
        description="ISO 8601 duration to wait between attempts, such as PT30S.",
        tooltip="Empty: 30 seconds, and five minutes where the server asks to come again later, as with "
        "greylisting.",
        # Written out: an update would leave the header without a value, which the panel marks as wrong.
        value="",
        pattern=Pattern(
            r"P(?=.)(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?",
            "must be an ISO 8601 duration without months, such as PT30S.",
        ),
    ),
)
