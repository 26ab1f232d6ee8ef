"""One call of one operation, as the wire hands it to whoever answers it, and what may be answered."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Params = dict[str, Any]
"""Members by the names in the service's model; timestamps are datetimes, blobs bytes. Absent members are left out."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the request.

    Attributes:
        access_key_id: the key by which it was signed.
        user: the user of Kubernetes that the key stands for.
        groups: the groups of this user.
    """

    access_key_id: str
    user: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What signs requests, and for whom."""

    caller: Caller
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was understood, and signed by its caller.

    Attributes:
        service: "eks".
        operation: "CreateFargateProfile".
        params: what was sent, checked against the model.
        caller: who sent it.
        region: the region that it was signed for.
        request_id: what the answer is known by, in the caller's and in our own logs.
        host: by which name, and port, the caller reaches this endpoint.
    """

    service: str
    operation: str
    params: Params
    caller: Caller
    region: str
    request_id: str
    host: str = ""


LONGEST_MESSAGE: Final = 4096
"""Of an error, in characters."""


class AwsError(Exception):
    """An error as AWS tells it. The HTTP status follows from the service's model, where the model has the code.

    Attributes:
        code: "ResourceNotFoundException".
        message: what a person reads.
        fields: further members of the error's shape, such as `clusterName`.
        status: of an error that the model doesn't have.
    """

    def __init__(self, code: str, message: str, fields: Mapping[str, Any] | None = None, *, status: int = 400) -> None:
        # Messages repeat what was sent, which may be a megabyte.
        self.message = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
        super().__init__(f"{code}: {self.message}")
        self.code = code
        self.fields: Params = dict(fields or {})
        self.status = status


Handler = Callable[[Call], Awaitable[Params]]
"""Answers a call by the members of the operation's output.

Raises:
    AwsError: it is refused.
"""


def guard_parameters(read: frozenset[str], handler: Handler, refuse: Callable[[Iterable[str]], AwsError]) -> Handler:
    """The handler, but a call with parameters that it doesn't read is refused.

    Args:
        read: the parameters that it reads.
        handler: the handler.
        refuse: builds the service's refusal, by the parameters' names.
    """

    async def answer(call: Call) -> Params:
        if unread := call.params.keys() - read:
            raise refuse(unread)
        return await handler(call)

    return answer


@dataclass(frozen=True, slots=True)
class Service:
    """A service of AWS's, as far as it is answered.

    Attributes:
        name: "eks", as botocore names its model.
        handlers: by the operation's name; the others are refused by name.
    """

    name: str
    handlers: Mapping[str, Handler] = field(default_factory=dict)
