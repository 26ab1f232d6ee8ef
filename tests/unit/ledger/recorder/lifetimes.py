"""Lifetimes for tests of how they end."""

from monopod.usage.rules.lifetime import Description, Lifetime


def a_lifetime(uid: str, *, version: int = 1, alive: int = 0, gone: int | None = None, seen_by: str = "a") -> Lifetime:
    description = Description(version, "web", uid, "web", f"Pod/{uid}", 250, 512, 20, "FARGATE", "x86", "n1", ())
    ends = frozenset() if gone is None else frozenset({gone})
    return Lifetime(uid, description, 0, alive=alive, gone=ends, seen_by=frozenset({seen_by}))
