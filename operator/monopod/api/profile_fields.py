"""Types of a FargateProfile's fields, with the rules that the CRD holds them to."""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from monopod.api.parts import GroupName
from monopod.api.rules import Rule

MAX_GROUPS = 5
MAX_TAGS = 50
MAX_SUBNETS = 16
MAX_ANNOTATIONS = 20
MAX_NODE_POOLS = 20


def _listed_once(what: str) -> Rule:
    return Rule("self.all(one, self.exists_one(other, other == one))", f"the same {what} is listed twice")


Zone = Annotated[
    str,
    Field(max_length=63),
    Rule(
        "self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",
        "the name of a zone consists of letters, digits, '-', '_' and '.', "
        "and starts and ends with a letter or a digit",
    ),
    Rule(
        "!self.matches('^subnet-[0-9a-f]+$')",
        "must be the name of a zone, the value of the label topology.kubernetes.io/zone on nodes, "
        "in place of a subnet's ID",
    ),
]

Subnets = Annotated[
    list[Zone],
    Field(max_length=MAX_SUBNETS),
    _listed_once("zone"),
]

GroupNames = Annotated[
    list[GroupName],
    Field(max_length=MAX_GROUPS),
    _listed_once("security group"),
]

AnnotationPattern = Annotated[
    str,
    Field(max_length=317),
    Rule(
        "self.matches('^[A-Za-z0-9]([-A-Za-z0-9_./]*([A-Za-z0-9]|[./][*]))?$')",
        "an annotation is named as on pods, or by how its name begins up to a '.' or '/', and then '*'",
    ),
    Rule(
        "!self.startsWith('io.katacontainers.') && !self.startsWith('dev.gvisor.')",
        "annotations that configure the sandbox can't be allowed: by them a pod could leave it",
    ),
]

AnnotationPatterns = Annotated[
    list[AnnotationPattern],
    Field(max_length=MAX_ANNOTATIONS),
    _listed_once("annotation"),
]

LINUX_CAPABILITIES = (
    *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"),
    *("DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"),
    *("NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT"),
    *("SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM"),
)
"""Those of capabilities(7), which container runtimes know by these names."""

Capability = Annotated[
    str,
    Field(max_length=32),
    Rule(
        f"self == 'ALL' || self in {list(LINUX_CAPABILITIES)}",
        "must be a capability of Linux, in upper case and without CAP_, such as SYS_PTRACE",
    ),
    Rule(
        "self != 'ALL'",
        "ALL can't be allowed, because it means others with each kernel and runtime: name those that pods need",
    ),
]

Capabilities = Annotated[
    list[Capability],
    Field(max_length=len(LINUX_CAPABILITIES)),
    _listed_once("capability"),
]

TagValue = Annotated[
    str,
    Field(max_length=256),
    Rule(
        r"self.matches('^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]*$')",
        "a tag's value consists of letters, digits, spaces and _ . : / = + - @",
    ),
]

Tags = Annotated[
    dict[str, TagValue],
    Field(max_length=MAX_TAGS),
    Rule(
        r"self.all(key, key.matches('^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$'))",
        "a tag's key has 1 to 128 characters: letters, digits, spaces and _ . : / = + - @",
    ),
    Rule(
        "!self.exists(key, key.matches('^(?i)aws:'))",
        "a tag's key can't start with 'aws:', which is reserved for AWS",
    ),
]


NodePoolNames = Annotated[
    list[
        Annotated[
            str,
            Field(max_length=63),
            Rule(
                "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
                "the name of a NodePool consists of lower-case letters, digits, '-' and '.', "
                "and starts and ends with a letter or a digit",
            ),
        ]
    ],
    Field(max_length=MAX_NODE_POOLS),
    _listed_once("NodePool"),
]


MaxUnavailable = Annotated[
    int | str,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "default": "10%", "maxLength": 10}),
    Rule(
        "type(self) == int ? int(self) >= 1 : string(self).matches('^([1-9][0-9]?|100)%$')",
        "must be a number of pods, at least 1, or a percentage from '1%' to '100%'",
    ),
]
