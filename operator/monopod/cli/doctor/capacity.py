"""What `doctor` says of Karpenter: whether it makes nodes for the pods of profiles, and nodes on which they can start.

It judges NodePools by the operator's own rules (`monopod.capacity.rules`), for each profile, and looks besides at what
the operator doesn't read: whether the sandbox's installer removes the startup taint (kata-deploy's variable
STARTUP_TAINTS, kata-containers#13284; gvisor-node's settings), and whether machines have KVM. Where there is no
Karpenter there is nothing to say.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from monopod.capacity.rules.node_class import EC2
from monopod.capacity.rules.node_pool import INSTANCE_SIZE, INSTANCE_TYPE
from monopod.capacity.rules.node_shape import STARTUP_TAINTS
from monopod.capacity.rules.pool import Fits, Pool, judge_pool
from monopod.capacity.rules.report import contribute_capacity
from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.settings import CapacitySettings, Provider
from monopod.capacity.rules.situation import Situation, find_nodes
from monopod.capacity.rules.verdict import Available, NoRuntimeClass, NoSandboxNodes, judge_capacity
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread, read_profiles, unread
from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.kube.objects.views import read_node
from monopod.pods.rules.selection import Profile

KATA_LABEL: Final = "katacontainers.io/kata-runtime"
KATA_DEPLOY: Final = "kata-deploy"
STARTUP_VARIABLE: Final = "STARTUP_TAINTS"
GVISOR_LABEL: Final = "monopod.dev/gvisor"
SETTINGS_VARIABLE: Final = "GVISOR_NODE"
_INSTANCE: Final = f"{EC2}/instance-"
_METAL: Final = re.compile(r"metal(-[0-9]+xl)?|[a-z0-9-]+\.metal(-[0-9]+xl)?")

Json = Mapping[str, Any]


def check_capacity(facts: Facts) -> Iterator[Finding]:
    """Whether Karpenter makes nodes for each profile's pods, and right ones."""
    if isinstance(facts.node_pools, Unread):
        if not facts.node_pools.absent:
            yield unread(Check.CAPACITY, "Whether there are NodePools, Karpenter's,", facts.node_pools)
        return
    if isinstance(facts.runtime_classes, Unread) or isinstance(facts.profiles, Unread):
        return  # other checks say so
    pools, problems = _read_pools(facts.node_pools)
    yield from problems
    sandboxes = {each["metadata"]["name"]: Sandbox.from_resource(each) for each in facts.runtime_classes}
    settings = {each["metadata"]["name"]: _read_settings(each) for each in facts.profiles}
    seen = set[Finding]()  # most profiles have the same sandbox
    for profile in read_profiles(facts):
        sandbox = sandboxes.get(profile.runtime_class)
        if sandbox is None:
            continue
        for finding in _check_profile(profile, settings[profile.name], sandbox, pools, facts):
            if finding not in seen:
                seen.add(finding)
                yield finding


def _read_settings(profile: Json) -> CapacitySettings:
    try:
        return CapacitySettings.from_resource(profile)
    except InvalidManifest:  # another check says so
        return CapacitySettings()


def _read_pools(resources: Sequence[Json]) -> tuple[tuple[Pool, ...], list[Finding]]:
    pools, problems = [], []
    for resource in resources:
        try:
            pools.append(Pool.from_resource(resource))
        except InvalidManifest as problem:
            message = f"NodePool {resource['metadata']['name']} isn't as Karpenter's v1 has it: {problem}."
            problems.append(Finding(Check.CAPACITY, Level.WARNING, message, "Look at it yourself."))
    return tuple(pools), problems


def _check_profile(
    profile: Profile, settings: CapacitySettings, sandbox: Sandbox, pools: tuple[Pool, ...], facts: Facts
) -> Iterator[Finding]:
    nodes = () if isinstance(facts.nodes, Unread) else tuple(map(read_node, facts.nodes))
    found = find_nodes(nodes, sandbox, profile.zones, tuple(STARTUP_TAINTS))
    situation = Situation(profile.name, settings, profile.zones, sandbox, found, pools, (), facts.now)
    judgement = judge_capacity(situation)
    if not isinstance(judgement.verdict, Available | NoRuntimeClass | NoSandboxNodes):  # the check Nodes says the last
        message = contribute_capacity(judgement, profile.name, found.usable, 0).findings[0].message
        fact, _, action = message.partition(": ")
        text = f"Profile {profile.name}: {fact}."
        yield Finding(Check.CAPACITY, Level.WARNING, text, f"{action[:1].upper()}{action[1:]}.")
    if judgement.provider is not Provider.KARPENTER:
        return
    chosen = [pool for pool in pools if not settings.node_pools or pool.name in settings.node_pools]
    for pool in chosen:
        if isinstance(judge_pool(pool, sandbox, profile.zones), Fits):
            yield from _check_pool(pool, sandbox, facts)


