"""How many pods of a workload a profile lets be unavailable while they are moved: its field `maxUnavailable`."""

from monopod.kube.objects.fields import Part


def read_max_unavailable(spec: Part) -> int | str:
    """A number of pods, or a percentage (`10%`).

    Raises:
        InvalidManifest: the field holds what the API server would never store.
    """
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
