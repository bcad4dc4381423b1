"""The engine's side: jobs come in, outcomes go out; here is what a worker needs of any engine."""

import os

# gRPC's core writes lines of its own to standard error, in another format, of what the worker logs as an
# outage. It reads this when the first channel is opened; an operator may set another value.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
