"""`hack/demo scale`: a cluster without a node for sandboxes; one comes with the pods and goes with them.

printed NodePool ─► Deployment ─► NodeClaim ─► machine: its Node ─► Ready ─► sandbox ─► pods, each in its own kernel
                                                                no node ◄─ scaled to 0 ◄─┘
"""

import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from lab.autoscale.karpenter import NODE_CLASS_WORD
from lab.autoscale.plan import find_grown
from lab.bench.client import Client
from lab.build.pins import HACK
from lab.cluster.addons import SANDBOX_LABEL
from lab.cluster.images import BUSYBOX_IMAGE
from lab.cluster.installation import ROOT
from lab.cluster.lab_cluster import LabCluster
from lab.demo.pods import Seen, is_settled, read_facts, see_pods
from lab.demo.table import make_console, print_table
from lab.services import NotReady
from lab.shell import run

Object = dict[str, Any]

NAMESPACE = "demo"
PROFILE = "demo"
DEPLOYMENT = "web"
MANIFEST = ROOT / "manifests/samples/workloads/deployment.yaml"
REPLICAS = 2
POLL_SECONDS = 0.1
STAGE_SECONDS = 300
EMPTY_FOR = "1s"
"""In place of the five minutes that the printed NodePool keeps an empty node for the next pods."""


@dataclass(frozen=True)
class Scan:
    """One look at the cluster.

    Attributes:
        pods: Those of the Deployment.
        claims: Karpenter's NodeClaims.
        nodes: The nodes that came by themselves.
        machines: How many machines there are for them.
    """

    pods: list[Object]
    claims: list[Object]
    nodes: list[Object]
    machines: int


@dataclass(frozen=True)
class Stage:
    """Something that becomes true.

    Attributes:
        title: What, in a few words.
        describe: More about it, or None while it isn't true.
    """

    title: str
    describe: Callable[[Scan], str | None]


def _describe_unplaced(scan: Scan) -> str | None:
    waiting = [pod for pod in scan.pods if _find_condition(pod, "PodScheduled").get("reason") == "Unschedulable"]
    return f"{len(waiting)} pods, and no node takes them" if len(waiting) == REPLICAS else None


def _describe_claim(scan: Scan) -> str | None:
    for claim in scan.claims:
        asked = claim["spec"]["resources"]["requests"]
        return f"{claim['metadata']['name']} for {asked['cpu']} CPU and {asked['memory']}: sizes and overheads"
    return None


def _describe_node(scan: Scan) -> str | None:
    return next((f"registered by the kubelet of {node['metadata']['name']}" for node in scan.nodes), None)


def _describe_node_ready(scan: Scan) -> str | None:
    return next(("its kubelet and its network are up" for node in scan.nodes if _is_ready(node)), None)


def _describe_sandbox(scan: Scan) -> str | None:
    clean = any(_is_ready(node) and not node["spec"].get("taints") for node in scan.nodes)
    return "the node's startup taint is gone, as gVisor is installed" if clean else None


def _describe_ready(scan: Scan) -> str | None:
    ready = [pod for pod in scan.pods if _is_ready(pod)]
    return f"{len(ready)} pods run, each in a sandbox" if len(ready) == REPLICAS else None


UP = (
    Stage("Pods", _describe_unplaced),
    Stage("NodeClaim", _describe_claim),
    Stage("Node", _describe_node),
    Stage("Node Ready", _describe_node_ready),
    Stage("Sandbox", _describe_sandbox),
    Stage("Ready", _describe_ready),
)
DOWN = (
    Stage("Pods gone", lambda scan: None if scan.pods else "the node is empty"),
    Stage("Drained", lambda scan: "Karpenter takes the node back" if all(map(_is_leaving, scan.nodes)) else None),
    Stage("No node", lambda scan: None if scan.nodes or scan.claims else "nor a NodeClaim"),
    Stage("No machine", lambda scan: None if scan.machines else "its processes, network and cgroups are gone"),
)


