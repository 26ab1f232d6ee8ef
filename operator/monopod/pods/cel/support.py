"""What Fargate can't run, in CEL: the same messages as `monopod.pods.rules.support`, where their sources are."""

import re
from collections.abc import Sequence

from monopod.cel.compiled_selectors import ANNOTATION_SEPARATOR, CAPABILITY_SEPARATOR, SELINUX_ALLOWED
from monopod.cel.expressions import Variable, quote, quote_all
from monopod.pods.rules.size import LARGEST, MAX_STORAGE_GIB, MAX_STORAGE_MIB
from monopod.pods.rules.support import (
    DEFAULT_CAPABILITIES,
    HARMLESS_ANNOTATIONS,
    NODE_ANNOTATION_DOMAINS,
    NODE_ANNOTATIONS,
    OTHER_ZONES,
    REPORTED_ANNOTATIONS,
    RESOURCE_CLAIMS,
    SANDBOX_ANNOTATIONS,
    SUPPORTED_VOLUMES,
    UNSUPPORTED_PREFIX,
    WINDOWS,
)

ALL_CONTAINERS = Variable(
    "allContainers",
    "Containers and init containers.",
    "object.spec.containers + variables.initContainers",
)

HOST_FIELDS = Variable(
    "hostFields",
    "The host namespaces that the pod wants to share, and users of its own, which no sandbox has.",
    """
    [
      object.spec.?hostNetwork.orValue(false) ? 'HostNetwork' : '',
      object.spec.?hostPID.orValue(false) ? 'HostPID' : '',
      object.spec.?hostIPC.orValue(false) ? 'HostIPC' : '',
      object.spec.?hostUsers.orValue(true) ? '' : 'HostUsers'
    ].filter(name, name != '')
    """,
)

HAS_HOST_PORT = Variable(
    "hasHostPort",
    "With hostNetwork the API server has filled in the hostPort of every port.",
    """
    variables.allContainers.exists(container, container.?ports.orValue([]).exists(port,
      has(port.hostPort) || has(port.hostIP)))
    """,
)


def build_security_variables(containers: str, selector: str, pod_context: str = "") -> tuple[Variable, ...]:
    """The variables that end in `securityFields`.

    Args:
        containers: some list of containers, in CEL.
        selector: the compiled selector of the pod's profile, in CEL.
        pod_context: the pod's own security context, in CEL, if it is looked at too.
    """
    contexts = f"(variables.securityContexts + [{pod_context}])" if pod_context else "variables.securityContexts"
    return (
        Variable(
            "securityContexts",
            "The containers' security contexts.",
            f"{containers}.map(container, container.?securityContext.orValue({{}}))",
        ),
        Variable(
            "allowedCapabilities",
            "Those that the pod's profile allows.",
            f"{selector}[?13].orValue('').split({quote(CAPABILITY_SEPARATOR)}).filter(name, name != '')",
        ),
        Variable(
            "addedCapabilities",
            "Capabilities beyond those that every container has anyway and those that the profile allows.",
            f"""
            variables.securityContexts
              .map(context, context.?capabilities.?add.orValue([])).flatten()
              .filter(name, !(name in [
                {_break_lines([quote(name) for name in DEFAULT_CAPABILITIES], 5, ", ", 16)}
              ]) && !(name in variables.allowedCapabilities))
              .distinct().sort()
            """,
        ),
        Variable(
            "securityFields",
            "What the security contexts ask for beyond an ordinary container, in AWS's words. SELinux labels are for "
            "processes of the node: the sandbox itself gets them.",
            f"""
            [
              variables.addedCapabilities.size() > 0
                ? 'Capabilities added: ' + variables.addedCapabilities.join(', ') : '',
              variables.securityContexts.exists(context, context.?allowPrivilegeEscalation.orValue(false))
                ? 'AllowPrivilegeEscalation' : '',
              variables.securityContexts.exists(context, context.?privileged.orValue(false))
                ? 'Privileged' : '',
              {contexts}
                .exists(context, context.?seLinuxOptions.orValue({{}}).exists(key, context.seLinuxOptions[key] != ''))
                && {selector}[?9].orValue('') != {quote(SELINUX_ALLOWED)} ? 'SELinuxOptions' : ''
            ].filter(field, field != '')
            """,
        ),
    )


def _break_lines(items: Sequence[str], per_line: int, separator: str, indent: int) -> str:
    """The items with the separator between them, a number of them on a line."""
    lines = [separator.join(items[start : start + per_line]) for start in range(0, len(items), per_line)]
    return (separator.rstrip() + "\n" + " " * indent).join(lines)


DEVICES = Variable(
    "devices",
    "The names of volumes that containers want as raw devices.",
    """
    variables.allContainers
      .map(container, container.?volumeDevices.orValue([]).map(device, device.name)).flatten()
    """,
)

OTHER_VOLUMES = Variable(
    "otherVolumes",
    "Volumes of other types than those that Fargate mounts, or not to be mounted at all.",
    f"""
    object.spec.?volumes.orValue([])
      .filter(volume, volume.name in variables.devices || !(
        {_break_lines([f"has(volume.{source})" for source in SUPPORTED_VOLUMES], 4, " || ", 8)}
      ))
      .map(volume, volume.name + ' is of an unsupported volume Type')
    """,
)

