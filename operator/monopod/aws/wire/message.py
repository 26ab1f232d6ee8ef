"""A request and an answer as values: what the protocols read and write, apart from any server."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came.

    Attributes:
        method: "POST".
        path: the path as sent, nothing decoded: signatures are of this.
        query: what follows "?", as sent.
        headers: all of them, names in lower case, in their order; one that was sent twice is there twice.
        body: all of it.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def get_header(self, name: str) -> str:
        """The value of a header, "" if there is none; of several the first."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What is sent back."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
