"""What a real API server accepts as a FargateProfile's `spec.allowedCapabilities`, and what it refuses."""

import json
from typing import Any

import pytest

from monopod.api.profile_fields import LINUX_CAPABILITIES
from tests.controlplane.builders import a_profile, create, refusals

CAPABILITY = "must be a capability of Linux, in upper case and without CAP_, such as SYS_PTRACE"

REFUSED = {
    "a capability with its prefix": (
        a_profile(allowedCapabilities=["SYS_PTRACE", "CAP_SYS_TIME"]),
        f'spec.allowedCapabilities[1]: Invalid value: "CAP_SYS_TIME": {CAPABILITY}',
    ),
    "a capability in lower case": (
        a_profile(allowedCapabilities=["sys_ptrace"]),
        f'spec.allowedCapabilities[0]: Invalid value: "sys_ptrace": {CAPABILITY}',
    ),
    "all capabilities": (
        a_profile(allowedCapabilities=["ALL"]),
        'spec.allowedCapabilities[0]: Invalid value: "ALL": ALL can\'t be allowed, because it means others with each '
        "kernel and runtime: name those that pods need",
    ),
    "the same capability twice": (
        a_profile(allowedCapabilities=["BPF", "BPF"]),
        "spec.allowedCapabilities: Invalid value: the same capability is listed twice",
    ),
    "too many capabilities": (
        a_profile(allowedCapabilities=[f"C{number}" for number in range(42)]),
        "spec.allowedCapabilities: Too many: 42: must have at most 41 items",
    ),
}


@pytest.mark.parametrize(("profile", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_capability_is_refused_for_one_reason_that_names_field_and_rule(
    installed: Any, profile: dict[str, Any], reason: str
) -> None:
    answer = create(installed, profile, "--dry-run=server")
    assert answer.returncode != 0
    assert refusals(answer.stderr)[0].startswith(reason)


@pytest.mark.parametrize("names", [[], ["SYS_PTRACE"], list(LINUX_CAPABILITIES)], ids=len)
def test_capabilities_are_accepted_as_they_are(installed: Any, names: list[str]) -> None:
    answer = create(installed, a_profile(allowedCapabilities=names), "--dry-run=server", "-o", "json")
    assert answer.stderr == ""
    assert json.loads(answer.stdout)["spec"]["allowedCapabilities"] == names
