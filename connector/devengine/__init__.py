"""A development engine that speaks the Zeebe gateway protocol: for development and tests, not for production.

The core (``process_engine`` and what it uses) is synchronous and in memory. Around it, ``service`` lets time
run and keeps the journal, ``gateway`` and ``rest`` are its two doors, ``process`` runs both as a program,
``local`` starts that program, and ``in_memory`` puts the engine behind a worker's port without any socket.
A running worker never imports anything from here; ``connector.engine`` talks to any engine.
"""
