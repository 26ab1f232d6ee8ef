"""A profile's name on EKS, and the name of the object that it is.

EKS takes upper case, `_`, other letters than ASCII's and 100 characters; Kubernetes takes none of it. A name that both
take is the same on both sides. Any other becomes a name that is made from it, so that it is found without a search; the
object's annotation has the original (`monopod.aws.eks.rules.record`).
"""

import hashlib
import re
from typing import Final

from monopod.aws.eks.rules.refusals import refuse_parameter

LONGEST: Final = 100
"""Characters of a name on EKS."""

RESERVED_PREFIX: Final = "eks-"

_EKS_NAME: Final = re.compile(r"[^\W_][\w-]*")
# The kind's own rules: a name of Kubernetes' that fits into a label.
_OBJECT_NAME: Final = re.compile(r"(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_OTHER: Final = re.compile(r"[^a-z0-9]+")

_LONGEST_STEM: Final = 40
_HASH_DIGITS: Final = 12


def check_name(name: str) -> None:
    """Refuses what EKS takes for no name of a new profile.

    Raises:
        AwsError: it is none.
    """
    if not name:
        raise refuse_parameter("The Fargate profile name parameter can not be empty")
    if len(name) > LONGEST:
        raise refuse_parameter(f"The Fargate profile name parameter should not be greater than {LONGEST} characters.")
    if not _EKS_NAME.fullmatch(name):
        raise refuse_parameter("The Fargate profile name parameter contains invalid characters")
    if name.startswith(RESERVED_PREFIX):
        raise refuse_parameter(f"The fargate profile name starts with the reserved prefix: '{RESERVED_PREFIX}'.")


def compute_object_name(name: str) -> str:
    """The name of the object that a profile is, whatever its name on EKS."""
    if _OBJECT_NAME.fullmatch(name):
        return name
    stem = _OTHER.sub("-", name.lower())[:_LONGEST_STEM].strip("-")
    if not stem or stem.startswith(RESERVED_PREFIX):
        stem = f"fp-{stem}".strip("-")
    return f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}"
