"""``smtp-connector demo``: the whole way of one mail, on real parts, on one machine.

``run`` brings the parts together, ``inbox`` keeps the mails, ``page`` and ``view`` show them.
"""
