"""The operator's options for profiles."""

from typing import Annotated

from pydantic import Field, StringConstraints

from monopod.bare_pods.options import BarePodOptions
from monopod.deletion.options import DeletionOptions
from monopod.kube.objects.names import DNS_LABEL
from monopod.kube.options import MOST, Flag, Words
from monopod.pods.options import PodOptions
from monopod.profiles.rules.quota import DEFAULT_QUOTA

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
