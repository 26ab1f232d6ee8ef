"""What the controller of profiles found out about them, for patching."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from monopod.patching.rules.settings import PatchingSettings


@dataclass(frozen=True, slots=True)
class PatchingInput:
    """Mappings by the profiles' names.

    Attributes:
        settings: of those that are enforced: a replacement is sandboxed.
        get_selectors: the compiled selectors that a namespace should carry.
        unwritten: namespaces that can't be written, with the reason: a replacement there would be refused, or wait.
    """

    settings: Mapping[str, PatchingSettings] = field(default_factory=dict)
    get_selectors: Callable[[str], str] = field(default=lambda _: "", compare=False)
    unwritten: Mapping[str, str] = field(default_factory=dict)
