"""What a pod costs per hour: its size, its storage above the free part, and a region's prices.

Source: EKS user guide and the AWS Fargate pricing page: billed is what is provisioned (the pod's size), not what
is requested. How long a pod is billed is not known here. The prices come in as data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB, PodSize

_MIB_PER_GIB = 1024


class InvalidPrices(InvalidManifest):
    """A price list that can't be read; the message begins with the field's path."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one vCPU and of one GB of memory, for an hour each."""

    vcpu_hour: Decimal
    gb_hour: Decimal


@dataclass(frozen=True, slots=True)
class PriceList:
    """A region's prices.

    Attributes:
        currency: such as `USD`.
        rates: by architecture: `x86`, `arm`.
        storage_gb_hour: for each GB of ephemeral storage above `free_storage_gb`.
    """

    region: str
    currency: str
    rates: Mapping[str, Rate]
    storage_gb_hour: Decimal
    free_storage_gb: int

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "PriceList":
        """Reads a price list as its file has it.

        Raises:
            InvalidPrices: a field is missing or of the wrong type.
        """
        root = Part(resource, error=InvalidPrices)
        rates, storage = root.child("rates"), root.child("storage")
        return cls(
            root.text("region"),
            root.text("currency"),
            {name: _read_rate(rates.child(name)) for name in rates.fields},
            _read_price(storage, "gbHour"),
            storage.number("freeGB"),
        )

    def compute_hourly(self, architecture: str, row: PodSize, storage_gib: int = DEFAULT_STORAGE_GIB) -> Decimal:
        """The price of one pod for one hour, unrounded.

        Args:
            architecture: one of `rates`.
            row: the pod's size.
            storage_gib: its ephemeral storage.

        Raises:
            KeyError: the architecture has no price.
        """
        rate = self.rates[architecture]
        storage = max(0, storage_gib - self.free_storage_gb) * self.storage_gb_hour
        cpu = Decimal(row.cpu_millis) / 1000 * rate.vcpu_hour
        return cpu + Decimal(row.memory_mib) / _MIB_PER_GIB * rate.gb_hour + storage


def _read_rate(part: Part) -> Rate:
    return Rate(_read_price(part, "vcpuHour"), _read_price(part, "gbHour"))


def _read_price(part: Part, key: str) -> Decimal:
    text = part.text(key)
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise part.fail(key, f"must be a price such as '0.04048', not {text!r}") from None
    if not price.is_finite() or price < 0:
        raise part.fail(key, f"must be a price such as '0.04048', not {text!r}")
    return price
