"""What each kind of element does, in a table."""

from __future__ import annotations

from collections.abc import Mapping

from connector.devengine.behaviours.call import CallActivity
from connector.devengine.behaviours.events import ThrowEvent
from connector.devengine.behaviours.gateways import Choice
from connector.devengine.behaviours.multi_instance import MultiInstance
from connector.devengine.behaviours.passing import Passing, Waits
from connector.devengine.behaviours.scopes import Scope
from connector.devengine.behaviours.tasks import JobTask, ScriptTask
from connector.devengine.core import Core
from connector.devengine.definitions import Definitions
from connector.devengine.interpreter import Behaviour, Interpreter
from connector.devengine.jobs import Jobs
from connector.devengine.model import Kind
from connector.devengine.throwing import Throwing


def behaviours(
    core: Core, interpreter: Interpreter, jobs: Jobs, throwing: Throwing, definitions: Definitions
) -> Mapping[Kind, Behaviour]:
    """Return the behaviour of every kind of element."""
    passing, waits, scope = Passing(interpreter), Waits(interpreter), Scope(interpreter)
    task, choice = JobTask(core, interpreter, jobs), Choice(core, interpreter)
    throws = ThrowEvent(core, interpreter, jobs, throwing)
    return {
        Kind.PROCESS: scope,
        Kind.SUB_PROCESS: scope,
        Kind.EVENT_SUB_PROCESS: scope,
        Kind.MULTI_INSTANCE_BODY: MultiInstance(core, interpreter),
        Kind.CALL_ACTIVITY: CallActivity(core, interpreter, definitions),
        Kind.TASK: passing,
        Kind.MANUAL_TASK: passing,
        Kind.SERVICE_TASK: task,
        Kind.SEND_TASK: task,
        Kind.BUSINESS_RULE_TASK: task,
        Kind.USER_TASK: task,
        Kind.SCRIPT_TASK: ScriptTask(core, interpreter, jobs),
        Kind.RECEIVE_TASK: waits,
        Kind.START_EVENT: passing,
        Kind.BOUNDARY_EVENT: passing,
        Kind.INTERMEDIATE_CATCH_EVENT: waits,
        Kind.INTERMEDIATE_THROW_EVENT: throws,
        Kind.END_EVENT: throws,
        Kind.EXCLUSIVE_GATEWAY: choice,
        Kind.INCLUSIVE_GATEWAY: choice,
        Kind.PARALLEL_GATEWAY: passing,
        Kind.EVENT_BASED_GATEWAY: waits,
    }
