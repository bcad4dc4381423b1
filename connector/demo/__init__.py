"""``smtp-connector demo``: the whole way of a mail, on real parts, on one machine.

``examples`` names what can be played, ``run`` brings the parts together, ``performance`` plays; ``inbox``
keeps the mails, ``page`` and ``view`` show them, ``story`` tells.
"""
