"""What an operator may say about the connections that are kept open."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from connector.settings.values import Seconds, Section


class PoolSettings(Section):
    """Connections that stay open from one mail to the next."""

    max_connections: int = Field(
        16, ge=1, le=1000, description="Connections to one server with one login; further mails wait."
    )
    max_total: int = Field(
        256,
        ge=1,
        description=(
            "Connections to all servers; before one more is opened, the one idle longest is closed. Those in "
            "use are limited by worker.max_jobs."
        ),
    )
    max_messages: int = Field(
        100, ge=1, description="Mails on one connection, which then ends with QUIT; 1 keeps none."
    )
    idle: Seconds = Field(
        timedelta(seconds=30),
        description="How long an unused connection is kept; shorter than the server waits for a command.",
    )
    wait: Seconds = Field(
        timedelta(seconds=1),
        description=(
            "How long a mail waits for a connection to be free; then its job is given back for five seconds, "
            "with its retries, so that a slow server does not keep worker.max_jobs busy."
        ),
    )
