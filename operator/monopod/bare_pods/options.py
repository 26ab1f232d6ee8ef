"""The operator's options for pods without a controller."""

from monopod.kube.options import SharedOptions


class BarePodOptions(SharedOptions):
    """Pods without a controller."""

    recreate_bare_pods: bool = False
    """Move pods without a controller where a profile says `barePods: Recreate`, by creating them again. The admission
    policies must let the operator create pods: leave out monopod-operator-dry-runs."""
