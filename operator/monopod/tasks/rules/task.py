"""What a task definition says of the task as a whole.

Source: ECS developer guide, task definition parameters and task definition differences for Fargate.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from monopod.tasks.rules.rule import Finding, note, refused, refused_untold, unavailable
from monopod.tasks.rules.view import View, show

FAMILY_INVALID = refused(
    "FamilyInvalid",
    "Family contains invalid characters.",
    "A family has up to 255 letters, digits, underscores and hyphens.",
)
NETWORK_MODE_UNSUPPORTED = refused(
    "NetworkModeUnsupported",
    "Fargate only supports network mode ‘awsvpc’.",
    'Write "networkMode": "awsvpc"; without it, the mode is bridge.',
)
FARGATE_NOT_REQUIRED = note(
    "FargateNotRequired",
    "AWS checks for Fargate only where requiresCompatibilities names FARGATE.",
    'Write "requiresCompatibilities": ["FARGATE"].',
)
PID_MODE_UNSUPPORTED = refused(
    "PidModeUnsupported",
    "Tasks using the Fargate launch type do not support pidMode '{mode}'. The supported value for pidMode is 'task'.",
    "Leave pidMode out, or write task, by which the containers see each other's processes.",
)
IPC_MODE_UNSUPPORTED = refused(
    "IpcModeUnsupported", "Fargate compatible task definitions do not support ipcMode.", "Leave ipcMode out."
)
PLACEMENT_UNSUPPORTED = refused(
    "PlacementConstraintsUnsupported",
    "Fargate compatible task definitions do not support constraints.",
    "Leave placementConstraints out: there are no container instances to choose from.",
)
ACCELERATOR_UNSUPPORTED = refused(
    "InferenceAcceleratorsUnsupported",
    "Unsupported field 'inferenceAccelerators'.",
    "Leave it out: Elastic Inference has ended.",
)
TRUSTED_EXECUTION_UNSUPPORTED = refused_untold(
    "TrustedExecutionUnsupported",
    "Trusted execution is only for Amazon ECS Managed Instances.",
    "Leave trustedExecutionConfiguration out: on Fargate each task has a kernel of its own anyway.",
)
OPERATING_SYSTEM_UNSUPPORTED = refused_untold(
    "OperatingSystemUnsupported", "Fargate doesn't run {system}.", "Use LINUX, or Windows Server 2019 or newer."
)
WINDOWS_ON_ARM = refused_untold("WindowsOnArm", "Windows containers don't run on ARM64.", "Write X86_64, or use LINUX.")
PROXY_CONTAINER_UNKNOWN = refused(
    "ProxyContainerUnknown",
    "Proxy container [{name}] does not exist.",
    "Name a container of this task definition.",
)
TAGS_EMPTY = refused("TagsEmpty", "Tags can not be empty.", "Leave tags out.")
TAGS_TOO_MANY = refused_untold("TagsTooMany", "A task definition has at most 50 tags.", "Remove some.")
TAG_INVALID = refused_untold(
    "TagInvalid",
    "A tag's key has 1 to 128 characters and its value up to 256: letters, digits, spaces and _.:/=+-@.",
    "Shorten it, or leave other characters out.",
)
TAG_RESERVED = refused_untold("TagReserved", "Keys that begin with aws: are AWS's own.", "Rename the tag.")
TAG_TWICE = refused_untold("TagTwice", "The key {key} is there {count} times.", "Keep one.")

WINDOWS = unavailable("Windows", "Monopod runs Linux only.", "Use LINUX: no sandbox runs Windows.")
PROXY = unavailable(
    "Proxy",
    "Monopod has no App Mesh.",
    "Leave proxyConfiguration out: App Mesh has ended on AWS, too.",
)
FAULT_INJECTION = unavailable(
    "FaultInjection", "Monopod injects no faults.", "Leave enableFaultInjection out, or write false."
)
TASK_ROLE = note(
    "TaskRoleWithoutCredentials",
    "The task gets no credentials of its role: Monopod doesn't talk to AWS.",
    "What calls AWS needs keys from a secret.",
)

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_TAG: Final = re.compile(r"[\w\s.:/=+\-@]*")
_MOST_TAGS: Final = 50
_LONGEST_KEY: Final = 128
_LONGEST_VALUE: Final = 256
_FARGATE_WINDOWS: Final = ("WINDOWS_SERVER_2019_", "WINDOWS_SERVER_2022_", "WINDOWS_SERVER_2025_")


def check_task(root: View) -> Iterator[Finding]:
    """All but the size, the containers and the volumes."""
    family = root.text("family")
    if family is not None and not NAME.fullmatch(family):
        yield FAMILY_INVALID.at("family")
    compatibilities = [value for _, value in root.texts("requiresCompatibilities")]
    if "FARGATE" not in compatibilities:
        yield FARGATE_NOT_REQUIRED.at("requiresCompatibilities")
    if root.fields.get("networkMode") != "awsvpc":
        yield NETWORK_MODE_UNSUPPORTED.at("networkMode")
    yield from _check_modes(root)
    yield from _check_platform(root)
    yield from _check_proxy(root)
    if root.is_true("enableFaultInjection"):
        yield FAULT_INJECTION.at("enableFaultInjection")
    if root.has("taskRoleArn"):
        yield TASK_ROLE.at("taskRoleArn")
    yield from _check_tags(root)


def _check_modes(root: View) -> Iterator[Finding]:
    mode = root.text("pidMode")
    if mode is not None and mode != "task":
        yield PID_MODE_UNSUPPORTED.at("pidMode", mode=show(mode))
    for key, rule in (
        ("ipcMode", IPC_MODE_UNSUPPORTED),
        ("placementConstraints", PLACEMENT_UNSUPPORTED),
        ("inferenceAccelerators", ACCELERATOR_UNSUPPORTED),
        ("trustedExecutionConfiguration", TRUSTED_EXECUTION_UNSUPPORTED),
    ):
        if root.has(key):
            yield rule.at(key)


def _check_platform(root: View) -> Iterator[Finding]:
    platform = root.child("runtimePlatform")
    system, path = platform.text("operatingSystemFamily") or "", platform.path_of("operatingSystemFamily")
    if system.startswith(_FARGATE_WINDOWS):
        yield WINDOWS.at(path)
    elif system.startswith("WINDOWS"):
        yield OPERATING_SYSTEM_UNSUPPORTED.at(path, system=show(system))
    if system.startswith("WINDOWS") and platform.text("cpuArchitecture") == "ARM64":
        yield WINDOWS_ON_ARM.at(platform.path_of("cpuArchitecture"))


def _check_proxy(root: View) -> Iterator[Finding]:
    proxy = root.child("proxyConfiguration")
    name = proxy.text("containerName")
    if name is not None and name not in [each.text("name") for each in root.children("containerDefinitions")]:
        yield PROXY_CONTAINER_UNKNOWN.at(proxy.path_of("containerName"), name=show(name))
    elif proxy.fields:
        yield PROXY.at("proxyConfiguration")


def _check_tags(root: View) -> Iterator[Finding]:
    tags = root.children("tags")
    if root.fields.get("tags") == []:
        yield TAGS_EMPTY.at("tags")
    if len(tags) > _MOST_TAGS:
        yield TAGS_TOO_MANY.at("tags")
    for tag in tags:
        key, value = tag.text("key"), tag.text("value") or ""
        if key is None:
            continue
        if not (1 <= len(key) <= _LONGEST_KEY and len(value) <= _LONGEST_VALUE and _TAG.fullmatch(key + value)):
            yield TAG_INVALID.at(tag.path)
        if key.lower().startswith("aws:"):
            yield TAG_RESERVED.at(tag.path_of("key"))
    for key, count in Counter(tag.text("key") for tag in tags).items():
        if key is not None and count > 1:
            yield TAG_TWICE.at("tags", key=repr(show(key)), count=count)
