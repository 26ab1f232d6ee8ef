"""Who asks: a user of the cluster, as the API server would name them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

AUTHENTICATED: Final = "system:authenticated"
"""The group that the API server puts everyone in whose credentials it has checked."""

Subject = Sequence[Sequence[tuple[str, str]]]
"""A certificate's subject, as `ssl.SSLSocket.getpeercert` gives it."""


@dataclass(frozen=True, slots=True)
class User:
    """A user whose credentials have been checked.

    Attributes:
        name: the user's name.
        groups: the groups, sorted.
        uid: the uid, which only some ways of authentication give.
        extra: what else the API server's authentication tells, which webhooks of authorization may go by.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @classmethod
    def from_review(cls, status: Mapping[str, Any]) -> "User | None":
        """The user in the status of a TokenReview; None if the token is nobody's."""
        user = status.get("user") or {}
        if status.get("authenticated") is not True or not user.get("username"):
            return None
        extra = {key: tuple(values or ()) for key, values in (user.get("extra") or {}).items()}
        return cls(user["username"], tuple(sorted(user.get("groups") or ())), user.get("uid") or "", extra)

    @classmethod
    def from_certificate(cls, certificate: Mapping[str, Any] | None) -> "User | None":
        """The user that a verified client certificate names; None if there is no certificate, or no name in it.

        As the API server reads it: the last common name is the user, every organization a group.
        """
        subject: Subject = (certificate or {}).get("subject") or ()
        pairs = [pair for parts in subject for pair in parts]
        names = [value for key, value in pairs if key == "commonName"]
        groups = {value for key, value in pairs if key == "organizationName"}
        if not names or not names[-1]:
            return None
        return cls(names[-1], tuple(sorted(groups | {AUTHENTICATED})))
