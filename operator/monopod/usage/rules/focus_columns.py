"""The columns of FOCUS that an export has, by version: https://focus.finops.org.

Of 1.4 the mandatory ones, the recommended ones and those whose condition Monopod meets. Of 1.2 all, because its
official validator takes a missing conditional column for an error; what Monopod doesn't have (commitments, invoices,
reservations) is null there.
"""

from enum import StrEnum
from typing import Final


class FocusVersion(StrEnum):
    """Versions of FOCUS that can be exported."""

    V1_2 = "1.2"
    V1_4 = "1.4"


class Dataset(StrEnum):
    """Data sets of FOCUS that can be exported."""

    COSTS = "cost-and-usage"
    BILLING_PERIODS = "billing-period"
    """Only of 1.4; earlier versions have none."""


class Kind(StrEnum):
    """What a column holds, for formats that have types."""

    TEXT = "text"
    DECIMAL = "decimal"
    TIME = "time"


_COMMON: Final = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity",
    "PricingUnit", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory",
    "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId",
    "SubAccountName", "SubAccountType", "Tags",
)  # fmt: skip
_ONLY_1_2: Final = (
    "CapacityReservationId", "CapacityReservationStatus", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType",
    "CommitmentDiscountUnit", "InvoiceId", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "ProviderName", "PublisherName",
)  # fmt: skip
_ONLY_1_4: Final = ("HostProviderName", "ServiceProviderName")

OWN_COLUMNS: Final = (
    "x_Profile", "x_Workload", "x_Node", "x_CapacityProvider", "x_Architecture", "x_Provisioned", "x_Estimated",
    "x_StartAcknowledged", "x_EndNotBefore", "x_EndNotAfter", "x_Evidence",
)  # fmt: skip
"""Columns beyond FOCUS; they begin with `x_`, as it demands, and come last."""

COLUMNS: Final = {
    FocusVersion.V1_2: (*sorted(_COMMON + _ONLY_1_2), *OWN_COLUMNS),
    FocusVersion.V1_4: (*sorted(_COMMON + _ONLY_1_4), *OWN_COLUMNS),
}

BILLING_PERIOD_COLUMNS: Final = (
    "BillingPeriodCreated", "BillingPeriodEnd", "BillingPeriodLastUpdated", "BillingPeriodStart", "BillingPeriodStatus",
    "InvoiceIssuerName",
)  # fmt: skip
"""Of the data set Billing Period, which 1.4 has beside that of costs."""


def get_kind(column: str) -> Kind:
    """What a column of FOCUS or of ours holds."""
    if column.endswith(("Cost", "UnitPrice", "Quantity")):
        return Kind.DECIMAL
    is_time = column.startswith(("BillingPeriod", "ChargePeriod", "x_End")) and not column.endswith("Status")
    return Kind.TIME if is_time else Kind.TEXT
