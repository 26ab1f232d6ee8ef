"""What a profile says of its pods' moves, whatever they are moved for: a new profile, or a patch."""

from dataclasses import dataclass

from monopod.kube.objects.fields import Part


@dataclass(frozen=True, slots=True)
class MovingSettings:
    """The fields `maxUnavailable`, `barePods`, `runningJobs` and `paused`.

    Attributes:
        max_unavailable: of a workload, a number of pods or a percentage (`10%`).
        recreates_bare_pods: whether pods without a controller are created again.
        lacks_recreation: whether the profile asks for that, and the installation doesn't do it.
    """

    max_unavailable: int | str
    recreates_bare_pods: bool
    lacks_recreation: bool
    moves_running_jobs: bool
    paused: bool

    @classmethod
    def from_spec(cls, spec: Part, *, recreation: bool) -> "MovingSettings":
        """Reads a FargateProfile's spec.

        Args:
            spec: the profile's.
            recreation: whether the installation lets the operator create pods.

        Raises:
            InvalidManifest: a field holds what the API server would never store.
        """
        recreate = read_choice(spec, "barePods", "Leave", "Recreate") == "Recreate"
        return cls(
            max_unavailable=_read_max_unavailable(spec),
            recreates_bare_pods=recreate and recreation,
            lacks_recreation=recreate and not recreation,
            moves_running_jobs=read_choice(spec, "runningJobs", "Leave", "Reschedule") == "Reschedule",
            paused=spec.flag("paused"),
        )


def read_choice(spec: Part, key: str, *known: str) -> str:
    """A field's value, the first of those known if it is absent.

    Raises:
        InvalidManifest: it is none of them.
    """
    chosen = spec.text(key) or known[0]
    if chosen not in known:
        raise spec.fail(key, f"must be {' or '.join(known)}, not {chosen!r}")
    return chosen


def _read_max_unavailable(spec: Part) -> int | str:
    value = spec.fields.get("maxUnavailable", "10%")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdecimal() and 1 <= int(value[:-1]) <= 100:
        return value
    raise spec.fail("maxUnavailable", "must be a number of pods, at least 1, or a percentage from '1%' to '100%'")


def compute_budget(max_unavailable: int | str, desired: int) -> int:
    """How many of a number of pods may be unavailable at a time."""
    if isinstance(max_unavailable, int):
        return max_unavailable
    return max(1, desired * int(max_unavailable.removesuffix("%")) // 100)
