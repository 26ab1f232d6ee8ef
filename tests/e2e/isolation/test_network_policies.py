"""Kubernetes' own tests of NetworkPolicies pass with a profile on every namespace as they do without one.

A few of them here, and all by `make test-deep`. What has the default group must not open what the namespace's owners
closed, so these are above all tests that deny. One of them replaces a pod's labels as a whole.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.live import Live
from tests.e2e.netpol import SUITE_SECONDS, load_image, run_suite
from tests.e2e.network import RUNC_CLASS, apply_with_runc
from tests.e2e.workloads import a_profile

FARGATE = "fargate-"
PLAIN = "plain-"
"""Begin the names of namespaces."""

FEW = (
    "client should support a 'default-deny-ingress' policy",
    "client should support a 'default-deny-all' policy",
    "should deny egress from all pods in a namespace",
    "should enforce policy to allow traffic from pods within server namespace",
    "should enforce updated policy",
    "should stop enforcing policies after they are deleted",
    "should deny ingress access to updated pod",
)
"""In regular expressions of their names."""


@pytest.fixture(scope="module")
def suite(live: Live) -> Iterator[Live]:
    """The cluster, with a profile that takes all pods of namespaces that begin with `fargate-`; runc runs them."""
    profile = a_profile("policies", f"{FARGATE}*", {}, runtimeClassName=RUNC_CLASS["metadata"]["name"])
    load_image(live)
    with apply_with_runc(live, profile):
        yield live


@pytest.mark.timeout(1200)
def test_a_profile_opens_nothing_that_a_namespaces_policies_close(suite: Live, tmp_path: Path) -> None:
    results = run_suite(suite, FARGATE, tmp_path, FEW, on_fargate=True)
    assert len(results) == len(FEW)
    assert find_failures(results) == {}


@pytest.mark.timeout(3 * SUITE_SECONDS)
@pytest.mark.skipif(not os.environ.get("MONOPOD_NETWORK_POLICIES"), reason="half an hour; `make test-deep` runs it")
def test_all_tests_of_network_policies_pass_with_a_profile_as_without(suite: Live, tmp_path: Path) -> None:
    without = run_suite(suite, PLAIN, tmp_path, on_fargate=False)
    ours = run_suite(suite, FARGATE, tmp_path, on_fargate=True)
    assert find_failures(ours) == find_failures(without) == {}
    assert ours.keys() == without.keys()


def find_failures(results: dict[str, str]) -> dict[str, str]:
    return {name: said for name, said in results.items() if said}
