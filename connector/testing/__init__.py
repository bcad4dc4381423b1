"""Public doubles for people who write processes against the connector, and for its own tests and demo.

They speak the real protocols on real sockets: ``testing.smtp`` is a mail server that keeps what it is
given and misbehaves on demand. Nothing here is used by a running worker.
"""
