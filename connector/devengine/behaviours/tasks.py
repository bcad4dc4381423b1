"""Tasks: jobs for workers, and scripts that the engine evaluates itself."""

from __future__ import annotations

import json

from connector.devengine.behaviours.passing import Passing
from connector.devengine.core import Core
from connector.devengine.interpreter import Interpreter
from connector.devengine.jobs import Jobs
from connector.devengine.model import Task
from connector.devengine.scopes import visible
from connector.devengine.state import ElementInstance


class JobTask(Passing):
    """Waits for a worker to complete its job."""

    def __init__(self, core: Core, interpreter: Interpreter, jobs: Jobs) -> None:
        super().__init__(interpreter)
        self._evaluator = core.evaluator
        self._jobs = jobs

    def enter(self, where: ElementInstance) -> None:
        """Create the job.

        Raises:
            StepFailedError: Type, retries or a header cannot be evaluated.
        """
        if where.element.task is None:
            super().enter(where)
        else:
            self._create_job(where, where.element.task)

    def stop(self, where: ElementInstance) -> None:
        """Cancel the job."""
        if where.job is not None:
            self._jobs.cancel(where.job)

    def _create_job(self, where: ElementInstance, task: Task) -> None:
        evaluator, seen = self._evaluator, visible(where)
        job_type, retries = evaluator.text(task.type, seen), evaluator.whole_number(task.retries, seen)
        headers = dict(task.headers)
        for name, expression in task.given.items():
            value = evaluator.value(expression, seen)
            if value is not None:
                headers[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        self._jobs.create(where, job_type, retries, headers)


class ScriptTask(JobTask):
    """Sets a variable to the value of an expression; with a task definition it is a job."""

    def enter(self, where: ElementInstance) -> None:
        """Evaluate the script.

        Raises:
            StepFailedError: The evaluation fails.
        """
        script = where.element.script
        if script is None:
            super().enter(where)
        else:
            value = self._evaluator.value(script.expression, visible(where))
            self._interpreter.finish(where, {script.result_variable: value})
