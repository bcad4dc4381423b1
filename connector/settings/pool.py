"""The settings of the connection pool."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from connector.settings.values import Seconds, Section


class PoolSettings(Section):
    """Connections that stay open from one mail to the next."""

    max_connections: int = Field(
        16, ge=1, le=1000, description="Connections to one server with one login; further mails wait for one."
    )
    max_total: int = Field(
        256,
        ge=1,
        description=(
            "Connections to all servers. Before one more is opened, the one that is idle longest is closed. "
            "Connections in use are limited by worker.max_jobs."
        ),
    )
    max_messages: int = Field(
        100, ge=1, description="Mails on one connection, which then ends with QUIT; 1 keeps no connection."
    )
    idle: Seconds = Field(
        timedelta(seconds=30),
        description="How long an unused connection is kept; it must be shorter than the server's own "
        "time-out.",
    )
    wait: Seconds = Field(
        timedelta(seconds=1),
        description=(
            "How long a mail waits for a free connection. Then its job is handed back for five seconds, no "
            "retry spent, so that a slow server does not occupy all of worker.max_jobs."
        ),
    )
