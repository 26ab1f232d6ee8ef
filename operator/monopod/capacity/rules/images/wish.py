"""Which images a profile wants on its nodes: those that it lists, and those that its running pods have.

Whoever may create pods names images of the second kind. They are kept apart from the first, because these are pulled
with credentials that the administrator chose for them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from monopod.kube.objects.fields import InvalidProfile, Part

_IMAGE: Final = re.compile("[A-Za-z0-9][-A-Za-z0-9._/:@]{0,511}")
"""As the API server holds the listed ones to it (`ImageReference`). Of pods it takes any text as an image, as long as
the whole pod may be: some of these would make the profile's status, which names them, too large to be written."""


class Source(StrEnum):
    """Where an image is named."""

    SPEC = "spec"
    WORKLOADS = "workloads"


@dataclass(frozen=True, slots=True)
class Wish:
    """A profile's `spec.warmImages`.

    Attributes:
        from_workloads: whether images of running pods count too.
        most: how many images at most.
        secrets: the names of the Secrets by which the listed images are pulled.
    """

    listed: tuple[str, ...] = ()
    from_workloads: bool = False
    most: int = 10
    secrets: tuple[str, ...] = ()

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "Wish | None":
        """Reads a FargateProfile as the API server sends it; None if it asks for no images.

        Raises:
            InvalidProfile: a field holds what the API server would never store.
        """
        spec = Part(resource, error=InvalidProfile).child("spec")
        if spec.fields.get("warmImages") is None:
            return None
        part = spec.child("warmImages")
        return cls(
            part.texts("images"),
            part.flag("fromWorkloads"),
            part.number("maxImages") or 10,
            tuple(secret.text("name") for secret in part.children("imagePullSecrets")),
        )

    def choose(self, used: Mapping[str, int]) -> dict[Source, tuple[str, ...]]:
        """The images of each source, in the order of their names, so that another order is no change.

        Args:
            used: by image, how many of the profile's running pods have it.
        """
        listed = sorted({*self.listed})[: self.most]
        others = (image for image in used if image not in listed) if self.from_workloads else ()
        found = sorted(others, key=lambda image: (-used[image], image))[: self.most - len(listed)]
        return {Source.SPEC: tuple(listed), Source.WORKLOADS: tuple(sorted(found))}


def count_images(pods: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """By image, how many of the pods have it in a container, init containers included."""
    counts = dict[str, int]()
    for pod in pods:
        spec = Part(pod).child("spec")
        containers = (*spec.children("initContainers"), *spec.children("containers"))
        for image in {container.text("image") for container in containers}:
            if _IMAGE.fullmatch(image):
                counts[image] = counts.get(image, 0) + 1
    return counts
