"""What can be wrong with a request before anyone looks at what it asks for."""


class MalformedRequest(Exception):
    """The request isn't what the protocol says; the message names the member."""


class UnknownMember(Exception):
    """A member that the operation doesn't have, which would be lost."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def join(path: str, name: str) -> str:
    """The path of a member."""
    return f"{path}.{name}" if path else name
