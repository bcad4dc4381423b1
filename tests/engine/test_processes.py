"""``smtp-connector run --processes`` as an operator runs it, on an engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from pyzeebe import ZeebeClient

from connector.testing.smtp import SmtpServer
from tests.engine.processes import send_process
from tests.engine.service import NATIVE, RESULT
from tests.engine.test_mail import mail
from tests.engine.worker_process import Running, run

MAILS = 20
SENT = 'smtp_connector_mails_sent_total{account=""} '


async def metrics(worker: Running) -> str:
    """What the endpoint says that answers for all processes."""
    await worker.logged("health is answered")
    port = next(json.loads(line)["port"] for line in worker.log.splitlines() if "health is answered" in line)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    return text


async def test_two_processes_send_every_mail_once_and_speak_with_one_voice(
    engine_address: str, zeebe: ZeebeClient, process_id: str, tmp_path: Path
) -> None:
    options = ("--processes", "2", "--set", "health.listen=127.0.0.1:0")
    ledger = {"SMTP_CONNECTOR_LEDGER_KIND": "sqlite", "SMTP_CONNECTOR_LEDGER_PATH": str(tmp_path / "ledger")}
    async with SmtpServer() as smtp, run(engine_address, ledger, *options) as workers:
        file = tmp_path / "process.bpmn"
        file.write_bytes(send_process(process_id, NATIVE, mail(smtp), RESULT))
        await zeebe.deploy_resource(str(file))
        async with asyncio.timeout(60):
            results = [zeebe.run_process_with_result(process_id, timeout=50_000) for _ in range(MAILS)]
            await asyncio.gather(*results)
        assert len(smtp.received) == MAILS
        text = await metrics(workers)
        sent = next(line for line in text.splitlines() if line.startswith(SENT))
        assert float(sent.removeprefix(SENT)) == MAILS
        workers.process.terminate()
        assert await workers.ended() == 0
    assert workers.log.count('"worker stopped"') == 2