class Show:
    """Shows each command as a person would type it, and what becomes of it."""

    def __init__(self, cluster: LabCluster, console: Console) -> None:
        self._cluster = cluster
        self._console = console
        self._client = Client(cluster.kubeconfig_path)

    def say(self, text: str, style: str | None = None) -> None:
        """Prints a line as it is."""
        self._console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

    def kubectl(self, *words: str, stdin: str | None = None, note: str = "") -> str:
        """Runs kubectl, or its plugin `fargate`, shows that with a note behind it, and returns what it prints."""
        self.say(f"\n$ kubectl {shlex.join(words)}{note and f'   # {note}'}", "bold")
        if words[0] == "fargate":
            command: list[str | Path] = [HACK / "run", "kubectl", *words, "--kubeconfig", self._cluster.kubeconfig_path]
            said = run(command).stdout
        else:
            said = self._cluster.kubectl(*words, stdin=stdin)
        self.say(said.strip() or "No resources found")
        return said

    def follow(self, stages: tuple[Stage, ...]) -> Iterator[tuple[str, float]]:
        """Waits for one stage after the other, and shows each with its seconds since the beginning.

        Raises:
            NotReady: One doesn't come.
        """
        began = time.monotonic()
        for stage in stages:
            deadline = time.monotonic() + STAGE_SECONDS
            while (said := stage.describe(scan := self.scan())) is None:
                if time.monotonic() > deadline:
                    raise NotReady(f"{stage.title}: not within {STAGE_SECONDS} s; there are {_count(scan)}")
                time.sleep(POLL_SECONDS)
            seconds = time.monotonic() - began
            self.say(f"{seconds:7.1f} s  {stage.title}: {said}")
            yield stage.title, seconds

    def scan(self) -> Scan:
        """Looks at the cluster."""
        return Scan(
            self._list(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{DEPLOYMENT}"),
            self._list("/apis/karpenter.sh/v1/nodeclaims"),
            self._list("/api/v1/nodes?labelSelector=karpenter.sh%2Fnodepool"),
            len(find_grown(self._cluster.folder)),
        )

    def _list(self, path: str) -> list[Object]:
        return list(json.loads(self._client.get_text(path))["items"])


def play(cluster: LabCluster) -> tuple[Seen, ...]:
    """Plays it on a cluster with the demo's profile, prints how long each stage took, and returns the pods.

    Raises:
        CommandFailed, NotReady: A step fails.
    """
    show = Show(cluster, make_console())
    _begin(cluster, show)
    show.kubectl("get", "nodes", "-l", f"{SANDBOX_LABEL}=true")
    pool = show.kubectl("fargate", "nodepool", PROFILE, "--class", NODE_CLASS_WORD)
    show.kubectl("apply", "-f", "-", stdin=pool, note="the NodePool")
    name = yaml.safe_load(pool)["metadata"]["name"]
    disruption = {"spec": {"disruption": {"consolidateAfter": EMPTY_FOR}}}
    show.kubectl("patch", "nodepool", name, "--type=merge", "-p", json.dumps(disruption))

    show.kubectl("apply", "-f", "-", stdin=build_deployment(), note=f"a Deployment of {REPLICAS} pods")
    up = dict(show.follow(UP))
    facts = read_facts(cluster.kubectl, NAMESPACE)
    if not is_settled(facts):
        raise NotReady("the pods didn't stay Ready")
    seen = see_pods(facts, cluster.kubectl)
    print_table(seen)

    show.kubectl("scale", "deployment", DEPLOYMENT, "-n", NAMESPACE, "--replicas=0")
    down = dict(show.follow(DOWN))
    _print_stages({**up, **down}, len(UP))
    return seen


def build_deployment() -> str:
    """The sample Deployment, with the image that nodes have."""
    deployment = next(item for item in yaml.safe_load_all(MANIFEST.read_text()) if item["kind"] == "Deployment")
    deployment["spec"]["replicas"] = REPLICAS
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        container["image"] = BUSYBOX_IMAGE
    return json.dumps(deployment)


def _begin(cluster: LabCluster, show: Show) -> None:
    """Removes what a run before this one left: the Deployment, and the nodes that go with it."""
    cluster.kubectl("delete", "deployment", DEPLOYMENT, "-n", NAMESPACE, "--ignore-not-found", "--wait=false")
    deadline = time.monotonic() + STAGE_SECONDS
    while (scan := show.scan()).pods or scan.claims or scan.machines:
        if time.monotonic() > deadline:
            raise NotReady(f"what the last run left doesn't go: {_count(scan)}")
        time.sleep(POLL_SECONDS)


def _print_stages(seconds: Mapping[str, float], up: int) -> None:
    table = Table(box=box.SIMPLE_HEAD, title="From no node, and back", title_justify="left")
    for heading in ("Stage", "after"):
        table.add_column(heading, justify="right" if heading == "after" else "left")
    for number, (stage, taken) in enumerate(seconds.items()):
        table.add_row(stage, f"{taken:.1f} s", end_section=number == up - 1)
    console = make_console()
    console.print()
    console.print(table)


def _count(scan: Scan) -> str:
    return f"{len(scan.pods)} pods, {len(scan.claims)} NodeClaims, {len(scan.nodes)} nodes and {scan.machines} machines"


def _is_leaving(item: Object) -> bool:
    return "deletionTimestamp" in item["metadata"]


def _is_ready(item: Object) -> bool:
    return _find_condition(item, "Ready").get("status") == "True"


def _find_condition(item: Object, kind: str) -> Object:
    conditions = item.get("status", {}).get("conditions", [])
    return next((dict(each) for each in conditions if each["type"] == kind), {})
