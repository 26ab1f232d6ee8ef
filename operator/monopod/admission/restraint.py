"""What the operator may write of a FargateProfile: its finalizer, and nothing else of the object but its status.

RBAC has no rights on single fields: who may patch the finalizers of a profile may patch its selectors too. The status
goes by a subresource of its own, which this says nothing about.
"""

from monopod.admission.cel import Validation, quote
from monopod.api.names import PROFILE_FINALIZER


def _other_finalizers(profile: str) -> str:
    return f"{profile}.metadata.?finalizers.orValue([]).filter(name, name != {quote(PROFILE_FINALIZER)})"


_KEPT = ("spec", "metadata.?labels", "metadata.?annotations", "metadata.?ownerReferences")

ONLY_FINALIZER_CHANGED = Validation(
    "The rest of a profile is the administrator's.",
    "".join(f"object.{field} == oldObject.{field} &&\n" for field in _KEPT)
    + f"{_other_finalizers('object')}\n  == {_other_finalizers('oldObject')}",
    f"Monopod's operator may change nothing of a FargateProfile but its status and the finalizer {PROFILE_FINALIZER}.",
)
