"""The engine for development against the real thing."""

from pathlib import Path

from pyzeebe import ZeebeClient

_EMPTY_PROCESS = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="test">
  <process id="{process_id}" isExecutable="true">
    <startEvent id="start"><outgoing>f</outgoing></startEvent>
    <sequenceFlow id="f" sourceRef="start" targetRef="end" />
    <endEvent id="end"><incoming>f</incoming></endEvent>
  </process>
</definitions>
"""


async def test_a_process_runs_through(zeebe: ZeebeClient, process_id: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.bpmn"
    path.write_text(_EMPTY_PROCESS.format(process_id=process_id), encoding="utf-8")
    await zeebe.deploy_resource(path)
    done = await zeebe.run_process_with_result(process_id, {"answer": 42})
    assert done.variables == {"answer": 42}
