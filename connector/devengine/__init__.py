"""An engine for development and tests: a real Zeebe, fetched, started and stopped on this machine.

``local`` is the way in; ``distribution`` and ``java`` come by the files, ``broker`` and ``warden`` run them.
It stands apart from ``connector.engine``, which talks to whatever engine there is: a running worker never
imports anything from here.
"""
