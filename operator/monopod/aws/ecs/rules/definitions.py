"""A task definition of ECS's: what a request makes of it, and how it is told."""

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from monopod.api.ecs.names import ECS_API_VERSION, FAMILY_ANNOTATION, FAMILY_LABEL
from monopod.aws.ecs.rules.arns import DefinitionName, build_definition_arn
from monopod.aws.ecs.rules.refusals import refuse_client, refuse_length
from monopod.aws.ecs.rules.times import format_time, read_time
from monopod.aws.options import Account
from monopod.aws.rules.arns import build_user_arn
from monopod.aws.wire.call import AwsError, Params
from monopod.tasks.rules.names import compute_definition_name, compute_object_name
from monopod.tasks.rules.registration.defaults import complete
from monopod.tasks.rules.rule import CLIENT, SDK_CODE, Finding, choose_refusal, describe_refusal
from monopod.tasks.rules.running.tags import read_tags
from monopod.tasks.rules.validation import validate

Json = dict[str, Any]

MOST_BYTES: Final = 65_536
ACTIVE: Final = "ACTIVE"
INACTIVE: Final = "INACTIVE"
_COMPATIBILITIES: Final = ("FARGATE",)


def check_definition(params: Params) -> tuple[Json, dict[str, str]]:
    """What is registered: the definition with its defaults, and its tags.

    Raises:
        AwsError: Fargate refuses it, or Monopod can't run it.
    """
    if refusal := find_refusal(validate(params)):
        raise refusal
    definition = complete(params)
    length = len(json.dumps(definition, separators=(",", ":"), ensure_ascii=False).encode())
    if length > MOST_BYTES:
        raise refuse_length(length, MOST_BYTES)
    return definition, read_tags(params.get("tags") or ())


def find_refusal(findings: Iterable[Finding]) -> AwsError | None:
    """The error that a definition's findings are."""
    found = choose_refusal(findings)
    if found is None:
        return None
    return AwsError(CLIENT if found.rule.code == SDK_CODE else found.rule.code, describe_refusal(found))


def build_family(family: str) -> Json:
    """The object that counts the revisions of a family, with the first of them counted."""
    return {
        "apiVersion": ECS_API_VERSION,
        "kind": "ECSTaskFamily",
        "metadata": {"name": compute_object_name(family)},
        "spec": {"family": family, "latestRevision": 1},
    }


def build_definition(
    definition: Json, revision: int, tags: Mapping[str, str], user: str, now: datetime.datetime
) -> Json:
    """The object of a revision.

    Args:
        definition: what is registered.
        revision: its number.
        tags: its tags.
        user: who registers it.
        now: when.
    """
    family = definition["family"]
    object_name = compute_object_name(family)
    return {
        "apiVersion": ECS_API_VERSION,
        "kind": "ECSTaskDefinition",
        "metadata": {
            "name": compute_definition_name(family, revision),
            "labels": {FAMILY_LABEL: object_name},
            **({"annotations": {FAMILY_ANNOTATION: family}} if family != object_name else {}),
        },
        "spec": {
            "family": family,
            "revision": revision,
            "definition": definition,
            "active": True,
            "registeredAt": format_time(now),
            "registeredBy": user,
            **({"tags": dict(tags)} if tags else {}),
        },
    }


def read_revision(metadata: Mapping[str, Any]) -> tuple[str, int] | None:
    """Family and revision of a task definition, by its metadata alone; None if no request could name the object."""
    stem, _, number = metadata["name"].rpartition(".")
    if not number.isdecimal():
        return None
    family = (metadata.get("annotations") or {}).get(FAMILY_ANNOTATION, stem)
    return (family, int(number)) if compute_object_name(family) == stem else None


def is_named(definition: Mapping[str, Any], named: DefinitionName) -> bool:
    """Whether an object is the task definition that was named."""
    spec = definition["spec"]
    return spec["family"] == named.family and named.revision in (None, spec["revision"])


def _check_form(definition: Mapping[str, Any]) -> None:
    wrong = next((each for each in validate(definition["spec"]["definition"]) if each.rule.code == SDK_CODE), None)
    if wrong:
        name = definition["metadata"]["name"]
        raise refuse_client(f"The ECSTaskDefinition {name} holds what no task definition can: {wrong.message}")


def describe_definition(definition: Mapping[str, Any], account: Account) -> Params:
    """The task definition as ECS tells it, without its tags.

    Raises:
        AwsError: it can't be told: `kubectl` or GitOps wrote into it what no task definition can hold.
    """
    spec = definition["spec"]
    _check_form(definition)
    moments = {key: read_time(spec.get(key)) for key in ("registeredAt", "deregisteredAt")}
    user = spec.get("registeredBy")
    return {
        **spec["definition"],
        "taskDefinitionArn": build_definition_arn(account, spec["family"], spec["revision"]),
        "family": spec["family"],
        "revision": spec["revision"],
        "status": ACTIVE if spec.get("active", True) else INACTIVE,
        "requiresAttributes": [],
        "compatibilities": list(_COMPATIBILITIES),
        **{key: moment for key, moment in moments.items() if moment},
        **({"registeredBy": build_user_arn(account, user)} if user else {}),
    }
