"""What containers get to know: variables, secrets, files of variables.

Source: ECS developer guide, environment variables and sensitive data.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from monopod.tasks.rules.rule import Finding, note, refused, refused_untold, unavailable
from monopod.tasks.rules.view import View, show

ROLE_MISSING = refused(
    "ExecutionRoleMissingForSecrets",
    "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
    "Add executionRoleArn.",
)
SECRET_NAME_TAKEN = refused(
    "SecretNameTaken",
    "The secret name must be unique and not shared with any new or existing environment variables set on the "
    "container, such as '{name}'.",
    "Keep it in secrets, or in environment.",
)
VARIABLE_NAMELESS = refused_untold("VariableNameMissing", "A variable needs a name.", "Name it, or remove it.")
FILES_TOO_MANY = refused(
    "EnvironmentFilesTooMany",
    "The maximum number of environment files was exceeded. Specify ten or less and try again.",
    "Join some of them.",
)
FILE_NO_ARN = refused("EnvironmentFileArnInvalid", "Invalid arn syntax.", "Write arn:aws:s3:::BUCKET/PATH.env.")

ENVIRONMENT_FILES = unavailable(
    "EnvironmentFiles",
    "Monopod reads nothing from S3.",
    "Write the variables into environment.",
)
SECRET_VERSION = unavailable(
    "SecretVersion",
    "A Kubernetes Secret has no versions.",
    "Leave version stage and version id empty: …:secret:NAME:KEY::",
)
SECRETS_OF_CLUSTER = note(
    "SecretsOfCluster",
    "Secrets come from Kubernetes Secrets of the same name, not from Secrets Manager or Parameter Store.",
    "Create {names} where the task runs.",
)

_MOST_FILES: Final = 10
_S3: Final = re.compile(r"arn:[a-z0-9-]+:s3:::[^/\s]+/\S+")
_VERSIONED: Final = re.compile(r"arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:[^:]*:[^:]*:(?P<version>.*)", re.DOTALL)
_SECRET: Final = re.compile(
    r"arn:[^:]*:(?:secretsmanager:[^:]*:[^:]*:secret:(?P<secret>[^:]+?)(?:-[a-zA-Z0-9]{6})?(?::.*)?"
    r"|ssm:[^:]*:[^:]*:parameter/?(?P<parameter>.+))"
)
_MOST_NAMED: Final = 3


def check_environment(container: View, root: View) -> Iterator[Finding]:
    """One container's variables, wherever they come from."""
    secrets, variables = container.children("secrets"), container.children("environment")
    if secrets and not root.has("executionRoleArn"):
        yield ROLE_MISSING.at("executionRoleArn")
    taken = Counter(each.text("name") for each in (*secrets, *variables))
    for each in secrets:
        name = each.text("name")
        if name and taken[name] > 1:
            yield SECRET_NAME_TAKEN.at(each.path_of("name"), name=show(name))
        version = _VERSIONED.fullmatch(each.text("valueFrom") or "")
        if version and version["version"].strip(":"):
            yield SECRET_VERSION.at(each.path_of("valueFrom"))
    for each in (*secrets, *variables):
        if each.fields.get("name") in (None, "") and ("value" in each.fields or "name" in each.fields):
            yield VARIABLE_NAMELESS.at(each.path_of("name"))
    if names := list(dict.fromkeys(filter(None, map(get_secret_name, secrets)))):
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        told = ", ".join(show(name) for name in names[:_MOST_NAMED])
        yield SECRETS_OF_CLUSTER.at(container.path_of("secrets"), names=f"{told}{more}")
    yield from _check_files(container)


def get_secret_name(secret: View) -> str:
    """What a secret is called in AWS's store, without the six characters that Secrets Manager appends."""
    told = secret.text("valueFrom") or ""
    found = _SECRET.fullmatch(told)
    if found:
        return found["secret"] or found["parameter"]
    return "" if told.startswith("arn:") else told


def _check_files(container: View) -> Iterator[Finding]:
    files = container.children("environmentFiles")
    if len(files) > _MOST_FILES:
        yield FILES_TOO_MANY.at(container.path_of("environmentFiles"))
    for each in files:
        value = each.text("value")
        if value is not None and not _S3.fullmatch(value):
            yield FILE_NO_ARN.at(each.path_of("value"))
    if files:
        yield ENVIRONMENT_FILES.at(container.path_of("environmentFiles"))
