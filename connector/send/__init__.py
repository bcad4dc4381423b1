"""The way of a send job, from its variables to its outcome.

::

    engine ─► tasks ─► ledger ─► secrets ─► account ─► message ─► signing ─► transport ─► ledger ─► outcome
     job     headers   known?    resolved   chosen     bytes      bytes      receipt      sent         │
                                                                     engine ◄─ Complete | Throw | Fail ┘

One direction, one frozen value at each stage, and no stage knows the next one. Three functions know the
order, one inside the other:

- :meth:`.pipeline.Pipeline.handle`: the task and its headers first, the outcome last;
- :meth:`.once.Once.send`: what the ledger knows before the mail, and what it has to hear afterwards;
- :meth:`.submission.Submission.submit`: secrets, account, message, transport.

What is still to come has its place: signing makes a message of a message between the last two; a transport
calls ``committing`` for each delivery of a mail; a task type that sends no mail takes the way of
``Pipeline.handle`` without the two functions inside it.
"""
