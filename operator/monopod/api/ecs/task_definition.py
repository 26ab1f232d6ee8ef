"""The kinds ECSTaskFamily, which counts revisions, and ECSTaskDefinition, one revision.

What a task definition may hold is decided in `monopod.tasks.rules.validation`; this module must not know it.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from monopod.api.ecs.names import ECS_API_VERSION
from monopod.api.ecs.parts import Document, EcsName, Time, fixed
from monopod.api.parts import ATOMIC_MAP, Part
from monopod.api.profile_fields import Tags
from monopod.api.rules import Rule, for_kind

_REGISTER = "register another revision"

Revision = Annotated[int, Field(ge=1, le=2_147_483_647)]


class ECSTaskFamilySpec(Part):
    """The family, and the revisions that it has had."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            fixed("family", "create another family"),
            Rule(
                "self.latestRevision >= oldSelf.latestRevision",
                "latestRevision only grows: the number of a revision is never used again",
                "FieldValueForbidden",
                ".latestRevision",
            ),
        )
    )

    family: EcsName
    """The family's name on ECS. Can't be changed."""

    latest_revision: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    """The number of the last revision that was registered, or was about to be. It only grows."""


class ECSTaskFamily(Part):
    """An ECSTaskFamily counts the revisions of a family of task definitions, so that no number is used twice.

    It stays when its revisions are deleted. It is made by the first revision that is registered.
    """

    api_version: Annotated[str, Field(description="The API's group and version.")] = ECS_API_VERSION
    kind: Annotated[Literal["ECSTaskFamily"], Field(description="The kind.")] = "ECSTaskFamily"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The object's metadata."""

    spec: ECSTaskFamilySpec
    """The family, and the revisions that it has had."""


class ECSTaskDefinitionSpec(Part):
    """One revision of a task definition."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            fixed("family", _REGISTER), fixed("revision", _REGISTER), fixed("definition", _REGISTER)
        )
    )

    family: EcsName
    """The family. Can't be changed."""

    revision: Revision
    """The number of the revision. Can't be changed."""

    definition: Document
    """What was registered, as AWS's JSON, with the defaults that AWS fills in and without tags. Can't be changed."""

    active: bool = True
    """Whether new tasks can be run by it. `aws ecs deregister-task-definition` sets it to false."""

    registered_at: Time | None = None
    """When it was registered."""

    registered_by: Annotated[str | None, Field(max_length=2048)] = None
    """The user of Kubernetes' who registered it."""

    deregistered_at: Time | None = None
    """When it was deregistered."""

    tags: Annotated[Tags, Field(json_schema_extra=ATOMIC_MAP)] = Field(default_factory=dict)
    """Tags of the task definition; at most 50."""


class ECSTaskDefinition(Part):
    """An ECSTaskDefinition is one revision of a task definition of ECS's.

    Its name is the family's and the revision's, as in `web.3`. It keeps what was registered; tasks run by it.
    """

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                # Not by endsWith: by its estimate of what that costs the API server would refuse the kind.
                "self.metadata.name.contains('.') && "
                "self.metadata.name.substring(self.metadata.name.lastIndexOf('.') + 1) == string(self.spec.revision)",
                "a task definition is named for its family and its revision, as in web.3",
                "FieldValueInvalid",
                ".metadata.name",
            )
        )
    )

    api_version: Annotated[str, Field(description="The API's group and version.")] = ECS_API_VERSION
    kind: Annotated[Literal["ECSTaskDefinition"], Field(description="The kind.")] = "ECSTaskDefinition"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The object's metadata."""

    spec: ECSTaskDefinitionSpec
    """One revision of a task definition."""
