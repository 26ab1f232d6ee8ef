"""What Kubernetes takes for a name."""

import re
from typing import Final

DNS_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
"""Of namespaces, RuntimeClasses' handlers and most other things: RFC 1123's label."""

_DNS_LABEL: Final = re.compile(DNS_LABEL)


def is_dns_label(name: str) -> bool:
    """Whether an object may have this name, where it has to be a label of DNS."""
    return _DNS_LABEL.fullmatch(name) is not None
