"""Translate the gRPC status of a failed call into an error of the port, with advice for the operator.

The texts quoted are those of Zeebe 8.6.
"""

from __future__ import annotations

import grpc

from connector.engine.port import (
    EngineBusyError,
    EngineDeniedError,
    EngineRefusedError,
    EngineUnavailableError,
    LeaseLostError,
    StreamingUnsupportedError,
)

# gRPC reports a failed token only as text, in the details of an UNAVAILABLE.
DENIED_MARK = "the token endpoint refused"

# RESOURCE_EXHAUSTED "gRPC message exceeds maximum size 4194304: 5242903" (a request above 4 MB), and
# UNKNOWN "Command 'COMPLETE' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': " (variables of about 2 MB).
_TOO_LARGE = ("exceeds maximum size", "larger than max", "EXCEEDED_BATCH_RECORD_SIZE")

_MEANING: dict[grpc.StatusCode, type[Exception]] = {
    grpc.StatusCode.NOT_FOUND: LeaseLostError,
    # "… but it is in state 'FAILED'", "… but it is not active".
    grpc.StatusCode.FAILED_PRECONDITION: LeaseLostError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: EngineBusyError,
    grpc.StatusCode.INVALID_ARGUMENT: EngineRefusedError,
    grpc.StatusCode.OUT_OF_RANGE: EngineRefusedError,
    grpc.StatusCode.UNAUTHENTICATED: EngineDeniedError,
    grpc.StatusCode.PERMISSION_DENIED: EngineDeniedError,
}
# Zeebe answers so under load, and as long as a job with more variables than fit in a message is the next.
_LARGE_JOB = (
    "; if this lasts, one job may be larger than 4 MB: let its task take fewer variables by input mappings, "
    "or remove the large one from its process instance"
)
_ADVICE = {
    grpc.StatusCode.UNAUTHENTICATED: "; check engine.client_id, client_secret, oauth_url and audience",
    grpc.StatusCode.PERMISSION_DENIED: (
        "; grant this client the permission to read and update process instances, "
        "and access to the tenants of engine.tenant_ids"
    ),
}


def port_error(
    error: grpc.aio.AioRpcError, address: str, *, streaming: bool = False, polling: bool = False
) -> Exception:
    """Return the port's error for a failed call.

    Args:
        error: The error of the call.
        address: The gateway, for the message.
        streaming: Whether the call opened a job stream, which old gateways do not support.
        polling: Whether the call asked for jobs; a job larger than one message is not back-pressure.
    """
    code, said = error.code(), error.details() or "no details"
    if any(mark in said for mark in _TOO_LARGE):
        return EngineRefusedError(f"larger than the engine accepts: {said}")
    if DENIED_MARK in said:
        return EngineDeniedError(said)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return _unimplemented(address, said, streaming=streaming)
    if polling and code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return EngineBusyError(said + _LARGE_JOB)
    if (meaning := _MEANING.get(code)) is not None:
        return meaning(said + _ADVICE.get(code, ""))
    return EngineUnavailableError(f"{address}: {code.name} {said}")


def _unimplemented(address: str, said: str, *, streaming: bool) -> Exception:
    if streaming:
        return StreamingUnsupportedError(f"{address} does not stream jobs (Zeebe 8.4 and later do): {said}")
    return EngineDeniedError(
        f"{address} answers, but is not a Zeebe gateway; check engine.address (its gRPC port is 26500 by "
        f"default): {said}"
    )
