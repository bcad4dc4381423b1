"""No mail twice and none lost, against what was thought of later: each test was once a way to break it."""

from __future__ import annotations

import asyncio
from email import message_from_bytes

from connector.ledger.ledger import Ledger
from connector.ledger.port import Entry, State
from connector.model.job import Fail, JobContext, Outcome
from connector.send.pipeline import Pipeline
from connector.testing.behaviour import Behaviour, Drop, Verb
from connector.testing.smtp import SmtpServer
from tests.jobs import job
from tests.wire.test_deliveries import LEASE, Store, error_code, pipeline, response
from tests.wire.test_pipeline import mail


async def _in_doubt(opened: Pipeline, store: Store, variables: dict[str, object], instance: int) -> Outcome:
    """Handle a job, let the engine take its outcome, and wait until that is recorded."""
    context = JobContext()
    outcome = await opened.handle(job(variables, element_instance_key=instance), context)
    assert isinstance(outcome, Fail)
    assert context.when_taken is not None
    context.when_taken()
    async with asyncio.timeout(10):
        while not _decided_by(instance, await _only_entry(store)):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
    return outcome


def _decided_by(instance: int, entry: Entry) -> bool:
    # Before that, its owner is a process, whose random name may end like the instance.
    return entry.state is State.ACKNOWLEDGED and entry.owner.endswith(str(instance))


async def _only_entry(store: Store) -> Entry:
    (entry,) = await Ledger(store).entries()
    return entry


async def test_an_incident_decides_nothing_about_another_task_with_the_same_key() -> None:
    store = Store()
    behaviour = Behaviour().on(Verb.DOT, Drop(), times=1, keep=True)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(store) as opened:
        keyed = mail(server, smtpEmailIdempotencyKey="order-1")
        assert error_code(await _in_doubt(opened, store, keyed, 12)) == "DELIVERY_UNCERTAIN"
        store.now += LEASE + 1
        # Nobody has retried anything: the process came by once more.
        assert error_code(await _in_doubt(opened, store, keyed, 13)) == "DELIVERY_UNCERTAIN"
        assert len(server.received) == 1
        store.now += LEASE + 1
        assert not response(await opened.handle(job(keyed, element_instance_key=13)))["duplicate"]
        ids = {message_from_bytes(received.data)["Message-ID"] for received in server.received}
        assert (len(server.received), len(ids)) == (2, 1)
