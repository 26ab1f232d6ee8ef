"""The options of a process: how a room declares its options, and those that every room may need.

A room's options are the fields of a model in its `options.py`: type, bounds, default and docstring next to each other.
The options of a process are the models of its rooms in one class (`monopod.manager.options`); its flags, its variables
and docs/reference/operator.md follow from the fields. A room is handed that object and knows its own model of it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict

from monopod.api.names import KUBE_SYSTEM, SYSTEM_NAMESPACE

LONGEST_RETRY_SECONDS: Final = 30.0
MOST: Final = 999_999_999
"""A bound of numbers that need none, so that none becomes a float's text or a time that no timer takes."""


@dataclass(frozen=True, slots=True)
class Flag:
    """How the help shows an option.

    Attributes:
        metavar: what stands for its value: a unit, or the kind of thing that is named.
        default: the default in words, where the field's own says too little.
    """

    metavar: str = ""
    default: str = ""


Seconds = Annotated[float, Flag("SECONDS")]
Words = BeforeValidator(lambda value: value.split() if isinstance(value, str) else value)
"""Several values in one variable are separated by spaces; a flag is repeated."""


class Options(BaseSettings):
    """Options of one room. What isn't given as an argument comes from the environment, else it is the default."""

    model_config = SettingsConfigDict(
        env_prefix="MONOPOD_RUN_",
        env_prefix_target="all",
        env_ignore_empty=True,
        enable_decoding=False,  # a list is words, not JSON
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        extra="forbid",
        frozen=True,
    )


def read_own_namespace() -> str:
    """Returns the namespace that this process runs in as a pod, or the usual one outside a cluster."""
    path = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return path.read_text().strip() if path.exists() else SYSTEM_NAMESPACE


class SharedOptions(Options):
    """For all parts."""

    namespace: Annotated[
        str,
        Field(default_factory=read_own_namespace, min_length=1),
        Flag("NAME", default=f"the one that this process runs in as a pod, else {SYSTEM_NAMESPACE}"),
    ]
    """Monopod's own namespace: its Lease and its ConfigMap are there."""

    resync_seconds: Annotated[Seconds, Field(ge=1, le=MOST)] = 60
    """How often everything is compared with fresh lists, in addition to the watches."""

    @property
    def longest_retry_seconds(self) -> float:
        """After how long at most what was refused is tried again."""
        return min(LONGEST_RETRY_SECONDS, self.resync_seconds)

    @property
    def protected(self) -> frozenset[str]:
        """Namespaces that only an exact name reaches."""
        return frozenset({KUBE_SYSTEM, self.namespace})


class ProcessOptions(Options):
    """For every process."""

    listen: Annotated[str, Flag("ADDRESS")] = "0.0.0.0"  # noqa: S104 in a pod
    """The address that /healthz, /readyz and /metrics are served on."""

    metrics_port: Annotated[int, Field(ge=0, le=65535), Flag("PORT")] = 8080
    """Port of /healthz, /readyz and /metrics; 0 takes a free one and logs it."""

    kubeconfig: Annotated[
        FilePath | None, Flag("FILE", default="$KUBECONFIG, else the pod's ServiceAccount, else ~/.kube/config")
    ] = None
    """How to reach the API server, and as whom."""

    log_format: Literal["json", "console"] = "json"
    """How log messages are written: json, or console for reading by eye."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged."""
