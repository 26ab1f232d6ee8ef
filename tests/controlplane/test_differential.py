"""Python and CEL decide alike: generated pods and profiles, thrown at both, on a real API server.

MONOPOD_SEED repeats a run; MONOPOD_DIFFERENTIAL_PODS sets how many pods it has.
"""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from monopod.domain.selection import Profile, Selector
from tests.controlplane.differential.comparison import Case
from tests.controlplane.differential.draws import Draw, Manifest
from tests.controlplane.differential.shrinking import shrink
from tests.controlplane.reach import reach
from tests.controlplane.server import Server

PODS = int(os.environ.get("MONOPOD_DIFFERENTIAL_PODS") or 2000)
PROFILE_SETS = max(30, PODS // 100)
AT_ONCE = 8
NAMESPACES = ("prod-web", "prod", "dev-1", "w")

LEAST_SHARE = {"Sandboxed": 0.2, "Unsupported": 0.05, "Skipped": 0.02, "Unmatched": 0.02}
"""A generator that no longer draws a kind of case would find no difference in it either."""

MOST_INVALID = 0.1


def test_python_and_cel_decide_alike(server: Server, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    draw = Draw(seed)
    outcomes: Counter[str] = Counter()
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number in range(PROFILE_SETS):
            namespace = draw.choice(NAMESPACES)
            profiles = draw.profiles(namespace)
            reach(server, namespace, profiles)
            cases = [Case(namespace, profiles, draw.pod(profiles)) for _ in range(-(-PODS // PROFILE_SETS))]
            found = threads.map(lambda case: case.find_differences(server), cases)
            for case, differences in zip(cases, found, strict=True):
                outcomes["invalid" if differences is None else type(case.decision).__name__] += 1
                if differences:
                    pytest.fail(_explain(server, case, f"MONOPOD_SEED={seed}, profile set {number}"))
    with capsys.disabled():
        spent = time.monotonic() - started
        print(f"\nMONOPOD_SEED={seed}: {PROFILE_SETS} sets of profiles, {dict(outcomes)}, {spent:.0f} s", end=" ")
    total = outcomes.total()
    assert total >= PODS
    assert outcomes["invalid"] <= MOST_INVALID * total
    assert {kind: outcomes[kind] / total for kind in LEAST_SHARE if outcomes[kind] < LEAST_SHARE[kind] * total} == {}


def _explain(server: Server, case: Case, where: str) -> str:
    """The smallest pod and profiles that still differ, as YAML."""

    def with_pod(pod: Manifest) -> Case:
        return Case(case.namespace, case.profiles, pod)

    def with_profiles(profiles: list[Manifest]) -> Case:
        smaller = Case(case.namespace, [_from_plain(profile) for profile in profiles], pod)
        reach(server, case.namespace, smaller.profiles)
        return smaller

    pod = shrink(case.pod, lambda pod: bool(with_pod(pod).find_differences(server)))
    profiles = shrink(
        [_as_plain(profile) for profile in case.profiles],
        lambda profiles: bool(with_profiles(profiles).find_differences(server)),
    )
    smallest = with_profiles(profiles)
    shown = {
        "namespace": case.namespace,
        "profiles": profiles,
        "pod": pod,
        "decision": str(smallest.decision),
        "differences": smallest.find_differences(server),
    }
    return f"{where}\n{yaml.safe_dump(shown, sort_keys=False, width=110)}"


def _as_plain(profile: Profile) -> Manifest:
    return {
        "name": profile.name,
        "runtimeClass": profile.runtime_class,
        "unsupportedPods": profile.unsupported,
        "subnets": list(profile.zones),
        "selectors": [{"namespace": each.namespace, "labels": dict(each.labels)} for each in profile.selectors],
    }


def _from_plain(plain: Manifest) -> Profile:
    selectors = (Selector(each["namespace"], tuple(each["labels"].items())) for each in plain["selectors"])
    zones = tuple(plain["subnets"])
    return Profile(plain["name"], tuple(selectors), plain["runtimeClass"], plain["unsupportedPods"], zones)
