"""Which containers there are, what they are called, and which image, user and registry each has.

Source: ECS developer guide, container definition parameters.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from monopod.tasks.rules.rule import Finding, note, refused, refused_untold, unavailable
from monopod.tasks.rules.task import NAME
from monopod.tasks.rules.view import View, show

NO_CONTAINER = refused("ContainersMissing", "Container list cannot be empty.", "Add a container.")
TOO_MANY = refused(
    "ContainersTooMany", "Too many containers", "A task has at most 10: split it into several task definitions."
)
NAME_MISSING = refused("ContainerNameMissing", "Container.name should not be null or empty.", "Name the container.")
NAME_INVALID = refused_untold(
    "ContainerNameInvalid",
    "A container's name has up to 255 letters, digits, underscores and hyphens.",
    "Rename it.",
)
NAME_TWICE = refused(
    "ContainerNameTwice",
    "Container names must be unique within a task definition.",
    "Rename one of those that are called {name}.",
)
IMAGE_MISSING = refused("ImageMissing", "Container.image should not be null or empty.", "Name the image.")
IMAGE_INVALID = refused(
    "ImageInvalid",
    "Container.image contains invalid characters.",
    "An image is [registry/]name[:tag] or …@sha256:digest, without spaces and with nothing left to fill in.",
)
NO_ESSENTIAL = refused(
    "EssentialContainerMissing",
    "Task definition doesn't have any essential container.",
    "Leave essential out, or write true, for the container with which the task ends.",
)
ECR_WITHOUT_ROLE = refused(
    "ExecutionRoleMissingForEcr",
    "Fargate requires task definition to have execution role ARN to support ECR images.",
    "Add executionRoleArn.",
)
REGISTRY_WITHOUT_ROLE = refused_untold(
    "ExecutionRoleMissingForRegistry",
    "Credentials of a private registry need an execution role that may read them.",
    "Add executionRoleArn.",
)
GPU_UNSUPPORTED = refused(
    "GpuUnsupported",
    "Tasks using the Fargate launch type do not support GPU resource requirements.",
    "Leave it out: Fargate has no GPUs.",
)
RESOURCE_UNSUPPORTED = refused_untold(
    "ResourceRequirementUnsupported", "Fargate has no {kind}.", "Leave the requirement out."
)

USER_BY_NAME = unavailable(
    "UserByName",
    "Kubernetes knows users by number only, up to 2147483647: {user} is none.",
    'Write "user": "UID" or "UID:GID".',
)
REGISTRY = unavailable(
    "RegistryCredentials",
    "Monopod reads no credentials for registries from AWS's secrets.",
    "Give the namespace's ServiceAccount an image pull secret.",
)
CREDENTIAL_SPECS = unavailable("CredentialSpecs", "Monopod joins no Active Directory.", "Leave credentialSpecs out.")
ECR_IMAGE = note(
    "EcrImage",
    "The execution role isn't used to pull the image: Monopod doesn't talk to AWS.",
    "Nodes outside of AWS need an image pull secret for it.",
)

MOST_CONTAINERS: Final = 10
LARGEST_USER: Final = 2**31 - 1
"""Of Kubernetes'."""
_IMAGE: Final = re.compile(r"[a-zA-Z0-9_\-:./#]{1,255}(@sha256:[a-fA-F0-9]{64})?")
_ECR: Final = re.compile(r"[0-9]{12}\.dkr[.-]ecr[.-]")
_USER: Final = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?")


def check_all(root: View) -> Iterator[Finding]:
    """What must hold among the containers."""
    containers = root.children("containerDefinitions")
    if root.fields.get("containerDefinitions") == []:
        yield NO_CONTAINER.at("containerDefinitions")
    if len(containers) > MOST_CONTAINERS:
        yield TOO_MANY.at("containerDefinitions")
    if containers and all(each.fields.get("essential") is False for each in containers):
        yield NO_ESSENTIAL.at("containerDefinitions")
    names = Counter(each.text("name") for each in containers)
    for name, count in names.items():
        if name and count > 1:
            yield NAME_TWICE.at("containerDefinitions", name=show(name))


def check_container(container: View, root: View) -> Iterator[Finding]:
    """Its name, image, user and what it asks for."""
    name = container.text("name")
    if not container.has("name"):
        yield NAME_MISSING.at(container.path_of("name"))
    elif name is not None and not NAME.fullmatch(name):
        yield NAME_INVALID.at(container.path_of("name"))
    yield from _check_image(container, root)
    for each in container.children("resourceRequirements"):
        if each.text("type") == "GPU":
            yield GPU_UNSUPPORTED.at(each.path)
        elif each.text("type"):
            yield RESOURCE_UNSUPPORTED.at(each.path, kind=show(each.text("type")))
    user = container.text("user")
    if user and not (_USER.fullmatch(user) and all(int(each) <= LARGEST_USER for each in user.split(":"))):
        yield USER_BY_NAME.at(container.path_of("user"), user=repr(show(user)))
    if container.has("credentialSpecs"):
        yield CREDENTIAL_SPECS.at(container.path_of("credentialSpecs"))


def _check_image(container: View, root: View) -> Iterator[Finding]:
    image, path, has_role = container.text("image"), container.path_of("image"), root.has("executionRoleArn")
    if not container.has("image"):
        yield IMAGE_MISSING.at(path)
    elif image is not None and not _IMAGE.fullmatch(image):
        yield IMAGE_INVALID.at(path)
    elif image is not None and _ECR.match(image):
        yield (ECR_IMAGE if has_role else ECR_WITHOUT_ROLE).at(path if has_role else "executionRoleArn")
    if container.has("repositoryCredentials"):
        if not has_role:
            yield REGISTRY_WITHOUT_ROLE.at("executionRoleArn")
        yield REGISTRY.at(container.path_of("repositoryCredentials"))
