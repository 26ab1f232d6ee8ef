"""Python and CEL decide alike: generated pods and profiles, thrown at both, on a real API server.

MONOPOD_SEED repeats a run; MONOPOD_DIFFERENTIAL_PODS sets how many pods it has.
"""

import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest
import yaml

from monopod.isolation.cel.group_policies import compile_group_policies
from monopod.pods.rules.selection import Profile, Selector
from tests.controlplane.differential.comparison import Case
from tests.controlplane.differential.draws import Draw, Manifest
from tests.controlplane.differential.group_draws import Setting, draw_setting, dress
from tests.controlplane.differential.shrinking import shrink
from tests.controlplane.differential.spot_draws import ask_for_spot, draw_on_demand, draw_providers, own_as_a_workload
from tests.controlplane.reach import reach
from tests.controlplane.server import Server

PODS = int(os.environ.get("MONOPOD_DIFFERENTIAL_PODS") or 2000)
PROFILE_SETS = max(30, PODS // 100)
AT_ONCE = 8
NAMESPACES = ("prod-web", "prod", "dev-1", "w")

LEAST_SHARE = {
    **{"Sandboxed": 0.2, "Unsupported": 0.05, "Skipped": 0.02, "Unmatched": 0.02},
    **{"OptOutRefused": 0.0005, "ProviderRefused": 0.0005},
    "OnDemand": 0.0005,
    **{"Misnamed": 0.0005, "waits": 0.002, "SecurityGroupPolicy": 0.002, "Annotation": 0.02},
}
"""A generator that no longer draws a kind of case would find no difference in it either. What depends on the namespace
is drawn once for each set of profiles, and so varies more: an eighth of what is usual is no fault of the generator."""

MOST_INVALID = 0.1


def test_python_and_cel_decide_alike(server: Server, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    draw = Draw(seed)
    outcomes: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number in range(PROFILE_SETS):
            namespace = draw.choice(NAMESPACES)
            profiles, setting = draw_providers(draw, draw.profiles(namespace)), draw_setting(draw)
            setting = replace(setting, on_demand=draw_on_demand(draw, profiles))
            publish(server, namespace, profiles, setting)
            cases = [draw_case(draw, namespace, profiles, setting) for _ in range(-(-PODS // PROFILE_SETS))]
            found = threads.map(lambda case: case.find_differences(server), cases)
            for case, differences in zip(cases, found, strict=True):
                outcomes["invalid" if differences is None else case.outcome] += 1
                seen.update(case.traits)
                if differences:
                    pytest.fail(_explain(server, case, f"MONOPOD_SEED={seed}, profile set {number}"))
    with capsys.disabled():
        spent = time.monotonic() - started
        print(
            f"\nMONOPOD_SEED={seed}: {PROFILE_SETS} sets of profiles, {dict(outcomes)}, {dict(seen)}, {spent:.0f} s",
            end=" ",
        )
    total = outcomes.total()
    assert total >= PODS
    assert outcomes["invalid"] <= MOST_INVALID * total
    shares = {kind: (outcomes[kind] + seen[kind]) / total for kind in LEAST_SHARE}
    assert {kind: share for kind, share in shares.items() if share < LEAST_SHARE[kind]} == {}


def draw_case(draw: Draw, namespace: str, profiles: Sequence[Profile], setting: Setting) -> Case:
    pod = draw.pod(profiles)
    dress(draw, pod)
    ask_for_spot(draw, pod)
    own_as_a_workload(draw, pod)
    return Case(namespace, profiles, setting, pod)


def publish(server: Server, namespace: str, profiles: Sequence[Profile], setting: Setting) -> None:
    compiled = compile_group_policies(setting.read_policies(), setting.accounts)
    reach(
        server,
        namespace,
        profiles,
        isolated=setting.isolated,
        group_policies=compiled,
        on_demand=setting.on_demand,
    )


def _explain(server: Server, case: Case, where: str) -> str:
    """The smallest pod, profiles and policies that still differ, as YAML."""

    def with_pod(pod: Manifest) -> Case:
        return Case(case.namespace, case.profiles, case.setting, pod)

    def with_surroundings(plain: Manifest) -> Case:
        profiles, setting = [_from_plain(profile) for profile in plain["profiles"]], Setting(**plain["setting"])
        publish(server, case.namespace, profiles, setting)
        return Case(case.namespace, profiles, setting, pod)

    pod = shrink(case.pod, lambda pod: bool(with_pod(pod).find_differences(server)))
    surroundings = shrink(
        {"profiles": [_as_plain(profile) for profile in case.profiles], "setting": asdict(case.setting)},
        lambda plain: bool(with_surroundings(plain).find_differences(server)),
    )
    smallest = with_surroundings(surroundings)
    shown = {
        "namespace": case.namespace,
        **surroundings,
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
        "securityGroups": list(profile.security_groups),
        "podSecurityGroups": profile.pod_security_groups,
        "allowedAnnotations": list(profile.allowed_annotations),
        "seLinuxOptions": profile.selinux_options,
        "optOut": profile.opt_out,
        "capacityProvider": profile.capacity_provider,
        "spotNodeLabel": profile.spot_node_label,
        "podChoice": profile.pod_choice,
        "spotReclaim": profile.spot_reclaim,
        "allowedCapabilities": list(profile.allowed_capabilities),
        "selectors": [{"namespace": each.namespace, "labels": dict(each.labels)} for each in profile.selectors],
    }


def _from_plain(plain: Manifest) -> Profile:
    selectors = (Selector(each["namespace"], tuple(each["labels"].items())) for each in plain["selectors"])
    return Profile(
        plain["name"],
        tuple(selectors),
        plain["runtimeClass"],
        plain["unsupportedPods"],
        tuple(plain["subnets"]),
        security_groups=tuple(plain["securityGroups"]),
        pod_security_groups=plain["podSecurityGroups"],
        allowed_annotations=tuple(plain["allowedAnnotations"]),
        selinux_options=plain["seLinuxOptions"],
        opt_out=plain["optOut"],
        capacity_provider=plain["capacityProvider"],
        spot_node_label=plain["spotNodeLabel"],
        pod_choice=plain["podChoice"],
        spot_reclaim=plain["spotReclaim"],
        allowed_capabilities=tuple(plain["allowedCapabilities"]),
    )
