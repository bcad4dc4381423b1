"""What a server's reply means: one table of rules, with the replies that each row is for.

Phase and reply enter, a :class:`~connector.transport.smtp.verdicts.Verdict` leaves. The first row that
matches decides. The words of a reply come first, since a server puts off what it has against the client or
the sender until RCPT, and says it with any code; then the reply code; then the enhanced code (RFC 3463). The
phase decides about what no row knows:

============================  ==========================================================================
5xx at greeting, EHLO         ``CLIENT_REJECTED``: RFC 5321 section 3.1, this server takes no mail from us
5xx at STARTTLS               ``TLS_FAILED``
5xx at AUTH, MAIL, RCPT       ``AUTH_FAILED``, ``SENDER_REJECTED``, ``RECIPIENT_REJECTED``
5xx at DATA, content, dot     ``MESSAGE_REJECTED``
4xx                           ``TEMPORARILY_REJECTED``; ``AUTH_UNAVAILABLE`` at AUTH, except for 421
============================  ==========================================================================

A 4xx is never more than a refusal for now: it takes a row's advice, and its code only for ``RATE_LIMITED``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from connector.errors import ErrorCode, Phase, Reply
from connector.transport.smtp import verdicts
from connector.transport.smtp.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class _Rule:
    """One row; what it does not say matches every reply.

    Attributes:
        words: Found anywhere in the text, in any case.
        codes: Reply codes.
        enhanced: The enhanced code without its class, as ``7.1`` of ``5.7.1``.
        phases: Where.
        classes: The first digits of the reply code.
    """

    verdict: Verdict
    words: re.Pattern[str] | None = None
    codes: frozenset[int] = frozenset()
    enhanced: re.Pattern[str] | None = None
    phases: frozenset[Phase] = frozenset(Phase)
    classes: tuple[int, ...] = (4, 5)

    def matches(self, phase: Phase, reply: Reply) -> bool:
        """Whether the row is about such a reply."""
        if phase not in self.phases or reply.code // 100 not in self.classes:
            return False
        if self.codes and reply.code not in self.codes:
            return False
        if self.enhanced and not self.enhanced.fullmatch((reply.enhanced or "")[2:]):
            return False
        return self.words is None or self.words.search(reply.text) is not None


def _any(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE | re.DOTALL)


_AT_AUTH = frozenset({Phase.AUTH})
_AT_RCPT = frozenset({Phase.RCPT})
_FROM_MAIL = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.DOT})
_BESIDE_AUTH = frozenset(Phase) - _AT_AUTH
# A server may say 64 KB, and more than any real one says would only take time.
_LONGEST_TEXT = 1_000
_FINAL = (5,)
_PASSING = (4,)

_RULES: tuple[_Rule, ...] = (
    # --- words ---------------------------------------------------------------------------------------
    # Exchange: "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; …"
    # Exchange Online: "550 5.7.124 … SenderNotInAllowedList; not authorized to send to recipient because …"
    _Rule(
        verdicts.RECIPIENT,
        _any(r"RESOLVER\.|NotInAllowedList", r"\b(?:to|by|for) (?:the |this )?recipient\b|recipient's"),
        phases=_AT_RCPT,
        classes=_FINAL,
    ),
    # Amazon SES: "554 Transaction failed: Recipient count exceeds 50."; Postfix: "452 4.5.3 Error: too many
    # recipients", but its limit on the rate is "450 4.7.1 Error: too many recipients from 192.0.2.7".
    _Rule(
        verdicts.TOO_MANY,
        _any(r"recipient count exceeds", r"too many recipients(?! from)"),
        phases=_FROM_MAIL,
    ),
    # Google relay: "450 4.2.1 Peak SMTP relay limit exceeded for customer. This is a temporary error."
    _Rule(verdicts.RATE, _any(r"\bpeak\b.*limit")),
    # Gmail: "550-5.4.5 Daily user sending limit exceeded. …"; Amazon SES: "454 Throttling failure: Daily
    # message quota exceeded."; GoDaddy: "550 User … has exceeded its 24-hour sending limit. … Relay quota
    # will reset in 1.52 hours."; cPanel: "550 Domain … has exceeded the max emails per hour (100/100
    # (100%)) allowed."; mailbox.org: "554 5.7.1 <DATA>: Data command rejected: limit of 400 rcpts per 24
    # hours for client … reached"; Exchange Online: "554 5.2.0
    # STOREDRV.Submission.Exception:SubmissionQuotaExceededException; …", "550 5.7.705 Access denied, tenant
    # has exceeded threshold"; SendGrid: "451 You've exceeded your messaging limits", "451 Maximum credits
    # exceeded"; IONOS: "450 Mail send limit exceeded."
    _Rule(
        verdicts.QUOTA,
        _any(
            r"(?:daily|24[ -]hours?|hourly|per (?:hour|day)|\bday's).{0,60}(?:limit|quota|exceed|reached)",
            r"(?:limit|quota|exceed|reached|max\w*).{0,60}(?:daily|24[ -]hours?|hourly|per (?:hour|day))",
            r"hour limit",
            r"(?:send(?:ing)?|messaging|submission|outgoing|outbound)[ -]*(?:limit|quota)s?\b",
            r"SubmissionQuota|tenant (?:has )?exceeded|credits exceeded|quota will reset",
        ),
    ),
    # Amazon SES: "454 Throttling failure: Maximum sending rate exceeded."; Gmail: "421 4.7.28 … unusual
    # rate of unsolicited mail …", "450 4.2.1 … is receiving mail too quickly"; Exchange: "432 4.3.2
    # Concurrent connections limit exceeded", "421 4.3.2 The maximum number of concurrent connections has
    # exceeded a limit, …"; Postfix: "421 4.7.0 … Error: too many connections from 192.0.2.7", "450 4.7.1
    # Error: too much mail from 192.0.2.7"; Yahoo: "421 4.7.0 [TSS04] … deferred due to unexpected volume or
    # user complaints"; Tencent QQ: "550 Ip frequency limited."; Zoho: "550 5.4.6 Unusual sending activity
    # detected. Please try after sometime"
    _Rule(
        verdicts.RATE,
        _any(
            r"throttl|frequency limited|unusual sending activity|unexpected volume|too quickly",
            r"(?:sending|sender|message|connection|unusual|at a) rate\b|\brate[ -]?(?:limit|overlimit)",
            r"too many (?:messages|e?mails|(?:open |concurrent )?connections|concurrent|recipients from)",
            r"too much mail|maximum number of .*connections|concurrent connections",
        ),
        phases=_BESIDE_AUTH,
    ),
    # RFC 3463 section 3.3: "452 4.2.2 Mailbox full", in any words
    _Rule(verdicts.LATER, _any(r"\bmailbox\b.*\blimit|over quota|\bmailbox\b.*\bfull"), classes=_PASSING),
    # Anything that a 4xx calls a limit, as Exchange: "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit
    # exceeded"; a 5xx may mean a mailbox or a size by it.
    _Rule(verdicts.RATE, _any(r"\brate\b", r"limit exceeded"), phases=_BESIDE_AUTH, classes=_PASSING),
    # Gmail: "534-5.7.9 Application-specific password required."
    _Rule(verdicts.APP_PASSWORD, _any(r"application-specific|app(?:lication)?[ -]password"), phases=_AT_AUTH),
    # Exchange Online: "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for
    # the Tenant.", "… basic authentication is disabled."
    _Rule(verdicts.AUTH_OFF, _any(r"authentication is disabled"), phases=_AT_AUTH),
    # Postfix: "530 5.7.0 Must issue a STARTTLS command first"; Gmail: "421 4.7.0 TLS required for RCPT
    # domain"
    _Rule(
        verdicts.ENCRYPTION,
        _any(r"STARTTLS", r"\bTLS (?:is )?required", r"encryption (?:is )?(?:required|needed)"),
    ),
    # Postfix: "553 5.7.1 <…>: Sender address rejected: not logged in"
    _Rule(verdicts.LOGIN, _any(r"not logged in"), phases=_FROM_MAIL),
    # Zoho: "553 Relaying disallowed as workflow@example.com"
    _Rule(verdicts.SENDER, _any(r"relaying disallowed as"), phases=_FROM_MAIL),
    # Postfix: "554 5.7.1 <…>: Relay access denied"; Sendmail: "550 5.7.1 <…>... Relaying denied. Proper
    # authentication required."; Exim: "550 relay not permitted"; Exchange: "550 5.7.54 SMTP; Unable to
    # relay recipient in non-accepted domain"; qmail: "553 sorry, that domain isn't in my list of allowed
    # rcpthosts (#5.7.1)"; Google relay: "550-5.7.1 Invalid credentials for relay [192.0.2.7]. …"
    _Rule(
        verdicts.RELAY,
        _any(
            r"\brelay(?:ing)?\b.{0,60}\b(?:denied|not (?:permitted|allowed)|prohibited|rejected|restriction)",
            r"\b(?:do not|don't) relay",
            r"(?:unable|not (?:permitted|allowed|authori[sz]ed)) to relay|credentials for relay|rcpthosts",
        ),
        phases=_FROM_MAIL,
    ),
    # Exchange Online: "530 5.7.57 Client not authenticated to send mail."; Exchange: "550 5.7.3 Requested
    # action aborted; user not authenticated"; hMailServer: "530 SMTP authentication is required.";
    # SendGrid: "550 Unauthenticated senders not allowed"; Tencent QQ: "503 Error: need EHLO and AUTH first
    # !"
    _Rule(
        verdicts.LOGIN,
        _any(
            r"authentication (?:is )?required|(?:client|user) (?:was )?not authenticated",
            r"unauthenticated senders|\bAUTH (?:command )?first|must (?:be )?authenticat|please authenticate",
        ),
        phases=_FROM_MAIL,
    ),
    # Gmail: "550-5.7.26 Your email has been blocked because the sender is unauthenticated. …"; Outlook.com:
    # "550 5.7.515 Access denied, sending domain … doesn't meet the required authentication level.";
    # Exchange Online: "550 5.7.509 Access denied, sending domain … does not pass DMARC verification …"
    _Rule(
        verdicts.UNAUTHENTIC,
        _any(r"sender is unauthenticated|authentication level|\bDMARC\b|\bSPF\b|\bDKIM\b"),
        phases=_FROM_MAIL - _AT_RCPT,
    ),
    # policyd-spf: "550 5.7.23 <…>: Recipient address rejected: Message rejected due to: SPF fail - not
    # authorized."
    _Rule(verdicts.SPF, _any(r"\bSPF\b"), phases=_AT_RCPT),
    # Postfix: "553 5.7.1 <…>: Sender address rejected: not owned by user workflow"; Exim: "550 Sender
    # verify failed", "553 sender domain must exist"; Exchange: "550 5.7.60 SMTP; Client does not have
    # permissions to send as this sender"; Exchange Online: "554 5.2.252 SendAsDenied; … not allowed to send
    # as …"; SendGrid: "550 The from address does not match a verified Sender Identity."; Amazon SES: "554
    # Message rejected: Email address is not verified. …", "554 Access denied: User … is not authorized to
    # perform `ses:SendRawEmail' on resource …"; Yahoo: "553 From: address not verified; …"; Stalwart: "501
    # 5.5.4 You are not allowed to send from this address."; NetEase: "553 Mail from must equal authorized
    # user"; qmail: "550 sorry, your envelope sender is in my badmailfrom list (#5.7.1)"
    _Rule(
        verdicts.SENDER,
        _any(
            r"sender (?:address|verif|domain|identity)|envelope sender|domain of sender|not owned by",
            r"send[ -]?as\b|SendAsDenied|allowed to send (?:from|as)|from:? address|mail from must",
            r"address is not verified|authorized to perform `ses:",
            r"\bsender\b.{0,20}\b(?:rejected|denied|refused|not (?:allowed|permitted|authori[sz]ed))",
            r"\b(?:invalid|unknown) sender\b|callback setup failed",
        ),
        phases=_FROM_MAIL,
    ),
    # Postfix: "504 5.5.2 <15b0717dc4c2>: Helo command rejected: need fully-qualified hostname"; Exim: "550
    # HELO should be a FQDN or address literal"
    _Rule(
        verdicts.HELO,
        _any(
            r"\b(?:HELO|EHLO)\b.{0,60}\b(?:rejected|invalid|should|must|requires?|denied|not|mismatch|blocked)\b",
            r"\b(?:invalid|bad|bogus|forged)\b.{0,20}\b(?:HELO|EHLO)\b|fully-qualified hostname",
        ),
        phases=_FROM_MAIL,
    ),
    # A link in the mail is on a list: "554 5.7.1 Message contains a URL listed on a URIBL blacklist"
    _Rule(
        verdicts.REJECTED,
        _any(r"\b(?:URL|URI|link)s?\b.*(?:black|block)[ -]?list"),
        phases=frozenset({Phase.DOT}),
    ),
    # Postfix: "554 5.7.1 <unknown[192.0.2.7]>: Client host rejected: Access denied", "554 5.7.1 Service
    # unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org; …"; Exim: "550 … is in an RBL:
    # …"; Exchange Online: "550 5.7.708 … Access denied, traffic not accepted from this IP.", "550 5.7.606
    # Access denied, banned sending IP [192.0.2.7]."; Outlook.com: "550 5.7.1 Unfortunately, messages from
    # [192.0.2.7] weren't sent. … is on our block list (S3140)."; Gmail: "550-5.7.25 [192.0.2.7] The IP
    # address sending this message does not have a PTR record …"; IronPort: "554 … due to the sending MTA's
    # poor reputation. …"; Proofpoint: "554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.7";
    # Brevo: "525 5.7.1 Unauthorized IP address"; Symantec: "554 5.7.1 You are not allowed to connect."
    _Rule(
        verdicts.ADDRESS,
        _any(
            r"client host\b|blocked using|(?:black|block|deny)[ -]?list|\bRBL\b|\bDNSBL\b|spamhaus|spamcop",
            r"(?:accepted|connection refused|unauthorized|banned)\b.{0,20}\b(?:IP\b|sender\[)|banned sending",
            r"\bPTR\b|reverse (?:DNS|lookup|host)|poor reputation|ipcheck|IP address sending|IP you're using",
            r"not allowed to connect",
        ),
    ),
    # Exchange: "550 5.7.1 Client does not have permissions to submit to this server"
    _Rule(verdicts.CLIENT, _any(r"not have permissions? to submit"), phases=_FROM_MAIL),
    # Sendmail: "552 5.2.3 Message size exceeds fixed maximum message size (10485760)"; Exim: "552 Message
    # size exceeds maximum permitted"; qmail: "552 sorry, that message size exceeds my databytes limit
    # (#5.3.4)"
    _Rule(
        verdicts.SIZE,
        _any(r"(?:message|mail) (?:size|length)\b.*exceed", r"message (?:is )?too (?:large|big|long)"),
        phases=_FROM_MAIL,
        classes=_FINAL,
    ),
    # Postgrey: "450 4.2.0 <…>: Recipient address rejected: Greylisted, see …"
    _Rule(verdicts.GREYLISTED, _any(r"gr[ea]y ?-?list"), phases=_FROM_MAIL, classes=_PASSING),
    # Postfix: "554 5.7.1 <…>: Recipient address rejected: Access denied"; Outlook.com: "550 5.5.0 Requested
    # action not taken: mailbox unavailable"; Exchange Online: "550 5.1.351 Remote server returned unknown
    # recipient or mailbox unavailable"
    _Rule(
        verdicts.RECIPIENT,
        _any(
            r"\brecipient|(?<!your )\b(?:mailbox|account)\b|does(?:n't| not) exist",
            r"(?:no such|unknown|invalid) (?:user|person|address)|user (?:unknown|not found|is|has)",
            r"address (?:rejected|unknown|not found|invalid)",
        ),
        phases=_AT_RCPT,
        classes=_FINAL,
    ),
    # --- reply codes ---------------------------------------------------------------------------------
    # RFC 4954 section 6: "530 5.7.0 Authentication required"; Gmail: "530-5.5.1 Authentication Required."
    _Rule(verdicts.LOGIN, codes=frozenset({530, 534, 535, 538}), phases=_BESIDE_AUTH),
    # A server from before 1995 does not know EHLO (RFC 5321 section 3.2).
    _Rule(verdicts.NO_EHLO, codes=frozenset({500, 502}), phases=frozenset({Phase.EHLO})),
    # RFC 1870 section 6: "552 message size exceeds fixed maximium message size", in any words
    _Rule(
        verdicts.SIZE,
        _any(r"\bsize\b"),
        codes=frozenset({552}),
        enhanced=re.compile(""),
        phases=_FROM_MAIL - _AT_RCPT,
    ),
    # --- enhanced codes ------------------------------------------------------------------------------
    # Sendmail: "553 5.1.8 <…>... Domain of sender address … does not exist"; Exchange Online: "550 5.1.8
    # Access denied, bad outbound sender AS(42004)", "501 5.1.7 Invalid address"
    _Rule(verdicts.SENDER, enhanced=re.compile(r"1\.[78]"), phases=_FROM_MAIL),
    # Gmail, for every quota: "550 5.4.5 …"; as a 4xx it is "421 4.4.5 Server busy"
    _Rule(verdicts.QUOTA, enhanced=re.compile(r"4\.5"), classes=_FINAL),
    # Gmail: "421 4.7.28 …"; Exchange Online: "451 4.7.500 Server busy. Please try again later from …"
    _Rule(verdicts.RATE, enhanced=re.compile(r"7\.(?:28|500)"), phases=_BESIDE_AUTH, classes=_PASSING),
    # RFC 3463 section 3.6, "too many recipients"
    _Rule(verdicts.TOO_MANY, enhanced=re.compile(r"5\.3"), phases=_FROM_MAIL),
    # Postfix: "552 5.3.4 Error: message file too big"; Exchange: "550 5.2.3 RESOLVER.RST.RecipSizeLimit; …"
    _Rule(verdicts.SIZE, enhanced=re.compile(r"3\.4|2\.3"), phases=_FROM_MAIL - _AT_RCPT, classes=_FINAL),
)

_BY_PHASE = {
    Phase.GREETING: verdicts.CLIENT,
    Phase.EHLO: verdicts.HELO,
    Phase.STARTTLS: verdicts.TLS,
    Phase.AUTH: verdicts.PASSWORD,
    Phase.MAIL: verdicts.SENDER,
    Phase.RCPT: verdicts.RECIPIENT,
}


def verdict(phase: Phase, reply: Reply, recipient: str = "") -> Verdict:
    """Say what a reply means that is not the one hoped for.

    Args:
        phase: Where.
        reply: The reply as it came.
        recipient: Whom it is about, at RCPT.
    """
    if not 400 <= reply.code < 600:
        return verdicts.SENSELESS
    reply = replace(reply, text=reply.text[:_LONGEST_TEXT])
    rule = next((rule for rule in _RULES if rule.matches(phase, reply)), None)
    found = rule.verdict if rule else None
    if reply.transient:
        return _for_now(phase, reply, found)
    if found is None and phase is Phase.RCPT and _about_the_client(reply, recipient):
        return verdicts.CLIENT
    return found or _BY_PHASE.get(phase, verdicts.REJECTED)


def _for_now(phase: Phase, reply: Reply, found: Verdict | None) -> Verdict:
    if found and found.code in (ErrorCode.RATE_LIMITED, ErrorCode.TEMPORARILY_REJECTED):
        return found
    if phase is Phase.AUTH and reply.code != 421:
        return verdicts.NO_AUTH
    # Google's relay closes at EHLO for a name that it does not know: "421-4.7.0 Try again later, closing
    # connection. (EHLO)"
    found = found or (verdicts.HELO if phase is Phase.EHLO else verdicts.LATER)
    return replace(found, code=ErrorCode.TEMPORARILY_REJECTED)


def _about_the_client(reply: Reply, recipient: str) -> bool:
    """Whether a refusal at RCPT for reasons of policy (X.7.x) does not name the recipient.

    Exchange Online: "550 5.7.1 Service unavailable"; but Sendmail: "550 5.7.1 <jane@example.org>... Access
    denied".
    """
    policy = (reply.enhanced or "")[2:4] == "7."
    return policy and not (recipient and recipient.lower() in reply.text.lower())