def _check_pool(pool: Pool, sandbox: Sandbox, facts: Facts) -> Iterator[Finding]:
    problems = [*_find_kept_taint(pool, sandbox, facts), *_find_machines_without_kvm(pool, sandbox)]
    yield from problems
    if not problems:
        message = f"Karpenter makes nodes of NodePool {pool.name} for pods of RuntimeClass {sandbox.name}."
        yield Finding(Check.CAPACITY, Level.OK, message)


def _find_kept_taint(pool: Pool, sandbox: Sandbox, facts: Facts) -> Iterator[Finding]:
    """Startup taints that the installer of the sandbox isn't told to remove."""
    if isinstance(facts.daemon_sets, Unread):
        return
    given = {taint.key for taint in pool.startup_taints} & sandbox.node_selector.keys()
    for key, installer, read, remedy in _INSTALLERS:
        told = [found for each in facts.daemon_sets if (found := read(each)) is not None]
        if key in given and told and not any(key in found for found in told):
            message = (
                f"NodePool {pool.name} gives nodes the startup taint {key}, and {installer} isn't told to remove it: "
                "they never take a pod."
            )
            yield Finding(Check.CAPACITY, Level.PROBLEM, message, f"helm upgrade … --set {remedy} of {installer}.")


def _read_kata_deploy(daemon_set: Json) -> set[str] | None:
    """The keys of taints that it removes, each told as KEY or KEY:EFFECT; None if it isn't kata-deploy."""
    if not any(KATA_DEPLOY in str(each.get("image")) for each in _list_containers(daemon_set)):
        return None
    told = _list_values(daemon_set, STARTUP_VARIABLE)
    return {word.partition(":")[0] for text in told for word in re.split(r"[\s,]+", text)}


def _read_gvisor_node(daemon_set: Json) -> set[str] | None:
    """The key of the taint that it removes, of its settings as JSON; None if it isn't gvisor-node."""
    for text in _list_values(daemon_set, SETTINGS_VARIABLE):
        with contextlib.suppress(ValueError):  # of JSON and of its fields: what can't be read isn't judged
            return {Part({"settings": json.loads(text)}).child("settings").child("node").text("startupTaint")}
    return None


def _list_values(daemon_set: Json, variable: str) -> list[str]:
    named = [each for container in _list_containers(daemon_set) for each in container.get("env") or ()]
    return [str(each.get("value") or "") for each in named if each.get("name") == variable]


def _list_containers(daemon_set: Json) -> Sequence[Json]:
    return daemon_set["spec"]["template"]["spec"].get("containers") or ()


_INSTALLERS: Final[tuple[tuple[str, str, Callable[[Json], set[str] | None], str], ...]] = (
    (KATA_LABEL, KATA_DEPLOY, _read_kata_deploy, f"'startupTaints={{{KATA_LABEL}}}'"),
    (GVISOR_LABEL, "gvisor-node", _read_gvisor_node, f"node.startupTaint={GVISOR_LABEL}"),
)
"""The label and taint that each installer of sandboxes has, its name, what reads its taints, and the chart's value."""


def _find_machines_without_kvm(pool: Pool, sandbox: Sandbox) -> Iterator[Finding]:
    """Kata's pods on EC2 need metal: Karpenter launches no virtual instance so that it could nest another."""
    if not sandbox.is_kata or pool.provider != EC2 or _asks_for_metal(pool, sandbox):
        return
    message = (
        f"NodePool {pool.name} may make instances without KVM, on which no pod of RuntimeClass {sandbox.name} starts: "
        "none of its requirements asks for metal."
    )
    action = f"Let it require {INSTANCE_SIZE} In [metal, …], as `kubectl fargate nodepool` prints it; or use gVisor."
    yield Finding(Check.CAPACITY, Level.WARNING, message, action)


def _asks_for_metal(pool: Pool, sandbox: Sandbox) -> bool:
    """Whether instances are chosen by something that tells metal from others, or can only be metal."""
    told = [each for each in pool.requirements if each.key in (INSTANCE_SIZE, INSTANCE_TYPE) and each.operator == "In"]
    if any(each.values and all(_METAL.fullmatch(value) for value in each.values) for each in told):
        return True
    hypervisor = f"{_INSTANCE}hypervisor"
    return any(each.key == hypervisor for each in pool.requirements) or any(
        _METAL.fullmatch(value) for key, value in sandbox.node_selector.items() if key in (INSTANCE_SIZE, INSTANCE_TYPE)
    )
