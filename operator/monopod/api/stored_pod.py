"""The kind StoredPod: the manifest of a pod without a controller, kept while the pod is moved.

Only the operator writes it. This module must not know when a pod is stored or created again: that is
`monopod.bare_pods.rules.steps`.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from monopod.api.names import API_VERSION
from monopod.api.parts import Part
from monopod.api.rules import Rule, for_kind

Phase = Literal["Stored", "Evicting", "Withdrawn", "Recreating", "Refused", "NameTaken"]


class StoredPodSpec(Part):
    """The pod that was, and is to be again."""

    profile: Annotated[str, Field(min_length=1, max_length=63)]
    """The FargateProfile that the pod is moved into."""

    pod_uid: Annotated[str, Field(alias="podUID", min_length=1, max_length=64)]
    """The uid of the pod that the manifest was taken from. Can't be changed."""

    manifest: Annotated[
        dict[str, Any],
        Field(
            json_schema_extra={
                "x-kubernetes-embedded-resource": True,
                "x-kubernetes-preserve-unknown-fields": True,
                "x-kubernetes-map-type": "atomic",
            }
        ),
    ]
    """The Pod as its author wrote it: without status, node, and what the API server and admission fill in."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "self.podUID == oldSelf.podUID",
                "podUID can't be changed: a stored pod is about one pod",
                "FieldValueForbidden",
                ".podUID",
            ),
            Rule(
                "self.manifest.kind == 'Pod' && self.manifest.apiVersion == 'v1'",
                "the manifest is that of a Pod, apiVersion v1",
                "FieldValueInvalid",
                ".manifest",
            ),
        )
    )


class StoredPodStatus(Part):
    """How far the move is. Written by the operator only."""

    phase: Phase | None = None
    """Stored: the pod runs, and nothing has been asked of it. Evicting: the Eviction API is asked to evict it.
    Withdrawn: it no longer needs to move, and the manifest is dropped as soon as no eviction can be under way.
    Recreating: the pod is gone, and is created again from the manifest. Refused: the API server doesn't accept the
    manifest; it is kept and tried again from time to time. NameTaken: another pod has the name; the manifest is kept
    until a person decides."""

    since: Annotated[str | None, WithJsonSchema({"type": "string", "format": "date-time"})] = None
    """When the phase began."""

    message: Annotated[str | None, Field(max_length=32768)] = None
    """The same for a person: what the API server answered, and what to do."""

    recreated_uid: Annotated[str | None, Field(alias="recreatedUID", max_length=64)] = None
    """The uid of the pod that was created from the manifest."""


class StoredPod(Part):
    """A StoredPod keeps the manifest of a pod without a controller while the pod is moved into its profile's sandbox.

    It is made before the pod is evicted and deleted once the new pod runs. The status of one that stays says why
    the pod couldn't be created again; `kubectl fargate restore` brings it back. Deleting a StoredPod
    discards the manifest.
    """

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "self.spec.manifest.metadata.name == self.metadata.name",
                "a stored pod has the name of its pod",
                "FieldValueInvalid",
                ".metadata.name",
            )
        )
    )

    api_version: Annotated[str, Field(description="The API's group and version.")] = API_VERSION
    kind: Annotated[Literal["StoredPod"], Field(description="The kind.")] = "StoredPod"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The object's metadata; namespace and name are those of the pod."""

    spec: StoredPodSpec
    """The pod that was, and is to be again."""

    status: StoredPodStatus | None = None
    """How far the move is. Written by the operator only."""
