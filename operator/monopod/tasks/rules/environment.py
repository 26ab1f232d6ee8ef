"""What containers get to know: variables, secrets, files of variables.

Source: ECS developer guide, environment variables and sensitive data.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
SECRET_SOURCE_UNKNOWN = refused_untold(
    "SecretSourceUnknown",
    "A secret comes from Secrets Manager or Parameter Store, and this is the ARN of neither.",
    "Write arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME or arn:aws:ssm:REGION:ACCOUNT:parameter/NAME.",
)
PARAMETER_NAME_INVALID = refused(
    "ParameterNameInvalid",
    "The Systems Manager parameter name specified for secret {name} is invalid.",
    "What is no ARN is a parameter's name: letters, digits and _.-/. A secret of Secrets Manager needs its whole ARN.",
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
SECRET_KEY = unavailable(
    "SecretKey",
    "A key of a Kubernetes Secret has letters, digits, and -_. only.",
    "Rename the key {key}.",
)
VARIABLE_NAME = unavailable(
    "VariableName", "Kubernetes takes variables of printable ASCII without =.", "Rename the variable."
)
SECRETS_OF_CLUSTER = note(
    "SecretsOfCluster",
    "Secrets come from Kubernetes Secrets, not from Secrets Manager or Parameter Store.",
    "Create {names} where the task runs; what isn't taken from JSON is under the key value.",
)

_MOST_FILES: Final = 10
_S3: Final = re.compile(r"arn:[a-z0-9-]+:s3:::[^/\s]+/\S+")
_RANDOM_SUFFIX: Final = re.compile(r"-[a-zA-Z0-9]{6}$")
_PARAMETER: Final = re.compile(r"[a-zA-Z0-9_.\-/]{1,2048}")
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_VARIABLE: Final = re.compile(r"[ -<>-~]+")
_LONGEST_NAME: Final = 253
_MOST_NAMED: Final = 3

WHOLE_SECRET: Final = "value"  # noqa: S105  # the name of a key, and no secret
"""The key of a Kubernetes Secret for a secret of AWS's that is taken as a whole, which has no keys."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret comes from.

    Attributes:
        name: of the Kubernetes Secret.
        key: in it.
        is_versioned: whether AWS's would be of a certain version.
    """

    name: str
    key: str
    is_versioned: bool = False


def read_secret(source: str) -> SecretReference | None:
    """What `valueFrom` means: an ARN of Secrets Manager or Parameter Store, or the name of a parameter.

    Secrets Manager appends a hyphen and six characters to a secret's name in its ARN; they are no part of the name.
    """
    if not source.startswith("arn:"):
        return _refer(source)
    parts = source.split(":")
    service, resource = (parts[2], parts[5]) if len(parts) > 5 else ("", "")
    if service == "ssm" and resource.startswith("parameter/"):
        return _refer(":".join(parts[5:]).removeprefix("parameter/"))
    if service == "secretsmanager" and resource == "secret" and len(parts) > 6:
        key, *versions = parts[7:] or [""]
        return _refer(_RANDOM_SUFFIX.sub("", parts[6]), key, is_versioned=any(versions))
    return None


def _refer(name: str, key: str = "", *, is_versioned: bool = False) -> SecretReference | None:
    """The Kubernetes Secret for a name of AWS's: in small letters, dots for slashes, hyphens for all other signs."""
    plain = re.sub(r"[^a-z0-9.]+", "-", name.lower().replace("/", "."))[:_LONGEST_NAME]
    ours = ".".join(filter(None, (part.strip("-") for part in plain.split("."))))
    return SecretReference(ours, key or WHOLE_SECRET, is_versioned) if ours else None


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
    for each in (*secrets, *variables):
        name = each.text("name")
        if not each.has("name"):
            yield VARIABLE_NAMELESS.at(each.path_of("name"))
        elif name and not _VARIABLE.fullmatch(name):
            yield VARIABLE_NAME.at(each.path_of("name"))
    yield from _check_sources(container, secrets)
    yield from _check_files(container)


def _check_sources(container: View, secrets: Sequence[View]) -> Iterator[Finding]:
    names: dict[str, None] = {}
    for each in secrets:
        source, path = each.text("valueFrom"), each.path_of("valueFrom")
        found = read_secret(source or "")
        if source is not None and not source.startswith("arn:") and not _PARAMETER.fullmatch(source):
            yield PARAMETER_NAME_INVALID.at(path, name=show(each.text("name") or ""))
        elif found is None and source is not None:
            yield SECRET_SOURCE_UNKNOWN.at(path)
        elif found:
            names[found.name] = None
            if found.is_versioned:
                yield SECRET_VERSION.at(path)
            if not _KEY.fullmatch(found.key):
                yield SECRET_KEY.at(path, key=repr(show(found.key)))
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        told = ", ".join(list(names)[:_MOST_NAMED])
        yield SECRETS_OF_CLUSTER.at(container.path_of("secrets"), names=f"{told}{more}")


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
