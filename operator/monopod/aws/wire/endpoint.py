"""A request's way through the wire, apart from any server.

    head ─► service ─► signature's claim ─► key ─► body ─► signature ─► operation ─► members ─► handler ─► answer
             │ whoever fails says so in the form that the service's clients read: AwsError, and a request id

What is unknown about the sender is settled by the head alone: no body is read before there is a key.
"""

import asyncio
import contextlib
import dataclasses
import time
import uuid
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final

import structlog

from monopod.aws.wire.call import AccessKey, AwsError, Call, Caller, Handler, Service
from monopod.aws.wire.codec.codec import read_params, write_answer, write_error
from monopod.aws.wire.coverage import build_refusal
from monopod.aws.wire.message import HttpAnswer, HttpRequest
from monopod.aws.wire.metrics import REQUEST_SECONDS, REQUESTS
from monopod.aws.wire.models import SERVICES, Model, load_model
from monopod.aws.wire.routing import Router
from monopod.aws.wire.sigv4 import check_signature, read_claim
from monopod.kube.clock import Clock

HANDLER_SECONDS: Final = 50.0
"""AWS's clients wait for 60."""

LARGE_BODY: Final = 65_536
"""In bytes; larger ones are read in a thread, because the largest take a second in which all others would wait, and few
at once, because what is read of a megabyte may be a hundred."""

MOST_LARGE: Final = 2
"""Of one key, until they are answered: the next one waits, for others of its key alone."""

MOST_LARGE_OF_ALL: Final = 6
"""What has been read stays in memory until it is answered."""

OK: Final = "ok"

FindKey = Callable[[str], Awaitable[AccessKey | None]]
"""The access key of an id.

Raises:
    AwsError: that can't be found out now.
"""

ReadBody = Callable[[str], Awaitable[bytes]]
"""Reads a request's body, on behalf of the access key of an id.

Raises:
    AwsError: it is too large, or doesn't come.
"""

logger = structlog.stdlib.get_logger(__name__)


@dataclasses.dataclass(slots=True)
class _Known:
    """What is known of a request so far, for the log."""

    model: Model
    request_id: str
    operation: str = ""
    caller: Caller | None = None


class Endpoint:
    """Answers requests.

    Args:
        services: what is answered; the operations that they don't have are refused by name.
        region: what signatures must be for.
        find_key: finds access keys.
        clock: tells the time.
    """

    def __init__(self, services: Iterable[Service], region: str, find_key: FindKey, clock: Clock) -> None:
        self._handlers = {service.name: service.handlers for service in services}
        self._region = region
        self._find_key = find_key
        self._clock = clock
        self._large = 0
        self._reading = asyncio.Semaphore(MOST_LARGE)
        self._turns: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()
        """By access key, for as long as someone has or awaits a turn."""
        self._router = Router(load_model(name) for name in SERVICES)

    async def answer(self, head: HttpRequest, read_body: ReadBody) -> HttpAnswer:
        """Answers one request; never raises but where the server ends it.

        Args:
            head: the request without its body.
            read_body: reads the body.
        """
        begun = time.perf_counter()
        known = _Known(self._router.choose_model(head), str(uuid.uuid4()))
        try:
            answer, code = await self._answer(head, read_body, known), OK
        except AwsError as error:
            answer, code = write_error(known.model, error, known.request_id), error.code
        except Exception as error:
            logger.error("an operation failed", operation=known.operation, request=known.request_id, exc_info=error)
            failure = AwsError("InternalFailure", _FAILED, status=HTTPStatus.INTERNAL_SERVER_ERROR)
            answer, code = write_error(known.model, failure, known.request_id), failure.code
        seconds = time.perf_counter() - begun
        REQUESTS.labels(known.model.name, known.operation, code).inc()
        REQUEST_SECONDS.labels(known.model.name, known.operation).observe(seconds)
        # Strangers write nothing into the log at its usual level.
        (logger.info if known.caller else logger.debug)(
            "request",
            service=known.model.name,
            operation=known.operation,
            user=known.caller.user if known.caller else "",
            key=known.caller.access_key_id if known.caller else "",
            status=int(answer.status),
            code=code,
            seconds=round(seconds, 4),
            request=known.request_id,
        )
        return dataclasses.replace(answer, headers={**answer.headers, "x-amzn-RequestId": known.request_id})

    async def _answer(self, head: HttpRequest, read_body: ReadBody, known: _Known) -> HttpAnswer:
        model = known.model
        claim = read_claim(head, model.signing_name, self._region, self._clock.now())
        key = await self._find_key(claim.access_key_id)
        if key is None:
            message = "The security token included in the request is invalid."
            raise AwsError("UnrecognizedClientException", message, status=HTTPStatus.FORBIDDEN)
        request = dataclasses.replace(head, body=await read_body(claim.access_key_id))
        check_signature(claim, request, key.secret)
        known.caller = key.caller
        operation = self._router.choose_operation(model, request)
        known.operation = operation.name
        handler = self._handlers.get(model.name, {}).get(operation.name)
        if handler is None:
            raise build_refusal(model, operation)
        is_large = len(request.body) > LARGE_BODY
        async with self._take_turn(claim.access_key_id) if is_large else contextlib.nullcontext():
            if is_large:
                async with self._reading:
                    params = await asyncio.to_thread(read_params, model, operation, request)
            else:
                params = read_params(model, operation, request)
            host = request.get_header("host")
            call = Call(model.name, operation.name, params, key.caller, claim.region, known.request_id, host)
            return write_answer(model, operation, await _run(handler, call), known.request_id)

    @contextlib.asynccontextmanager
    async def _take_turn(self, access_key_id: str) -> AsyncIterator[None]:
        turns = self._turns.setdefault(access_key_id, asyncio.Semaphore(MOST_LARGE))
        async with turns:
            if self._large >= MOST_LARGE_OF_ALL:
                raise AwsError("ThrottlingException", "Rate exceeded", status=HTTPStatus.TOO_MANY_REQUESTS)
            self._large += 1
            try:
                yield
            finally:
                self._large -= 1


_FAILED: Final = "The request failed because of an error in Monopod; its log has it by the request's id."


async def _run(handler: Handler, call: Call) -> dict[str, object]:
    try:
        async with asyncio.timeout(HANDLER_SECONDS):
            return await handler(call)
    except TimeoutError:
        message = f"{call.operation} took too long; what it began may have been done."
        raise AwsError("ServiceUnavailableException", message, status=HTTPStatus.SERVICE_UNAVAILABLE) from None
