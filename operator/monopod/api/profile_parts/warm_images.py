"""Images that are on nodes before pods come: `spec.warmImages`, and what the status says of them."""

from typing import Annotated

from pydantic import ConfigDict, Field

from monopod.api.parts import Part
from monopod.api.rules import Rule, for_kind

MAX_WARM_IMAGES = 20
MAX_PULL_SECRETS = 5

_SECRETS = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
_IMAGES = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["image"]}

ImageReference = Annotated[
    str,
    Field(max_length=512),
    Rule(
        "self.matches('^[A-Za-z0-9][-A-Za-z0-9._/:@]*$')",
        "an image is named as in a pod's containers, such as registry.example.com/shop:1.4",
    ),
]


class PullSecret(Part):
    """A Secret with credentials for a registry."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Secret's name; it is in Monopod's own namespace."""


class WarmImages(Part):
    """Images that every node of the profile's sandbox has before pods come, so that they start without a pull. Nothing
    of an image is executed.
    """

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "!has(self.images) || self.images.size() <= self.maxImages",
                "more images are listed than maxImages allows: list fewer, or raise maxImages",
                "FieldValueInvalid",
                ".images",
            ),
            Rule(
                "!has(self.imagePullSecrets) || self.imagePullSecrets.size() == 0 || "
                "has(self.images) && self.images.size() > 0",
                "imagePullSecrets are for the listed images: those of workloads are pulled without any",
                "FieldValueInvalid",
                ".imagePullSecrets",
            ),
        )
    )

    images: Annotated[
        list[ImageReference], Field(max_length=MAX_WARM_IMAGES, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = Field(default_factory=list)
    """Images by name, as in pods; at most `maxImages`."""

    from_workloads: bool = False
    """Whether images of the profile's running pods are warm too, those that most pods have first, up to `maxImages`
    with the listed ones. They are pulled without `imagePullSecrets`, because whoever may create pods names them."""

    max_images: Annotated[int, Field(ge=1, le=MAX_WARM_IMAGES)] = 10
    """How many images there are at most; each takes room on every node. At most 20."""

    image_pull_secrets: Annotated[list[PullSecret], Field(max_length=MAX_PULL_SECRETS, json_schema_extra=_SECRETS)] = (
        Field(default_factory=list)
    )
    """Secrets of Monopod's own namespace by which the listed images are pulled; at most 5."""


class WarmImage(Part):
    """An image that nodes have before pods come."""

    image: str
    """The image."""

    nodes: Annotated[int, Field(ge=0)]
    """How many nodes have it and keep it."""

    message: str | None = None
    """Why others don't have it, in the kubelet's words, where it can't be pulled or kept."""


class ProfileWarmImages(Part):
    """The images that are on nodes before pods come."""

    nodes: Annotated[int, Field(ge=0)]
    """How many nodes should have each of them: those that the RuntimeClass selects, in the profile's zones."""

    images: Annotated[list[WarmImage], Field(json_schema_extra=_IMAGES)] = Field(default_factory=list)
    """Each of them."""
