"""What every call of an agent passes: who may speak (per call, not per connection), and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import grpc.aio

from orchestrator.clock import Clock
from orchestrator.domain.errors import FarmError
from orchestrator.rpc.status import disk_trouble, status_of, to_details, to_metadata
from orchestrator.trust import Gatekeeper

#: Name of the device whose call this is; set by ``Door`` from its certificate, never from a
#: message.
CALLER: ContextVar[str] = ContextVar("farm_caller")

if TYPE_CHECKING:
    # Generic for the type checker only.
    _Handler = grpc.RpcMethodHandler[Any, Any]
    _Context = grpc.aio.ServicerContext[Any, Any]
    _Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    _Interceptor = grpc.aio.ServerInterceptor


class Door(_Interceptor):
    """Lets pass whom the gatekeeper admits, and turns what a handler raises into status.

    Answers PERMISSION_DENIED to a certificate that is revoked, expired or of no known device; the
    farm's errors and a full disk as ``rpc/status.py`` says.

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
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Put the door before the call's handler."""
        handler = await continuation(handler_call_details)
        if handler is None:
            # Nobody serves this method: gRPC answers UNIMPLEMENTED by itself.
            return handler  # type: ignore[return-value]  # which the stubs do not say
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(handler.unary_stream),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(self, inner: Any) -> Any:
        async def call(request: Any, context: _Context) -> Any:
            await self._admit(context)
            try:
                return await inner(request, context)
            except (FarmError, OSError) as error:
                await abort(context, error)

        return call

    def _stream(self, inner: Any) -> Any:
        async def call(request: Any, context: _Context) -> AsyncIterator[Any]:
            await self._admit(context)
            try:
                async for message in inner(request, context):
                    yield message
            except (FarmError, OSError) as error:
                await abort(context, error)

        return call

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


async def abort(context: _Context, error: FarmError | OSError) -> NoReturn:
    """End a call with the status of an error; an OSError that is not the disk's is a bug."""
    if isinstance(error, OSError):
        trouble = disk_trouble(error, error.filename or "the farm's data folder")
        if trouble is None:
            raise error
        error = trouble
    await context.abort(status_of(error), to_details(error), to_metadata(error))
    raise AssertionError("abort returned")
