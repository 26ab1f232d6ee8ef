"""Which handlers of RuntimeClasses are sandboxes, as far as names tell: what runs behind one only its node knows."""

from collections.abc import Collection
from typing import Final

NO_SANDBOXES: Final = ("runc", "crun", "youki", "nvidia")
"""Runtimes whose containers share the node's kernel, by the first word of their handlers' names, as `runc`, `runc-v2`
or `crun-wasm`. NVIDIA's wraps runc."""


def is_sandbox(handler: str, allowed: Collection[str]) -> bool:
    """Whether pods of this handler have a kernel of their own.

    Args:
        handler: of a RuntimeClass.
        allowed: those that count as sandboxes; empty: all but the known others.
    """
    return handler in allowed if allowed else handler.partition("-")[0] not in NO_SANDBOXES
