"""The entries of the four templates that say what comes of the mail: result, errors, retries.

Most are task headers, which :mod:`connector.tasks.headers` reads; the retries are the engine's. The entries
for the mail itself are in :mod:`connector.modeler.fields`.
"""

from __future__ import annotations

from connector.modeler.field import Field, Group, Target

OUTCOME = (
    Field(
        id="resultVariable",
        name="resultVariable",
        target=Target.HEADER,
        group=Group.OUTPUT,
        label="Result variable",
        description="Name of variable to store the response in.",
        tooltip="The response has status, messageId, accepted, rejected, reply, sentAt and warnings.",
        placeholder="mail",
    ),
    Field(
        id="resultExpression",
        name="resultExpression",
        target=Target.HEADER,
        group=Group.OUTPUT,
        label="Result expression",
        description="Expression to map the response into process variables, such as {id: response.messageId}",
        tooltip="Its keys become process variables. response is the whole result; its keys are there by "
        "themselves as well.",
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
        "retries, backoff) fails the job; ignoreError(variables) goes on; null leaves it as it is.",
        expression=True,
    ),
    Field(
        id="errorMapping",
        name="errorMapping",
        target=Target.HEADER,
        group=Group.ERRORS,
        label="Error mapping",
        description='BPMN error codes by error code, such as {RECIPIENT_REJECTED: "ADDRESS", "*": "MAIL"}',
        tooltip="For what the error expression leaves as it is. The star stands for every other code.",
        expression=True,
    ),
    Field(
        id="whenUncertain",
        name="smtpEmailWhenUncertain",
        group=Group.ERRORS,
        label="When delivery is uncertain",
        description="Empty: as the operator of the worker has set it.",
        tooltip="What to do when the connection breaks between the end of the mail and the server's reply, "
        "so that nobody knows whether it was taken.",
        choices={
            "incident": "Incident: a person decides",
            "resend": "Send again, with the same Message-ID",
            "assume-sent": "Take it for sent",
        },
    ),
    Field(
        id="retries",
        name="retries",
        target=Target.TASK_DEFINITION,
        group=Group.RETRIES,
        label="Retries",
        tooltip="Attempts in all. Only a failure that may pass is tried again, such as a server that is "
        "down; any other is an incident at once.",
        value="3",
    ),
    Field(
        id="retryBackoff",
        name="retryBackoff",
        target=Target.HEADER,
        group=Group.RETRIES,
        label="Retry backoff",
        description="ISO 8601 duration to wait between attempts.",
        value="PT30S",
    ),
)
