"""A Camunda 8 / Zeebe job worker that sends mail from a BPMN process.

The way of one job is one direction, one value at each stage, frozen as soon as it is read::

    engine -> secrets  -> task        -> message -> transport -> result -> engine
     Job     variables    SendRequest    Message    Receipt      Outcome

``pipeline`` alone knows the order and calls the stages; none calls another. A stage imports the values of
those before it, with one exception: ``task`` checks addresses, header values and other text by the rules of
``message``, so that what cannot be written into a mail is refused where the variable's name is known.
``engine`` and ``transport`` do the I/O at the two ends, and ``message.attachments`` reads what a task names.
"""

__version__ = "0.1.0"
