"""What every call passes: who may speak (mutual TLS, checked per call), and errors as status."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any, NoReturn

import grpc
import grpc.aio

from orchestrator.clock import Clock
from orchestrator.domain.errors import FarmError
from orchestrator.rpc.status import disk_trouble, status_of, to_details, to_metadata
from orchestrator.trust import Gatekeeper

#: Name of the device whose call this is; set by ``Admission`` from its certificate, never from a
#: message.
CALLER: ContextVar[str] = ContextVar("farm_caller")

_Handler = grpc.RpcMethodHandler[Any, Any]
_Details = grpc.HandlerCallDetails
_Context = grpc.aio.ServicerContext[Any, Any]


class Admission(grpc.aio.ServerInterceptor[Any, Any]):
    """Lets pass whom the gatekeeper admits, and says to the servicer who it is.

    Answers PERMISSION_DENIED to a certificate that is revoked, expired or of no device.

    Args:
        gatekeeper: decides.
        clock: the time by which certificates expire.
        known: whether a device is declared.
    """

    def __init__(self, gatekeeper: Gatekeeper, clock: Clock, known: Callable[[str], bool]) -> None:
        self._gatekeeper = gatekeeper
        self._clock = clock
        self._known = known

    async def intercept_service(
        self,
        continuation: Callable[[_Details], Awaitable[_Handler]],
        handler_call_details: _Details,
    ) -> _Handler:
        """Put the check before the call's handler."""
        handler = await continuation(handler_call_details)
        return _wrapped(handler, self._admit)

    async def _admit(self, context: _Context) -> None:
        refusal = self._refusal(context)
        if refusal:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, refusal)

    def _refusal(self, context: _Context) -> str:
        shown = list(context.auth_context().get("x509_pem_cert", ()))
        if not shown:
            return "no certificate was shown"
        admission = self._gatekeeper.admit(shown[0], self._clock.now())
        if not admission.refusal and not self._known(admission.device):
            return f"{admission.device} is not in the inventory"
        CALLER.set(admission.device)
        return admission.refusal


class Errors(grpc.aio.ServerInterceptor[Any, Any]):
    """Turns the farm's errors, and a full disk, into status; a handler just raises them.

    Handlers that are no coroutines run on a thread of their own, so they may block.
    """

    async def intercept_service(
        self,
        continuation: Callable[[_Details], Awaitable[_Handler]],
        handler_call_details: _Details,
    ) -> _Handler:
        """Put the translation around the call's handler."""
        return _wrapped(await continuation(handler_call_details), None)


def _wrapped(
    handler: _Handler | None, before: Callable[[_Context], Awaitable[None]] | None
) -> _Handler:
    """Wrap a handler: something before it, or its errors translated."""
    if handler is None:
        # Nobody serves this method: gRPC answers UNIMPLEMENTED by itself.
        return handler  # type: ignore[return-value]  # None is what gRPC asks for here
    if handler.response_streaming:
        wrap, make = _wrapped_stream, grpc.unary_stream_rpc_method_handler
        inner = handler.unary_stream
    else:
        wrap, make = _wrapped_unary, grpc.unary_unary_rpc_method_handler
        inner = handler.unary_unary
    return make(
        wrap(inner, before),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


def _wrapped_unary(inner: Any, before: Any) -> Any:
    async def call(request: Any, context: _Context) -> Any:
        if before is not None:
            await before(context)
            return await inner(request, context)
        try:
            if inspect.iscoroutinefunction(inner):
                return await inner(request, context)
            return await asyncio.to_thread(inner, request, context)
        except (FarmError, OSError) as error:
            await abort(context, error)

    return call


def _wrapped_stream(inner: Any, before: Any) -> Any:
    async def call(request: Any, context: _Context) -> AsyncIterator[Any]:
        if before is not None:
            await before(context)
        try:
            async for message in inner(request, context):
                yield message
        except (FarmError, OSError) as error:
            await abort(context, error)

    return call


async def abort(context: _Context, error: FarmError | OSError) -> NoReturn:
    """End a call with the status of an error; an OSError that is not the disk's is a bug."""
    if isinstance(error, OSError):
        trouble = disk_trouble(error, error.filename or "the farm's data folder")
        if trouble is None:
            raise error
        error = trouble
    await context.abort(status_of(error), to_details(error), to_metadata(error))
    raise AssertionError("abort returned")
