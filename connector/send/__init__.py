"""The way of a send job, from its variables to its outcome.

::

    headers ► ledger ► secrets ► task ► content ► message ► signing ► transport ► ledger ► outcome
    read      known?   resolved  typed  files,    octets    signed,   delivered   sent     result
                                        URLs                encrypted                      or error

One direction, one frozen value at each stage, and no stage knows the next one. Three functions know the
order, one inside the other:

- :meth:`.pipeline.Pipeline.handle`: the task and its headers first, the outcome last;
- :meth:`.once.Once.send`: what the ledger knows before the mail, and what it has to hear afterwards;
- :meth:`.submission.Submission.submit`: from the secrets to the transport.

A transport tells of each delivery of a mail before it can arrive, and :class:`.deliveries.Deliveries` brings
that to the ledger. A bulk task takes the way inside ``Pipeline.handle`` once for each of its records, many at
a time (:mod:`.bulk`), each by :meth:`.one_mail.OneMail.send` as a single mail does. A task type that sends no
mail takes the way of ``Pipeline.handle`` without the two functions inside it.
"""
