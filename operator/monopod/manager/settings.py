"""What the operator is told on its command line."""

from dataclasses import dataclass

from monopod.api.names import KUBE_SYSTEM, SERVICE_ACCOUNT
from monopod.deletion.rules.stages import DeletionDeadline
from monopod.isolation.rules.network_policies import METADATA
from monopod.kube.lease import Timing
from monopod.kube.refusals import LONGEST_RETRY_SECONDS
from monopod.profiles.rules.quota import DEFAULT_QUOTA


@dataclass(frozen=True, slots=True)
class Settings:
    """All of the operator's settings; times in seconds."""

    sandbox: str
    """The RuntimeClass of profiles that name none; "": the best of those that the cluster has."""
    namespace: str
    """Monopod's own namespace."""
    identity: str
    """This replica's name in the Lease."""
    leader_elect: bool
    lease: Timing
    listen_host: str
    listen_port: int
    resync_seconds: float
    kubeconfig: str | None
    evictions_per_minute: float = 60.0
    """Over the whole cluster, whatever they are for."""
    deletion_timeout_seconds: float = 900.0
    """Beyond the time that the evictions take at their rate."""
    replacement_timeout_seconds: float = 600.0
    """As a Deployment's progressDeadlineSeconds: an image may have to be pulled, and a node to be made."""
    profile_quota: int = DEFAULT_QUOTA
    service_account: str = SERVICE_ACCOUNT
    """The ServiceAccount that the admission policies know the operator by."""
    sandbox_handlers: tuple[str, ...] = ()
    """Handlers of RuntimeClasses that count as sandboxes; empty: all but those that are known to be none."""
    node_cidrs: tuple[str, ...] = ()
    """The networks of the nodes; empty: the addresses that the nodes tell."""
    metadata_addresses: tuple[str, ...] = METADATA
    """The metadata services that no security group opens; none where groups may."""
    recreate_bare_pods: bool = False
    """Whether the admission policies let the operator create pods again that it moved."""

    @property
    def user_name(self) -> str:
        """The operator's user, as the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.service_account}"

    @property
    def patience(self) -> DeletionDeadline:
        """How long the deletion of a profile may take."""
        return DeletionDeadline(self.deletion_timeout_seconds, self.evictions_per_minute)

    @property
    def longest_retry_seconds(self) -> float:
        """After how long at most what was refused is tried again."""
        return min(LONGEST_RETRY_SECONDS, self.resync_seconds)

    @property
    def protected(self) -> frozenset[str]:
        """Namespaces that only an exact name reaches."""
        return frozenset({KUBE_SYSTEM, self.namespace})
