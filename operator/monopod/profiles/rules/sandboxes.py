"""Which RuntimeClasses are sandboxes, as far as their handlers' names tell, and which of them is taken by default.

What runs behind a handler only its node knows.
"""

from collections.abc import Collection, Mapping
from typing import Final

from monopod.kube.objects.text import list_names

NO_SANDBOXES: Final = ("runc", "crun", "youki", "nvidia")
"""Runtimes whose containers share the node's kernel, by the first word of their handlers' names, as `runc`, `runc-v2`
or `crun-wasm`. NVIDIA's wraps runc."""

NO_SANDBOX: Final = "monopod-found-no-sandbox"
"""Stands for the RuntimeClass of profiles that name none where none is found. It doesn't exist, so the API server
refuses their pods, and its message has this name."""

INSTALL_A_SANDBOX: Final = (
    "install Kata Containers (kata-deploy makes RuntimeClasses) or gVisor with a RuntimeClass, which is then taken by "
    "itself, or name a sandbox's class in the chart's value sandbox"
)

_KATA: Final = ("kata", "kata-qemu", "kata-qemu-runtime-rs", "kata-clh", "kata-clh-runtime-rs")
"""Kata's handlers that come before its others, which follow by name: QEMU first, which runs on most nodes."""

GVISOR: Final = ("runsc", "gvisor")
"""gVisor's handlers."""

_SPECIAL: Final = frozenset(
    ("debug", "devkit", "coco", "tdx", "snp", "sev", "se", "cca", "cc", "confidential", "nvidia", "gpu", "remote")
)
"""Words in the names of Kata's handlers that are for special pods or hardware: no one gets them without asking."""


def is_sandbox(handler: str, allowed: Collection[str]) -> bool:
    """Whether pods of this handler have a kernel of their own.

    Args:
        handler: of a RuntimeClass.
        allowed: those that count as sandboxes; empty: all but the known others.
    """
    return handler in allowed if allowed else handler.partition("-")[0] not in NO_SANDBOXES


def rank_sandboxes(classes: Mapping[str, str], allowed: Collection[str] = ()) -> tuple[str, ...]:
    """The RuntimeClasses that can be taken without being named, the best first.

    Kata's come before gVisor's. Of Kata's, the class `kata` comes first, which kata-deploy makes where an administrator
    chose a default, then the rest by handler. With `allowed`, other handlers that it names come last.

    Args:
        classes: the handler of each RuntimeClass of the cluster.
        allowed: as for `is_sandbox`.
    """
    ranks = {name: _rank(handler, allowed) for name, handler in classes.items() if is_sandbox(handler, allowed)}
    order = {name: (rank[0], name != "kata", rank[1], classes[name], name) for name, rank in ranks.items() if rank}
    return tuple(sorted(order, key=order.__getitem__))


def _rank(handler: str, allowed: Collection[str]) -> tuple[int, int] | None:
    """The kind of sandbox and the place among its kind; None: not to be taken without being named."""
    words = handler.split("-")
    if words[0] == "kata" and _SPECIAL.isdisjoint(words):
        return 0, _KATA.index(handler) if handler in _KATA else len(_KATA)
    if handler in GVISOR:
        return 1, GVISOR.index(handler)
    return (2, 0) if handler in allowed and words[0] != "kata" else None


def choose_sandbox(classes: Mapping[str, str], allowed: Collection[str] = (), current: str = "") -> str:
    """The RuntimeClass of a profile that names none, where the installation names none either.

    Args:
        classes: the handler of each RuntimeClass of the cluster.
        allowed: as for `is_sandbox`.
        current: the one that the profile has. It stays while it exists, whatever else is installed: a profile's pods
            don't change their kernel because somebody tries another sandbox.

    Returns:
        Its name, NO_SANDBOX if there is none.
    """
    if current in classes and is_sandbox(classes[current], allowed):
        return current
    return next(iter(rank_sandboxes(classes, allowed)), NO_SANDBOX)


def describe_no_sandbox(classes: Collection[str]) -> str:
    """That no RuntimeClass can be taken without being named, and which there are instead."""
    others = f"only {list_names(sorted(classes))}" if classes else "none at all"
    return f"no RuntimeClass is Kata's or gVisor's (there is {others}), so matching pods are refused"
