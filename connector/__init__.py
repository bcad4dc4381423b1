"""A Camunda 8 / Zeebe job worker that sends mail from a BPMN process.

The way of one job is one direction, one frozen value at each stage::

    engine -> task -> secrets -> message -> transport -> result -> engine
     Job     SendRequest        Message    Receipt      Outcome

``pipeline`` alone knows the order; no stage imports the one after it. ``engine`` and ``transport`` do
the I/O at the two ends.
"""

__version__ = "0.1.0"
