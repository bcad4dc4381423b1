"""Public doubles for people who write processes against the connector, and for its own tests and demo.

``testing.smtp`` is a mail server on a real socket that keeps what it is given and misbehaves on demand;
``testing.engine`` is an engine in memory, behind the port that the worker talks to, with Zeebe's rules for
jobs. Nothing here is used by a running worker.
"""
