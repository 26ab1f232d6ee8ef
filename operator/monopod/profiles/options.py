"""The operator's options for profiles."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from monopod.bare_pods.options import BarePodOptions
from monopod.deletion.options import DeletionOptions
from monopod.kube.objects.names import DNS_LABEL
from monopod.kube.options import MOST, Flag, Words
from monopod.pods.options import PodOptions
from monopod.profiles.rules.quota import DEFAULT_QUOTA
from monopod.profiles.rules.sandboxes import choose_sandbox

Handler = Annotated[str, StringConstraints(pattern=f"^{DNS_LABEL}$")]


class ProfileOptions(DeletionOptions, BarePodOptions, PodOptions):
    """Profiles."""

    profile_quota: Annotated[int, Field(ge=0, le=MOST), Flag("PROFILES")] = DEFAULT_QUOTA
    """How many profiles the cluster may have."""

    sandbox_handlers: Annotated[
        tuple[Handler, ...],
        Field(alias="sandbox_handler"),
        Words,
        Flag("HANDLER", default="all but those of runc, crun, youki and NVIDIA"),
    ] = ()
    """A handler of RuntimeClasses that counts as a sandbox; with any, no others do."""

    def choose_sandbox(self, classes: Mapping[str, str], current: str) -> str:
        """The RuntimeClass of a profile that names none, by the handler of each class and the one that it has."""
        return self.sandbox or choose_sandbox(classes, self.sandbox_handlers, current)