EXTENDED_RESOURCES = Variable(
    "extendedResources",
    "GPUs, other devices and huge pages, in requests or limits; and devices that are claimed.",
    f"""
    ((variables.allContainers.map(container, container.?resources.orValue({{}}))
        + [object.spec.?resources.orValue({{}})])
      .map(resources, [resources.?requests.orValue({{}}), resources.?limits.orValue({{}})]).flatten()
      .map(list, list.map(name,
        name.startsWith('hugepages-') || (name.contains('/') && !name.startsWith('kubernetes.io/')), name)).flatten()
      + (object.spec.?resourceClaims.orValue([]).size() > 0 ? [{quote(RESOURCE_CLAIMS)}] : []))
      .distinct().sort()
    """,
)


def _starts_with(prefixes: Sequence[str]) -> str:
    return " || ".join(f"key.startsWith({quote(prefix)})" for prefix in prefixes)


def _contains(parts: Sequence[str]) -> str:
    return " || ".join(f"key.contains({quote(part)})" for part in parts)


CONFIGURES_SANDBOX = f"(({_starts_with(SANDBOX_ANNOTATIONS)}) && !({_starts_with(HARMLESS_ANNOTATIONS)}))"
"""Whether an annotation, `key`, is an instruction to the sandbox."""

_BEGINNINGS = "|".join(map(re.escape, (*SANDBOX_ANNOTATIONS, *NODE_ANNOTATIONS)))
_PARTS = "|".join(map(re.escape, NODE_ANNOTATION_DOMAINS))

MAY_CONFIGURE = f"key.matches({quote(f'^({_BEGINNINGS})|{_PARTS}')})"
"""Whether either may be said of `key`. Few annotations are of interest, and one expression rules out the others sooner
than a dozen: the API server compiles it once, because it is constant."""

CONFIGURES_NODE = (
    f"(({_starts_with(NODE_ANNOTATIONS)} || {_contains(NODE_ANNOTATION_DOMAINS)})"
    f" && !(key in {quote_all(REPORTED_ANNOTATIONS)}))"
)
"""Whether an annotation, `key`, asks something of the node that a profile may allow."""

IS_ALLOWED = """variables.allowedAnnotations.exists(pattern, pattern.endsWith('*')
        ? key.startsWith(pattern.substring(0, pattern.size() - 1)) : key == pattern)"""
"""Whether the profile allows the annotation, `key`."""


def build_allowed_annotations(selector: str) -> Variable:
    """The variable that `IS_ALLOWED` asks; `selector` is the profile's, in CEL."""
    return Variable(
        "allowedAnnotations",
        "Annotations that the pod's profile allows: names, or how they begin and a star.",
        f"{selector}[?8].orValue('').split({quote(ANNOTATION_SEPARATOR)})",
    )


CONFIGURING = Variable(
    "otherAnnotations",
    "Annotations by which the pod would configure its sandbox, and so could leave it; and those by which it asks its "
    "node for what its profile doesn't allow.",
    f"""
    variables.annotations.map(key, {MAY_CONFIGURE} &&
        ({CONFIGURES_SANDBOX} || ({CONFIGURES_NODE} && !{IS_ALLOWED})), key)
      .sort()
    """,
)

UNSUPPORTED = Variable(
    "unsupported",
    "Every reason why Fargate can't run the pod, in AWS's words and order; empty if it can.",
    f"""
    [
      variables.hostFields.size() > 0
        ? 'fields not supported: ' + variables.hostFields.join(', ') : '',
      variables.securityFields.size() > 0
        ? 'invalid SecurityContext fields: ' + variables.securityFields.join(', ') : '',
      variables.hasHostPort
        ? 'port contains HostIP or HostPort' : '',
      variables.otherVolumes.size() > 0
        ? 'volumes not supported: ' + variables.otherVolumes.join(', ') : '',
      variables.extendedResources.size() > 0
        ? 'resources not supported: ' + variables.extendedResources.join(', ') : '',
      variables.sizes.size() == 0
        ? {quote(f"requests exceed the largest size: {LARGEST}")} : '',
      variables.storagePeak > {MAX_STORAGE_MIB}
        ? {quote(f"ephemeral storage exceeds {MAX_STORAGE_GIB} GiB")} : '',
      variables.otherAnnotations.size() > 0
        ? 'annotations not supported: ' + variables.otherAnnotations.join(', ') : '',
      object.spec.?os.?name.orValue('') == 'windows'
        ? {quote(WINDOWS)} : '',
      variables.excludesZones
        ? {quote(OTHER_ZONES)} + variables.zones.join(', ') : ''
    ].filter(reason, reason != '')
    """,
)

UNSUPPORTED_TEXT = Variable(
    "unsupportedText",
    "The reasons as one sentence.",
    f"{quote(UNSUPPORTED_PREFIX)} + variables.unsupported.join(', ')",
)

SUPPORT = (
    ALL_CONTAINERS,
    HOST_FIELDS,
    HAS_HOST_PORT,
    *build_security_variables(
        "variables.allContainers", "variables.winner", "object.spec.?securityContext.orValue({})"
    ),
    DEVICES,
    OTHER_VOLUMES,
    EXTENDED_RESOURCES,
    build_allowed_annotations("variables.winner"),
    CONFIGURING,
    UNSUPPORTED,
    UNSUPPORTED_TEXT,
)
