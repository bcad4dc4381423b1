"""What mail providers document of their servers; the presets have to agree with it."""

from __future__ import annotations

from typing import Any

from connector.model.server import Security

# By the providers' documentation: Microsoft "POP, IMAP and SMTP settings"; Google "Send email from a printer,
# scanner or app"; AWS "Connecting to an Amazon SES SMTP endpoint"; Twilio "Integrating with the SMTP API";
# Mailgun "SMTP credentials"; Postmark "Send email with SMTP"; Microsoft "Send email by using SMTP" (ACS).
DOCUMENTED: dict[str, tuple[dict[str, Any], str, int, Security]] = {
    "office365": ({}, "smtp.office365.com", 587, Security.STARTTLS),
    "outlook": ({}, "smtp-mail.outlook.com", 587, Security.STARTTLS),
    "gmail": ({}, "smtp.gmail.com", 465, Security.TLS),
    "ses": ({"region": "eu-central-1"}, "email-smtp.eu-central-1.amazonaws.com", 587, Security.STARTTLS),
    "sendgrid": ({}, "smtp.sendgrid.net", 587, Security.STARTTLS),
    "mailgun": ({}, "smtp.mailgun.org", 587, Security.STARTTLS),
    "mailgun eu": ({"region": "eu"}, "smtp.eu.mailgun.org", 587, Security.STARTTLS),
    "postmark": ({}, "smtp.postmarkapp.com", 587, Security.STARTTLS),
    "azure": ({}, "smtp.azurecomm.net", 587, Security.STARTTLS),
    "custom": ({"host": "mail.example.com"}, "mail.example.com", 587, Security.STARTTLS),
}
