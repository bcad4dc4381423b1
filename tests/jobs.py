"""Jobs as the engine would hand them over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from connector.model.job import Job


def job(
    variables: Mapping[str, Any],
    *,
    type: str = "smtp-connector:send:1",  # noqa: A002 - the engine's word
    headers: Mapping[str, str] | None = None,
    retries: int = 3,
    element_instance_key: int = 12,
) -> Job:
    """Make a job with these variables; its response goes to the variable ``response``."""
    return Job(
        key=11,
        type=type,
        process_instance_key=10,
        bpmn_process_id="order",
        process_definition_version=1,
        element_id="send",
        element_instance_key=element_instance_key,
        headers={"resultVariable": "response"} if headers is None else headers,
        retries=retries,
        deadline=time.time() + 60,
        variables=variables,
        tenant_id="<default>",
    )
