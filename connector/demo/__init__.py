"""``smtp-connector demo``: play example processes with a real engine, worker and mail server on one machine.

``examples`` is the table of examples, ``run`` starts the parts, and ``performance`` plays; ``inbox`` keeps
the mails, ``page`` and ``view`` show them, and ``story`` prints the steps.
"""
