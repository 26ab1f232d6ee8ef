"""An access key as it is kept: a Secret in Monopod's own namespace, of a type of its own.

Who may write such a Secret decides whom its key stands for, within what the chart lets the endpoint impersonate.
Kubernetes' own users and groups (`system:`) are none that a key may stand for, whatever the chart says.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SECRET_TYPE: Final = "monopod.dev/access-key"  # noqa: S105 the name of a type
PREFIX: Final = "MPOD"
"""What the ids that Monopod makes begin with: no one must take one for AWS's own, which begin with AKIA."""

RESERVED: Final = "system:"
MOST_GROUPS: Final = 100
_LONGEST_NAME: Final = 512
_SHORTEST_SECRET: Final = 16
_ID: Final = re.compile(r"[A-Z0-9]{16,128}", re.ASCII)
_SECRET: Final = re.compile(r"[!-~]{16,256}", re.ASCII)


class InvalidKey(Exception):
    """What a Secret holds is no access key; the message says why, and nothing of the secret."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An access key, and whom it stands for.

    Attributes:
        id: what requests name.
        secret: what signs them.
        user: the user of Kubernetes.
        groups: the groups of this user.
    """

    id: str
    secret: str = field(repr=False)
    user: str
    groups: tuple[str, ...] = ()

    @property
    def secret_name(self) -> str:
        """The name of its Secret, if Monopod makes it."""
        return f"access-key-{self.id.lower()}"

    @classmethod
    def from_resource(cls, secret: Mapping[str, Any]) -> "StoredKey":
        """Reads a Secret.

        Raises:
            InvalidKey: it holds no access key.
        """
        data = secret.get("data") or {}
        groups = _read(data, "groups", needed=False).split("\n")
        return cls(
            _read(data, "accessKeyId"),
            _read(data, "secretAccessKey"),
            _read(data, "user"),
            tuple(group for line in groups if (group := line.rstrip("\r"))),
        ).check()

    def check(self) -> "StoredKey":
        """The key itself.

        Raises:
            InvalidKey: it can't be anyone's.
        """
        if not _ID.fullmatch(self.id):
            raise InvalidKey("accessKeyId must be 16 to 128 upper-case letters and digits.")
        if not _SECRET.fullmatch(self.secret):
            raise InvalidKey(f"secretAccessKey must be {_SHORTEST_SECRET} to 256 visible signs of ASCII.")
        if len(self.groups) > MOST_GROUPS:
            raise InvalidKey(f"A key has at most {MOST_GROUPS} groups.")
        for what, name in (("user", self.user), *(("group", group) for group in self.groups)):
            if not name or not name.isprintable() or name != name.strip() or len(name) > _LONGEST_NAME:
                raise InvalidKey(f"{name[:100]!r} is no name of a {what}.")
            if name.startswith(RESERVED):
                raise InvalidKey(f"{name[:100]!r} is a {what} of Kubernetes' own; no access key may stand for it.")
        return self

    def build_secret(self, namespace: str) -> dict[str, Any]:
        """The Secret that keeps it."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.secret_name, "namespace": namespace},
            "type": SECRET_TYPE,
            "stringData": {
                "accessKeyId": self.id,
                "secretAccessKey": self.secret,
                "user": self.user,
                "groups": "\n".join(self.groups),
            },
        }


def _read(data: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    encoded = data.get(name)
    if encoded is None:
        if needed:
            raise InvalidKey(f"It has no {name}.")
        return ""
    try:
        return base64.b64decode(str(encoded), validate=True).decode().rstrip("\n")
    except (binascii.Error, ValueError):
        raise InvalidKey(f"Its {name} is no text.") from None
