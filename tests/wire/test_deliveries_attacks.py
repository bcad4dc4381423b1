"""No mail twice and none lost, against what was thought of later: each test was once a way to break it."""

from __future__ import annotations

import asyncio
from email import message_from_bytes

from connector.model.job import Fail, JobContext, Outcome
from connector.send.pipeline import Pipeline
from connector.testing.behaviour import Behaviour, Drop, Verb
from connector.testing.smtp import SmtpServer
from tests.jobs import job
from tests.wire.test_deliveries import LEASE, Store, error_code, pipeline, response
from tests.wire.test_pipeline import mail


async def _in_doubt(opened: Pipeline, variables: dict[str, object], instance: int) -> Outcome:
    """Handle a job, and let the engine take its outcome."""
    context = JobContext()
    outcome = await opened.handle(job(variables, element_instance_key=instance), context)
    assert isinstance(outcome, Fail)
    assert context.when_taken is not None
    recorded = context.when_taken()
    assert isinstance(recorded, asyncio.Task)
    await recorded
    return outcome


async def test_an_incident_decides_nothing_about_another_task_with_the_same_key() -> None:
    store = Store()
    behaviour = Behaviour().on(Verb.DOT, Drop(), times=1, keep=True)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(store) as opened:
        keyed = mail(server, smtpEmailIdempotencyKey="order-1")
        assert error_code(await _in_doubt(opened, keyed, 12)) == "DELIVERY_UNCERTAIN"
        store.now += LEASE + 1
        # Nobody has retried anything: the process came by once more.
        assert error_code(await _in_doubt(opened, keyed, 13)) == "DELIVERY_UNCERTAIN"
        assert len(server.received) == 1
        store.now += LEASE + 1
        assert not response(await opened.handle(job(keyed, element_instance_key=13)))["duplicate"]
        ids = {message_from_bytes(received.data)["Message-ID"] for received in server.received}
        assert (len(server.received), len(ids)) == (2, 1)
