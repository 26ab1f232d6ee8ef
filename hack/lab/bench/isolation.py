"""What isolation costs at scale: pods are created at a steady rate, with a NetworkPolicy for each or one for all.

A control plane with fake nodes (kwok) and the operator as a process beside it: etcd, the API server, the scheduler,
the operator and the benchmark itself share the machine's cores, so the operator's own CPU time says more than the
latency does. The watch that hears of the policies runs in a process of its own, or Python would be late to hear.
"""

import json
import multiprocessing
import os
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lab.bench.client import Client
from lab.bench.cluster import find_operator, run_operated, wait_until
from lab.bench.figures import Figures, sum_up
from lab.progress import say, step
from lab.services import NotReady
from monopod.api.names import API_VERSION, DEFAULT_GROUP
from monopod.isolation.rules.network_policies import name_groups_policy, name_pod_policy
from monopod.kube.objects.resources import NAMESPACES, NETWORK_POLICIES, PODS, PROFILES, SERVICE_ACCOUNTS

Object = dict[str, Any]
NAMESPACE = "burst"
POLICIES = NETWORK_POLICIES.list_path(NAMESPACE)
PODS_PER_NODE = 50  # a fake node has 1 TiB for the 20 GiB that each pod is provisioned with
WRITERS = 8
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 1.0
MODES = ("PerPod", "PerGroup")
WRITING = "POST|PUT|PATCH|APPLY|DELETE"


@dataclass(frozen=True)
class IsolationFigures:
    """One burst of pods.

    Attributes:
        mode: The profile's `isolation`.
        pods: How many were created.
        offered: How many were to be created in a second.
        reached: How many the API server took in a second.
        policy: Seconds from the API server's answer to a pod's creation until a watch hears of the policy that opens
            the pod; 0 where that is there already.
        policy_writes: Requests that write NetworkPolicies, for each pod.
        pod_writes: Requests of the operator's that change pods, for each pod.
        cpu: The operator's CPU time, in seconds for each pod.
        memory: The most memory that the operator held, in bytes.
    """

    mode: str
    pods: int
    offered: float
    reached: float
    policy: Figures
    policy_writes: float
    pod_writes: float
    cpu: float
    memory: int


def measure_isolation(count: int, rate: float) -> tuple[IsolationFigures, ...]:
    """Creates `count` pods, `rate` of them in a second if the API server can; each mode on a cluster of its own."""
    return tuple(_measure_mode(mode, count, rate) for mode in MODES)


def _measure_mode(mode: str, count: int, rate: float) -> IsolationFigures:
    with run_operated("isolation", fake_nodes=-(-count // PODS_PER_NODE) + 1) as cluster:
        client = Client(cluster.kubeconfig_path)
        _prepare(client, mode)
        operator = find_operator(cluster)
        before, cpu = client.get_text("/metrics"), read_cpu_seconds(operator)
        expected = len({_policy_of(mode, name_pod(number)) for number in range(count)})
        with _listen(cluster.kubeconfig_path, expected) as heard:
            with step(f"{mode}: creating {count} pods, {rate:.0f} in a second", count / rate):
                began = time.time()
                created = _create_pods(cluster.kubeconfig_path, count, rate)
                took = max(created.values()) - began
            with step("waiting for their policies", 10):
                policies = _receive(heard)
        with step("waiting until all are scheduled, and counted", count / 50):
            wait_until(lambda: _is_settled(client, count), "the last pod", PATIENCE_SECONDS, LOOK_SECONDS)
        after = client.get_text("/metrics")
        policy_writes, pod_writes = (
            count_writes(after, *what) - count_writes(before, *what)
            for what in (("networkpolicies",), ("pods", "PATCH|APPLY"))
        )
        return IsolationFigures(
            mode=mode,
            pods=count,
            offered=rate,
            reached=count / took,
            policy=sum_up([max(0.0, policies[_policy_of(mode, pod)] - at) for pod, at in created.items()]),
            policy_writes=policy_writes / count,
            pod_writes=pod_writes / count,
            cpu=(read_cpu_seconds(operator) - cpu) / count,
            memory=read_peak_memory(operator),
        )


def _prepare(client: Client, mode: str) -> None:
    client.post(NAMESPACES.list_path(), {"metadata": {"name": NAMESPACE}})
    profile = {
        "apiVersion": API_VERSION,
        "kind": "FargateProfile",
        "metadata": {"name": NAMESPACE},
        "spec": {"selectors": [{"namespace": NAMESPACE}], "isolation": mode},
    }
    client.post(PROFILES.list_path(), profile)
    path, accounts = PROFILES.path(NAMESPACE), SERVICE_ACCOUNTS.list_path(NAMESPACE)
    wait_until(lambda: '"ACTIVE"' in client.get_text(path), "a profile", PATIENCE_SECONDS)
    wait_until(lambda: '"name":"default"' in client.get_text(accounts), "an account", PATIENCE_SECONDS)


def _is_settled(client: Client, count: int) -> bool:
    """Whether every pod has a node, and the operator has seen them all: its work for them is done then."""
    profile = json.loads(client.get_text(PROFILES.path(NAMESPACE)))
    unbound = json.loads(client.get_text(f"{PODS.list_path(NAMESPACE)}?fieldSelector=spec.nodeName%3D&limit=1"))[
        "items"
    ]
    return profile["status"].get("pods") == count and not unbound


def name_pod(number: int) -> str:
    """The name of one of the pods."""
    return f"pod-{number:05}"


def build_pod(name: str) -> Object:
    """A pod that fake nodes take."""
    tolerations = [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}]
    container = {"name": "app", "image": "registry.example.com/app:1"}
    return {"metadata": {"name": name}, "spec": {"containers": [container], "tolerations": tolerations}}


def _create_pods(kubeconfig: Path, count: int, rate: float) -> dict[str, float]:
    """When the API server had answered, by the pod's name."""
    began = time.monotonic()
    created: dict[str, float] = {}

    def write(first: int) -> None:
        client = Client(kubeconfig)
        for number in range(first, count, WRITERS):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            name = name_pod(number)
            client.post(PODS.list_path(NAMESPACE), build_pod(name))
            created[name] = time.time()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    return created


@contextmanager
def _listen(kubeconfig: Path, count: int) -> Iterator[Connection]:
    """Hears of `count` policies in another process; it sends when each was heard of, once it has heard of all."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    listener = context.Process(target=_hear, args=(kubeconfig, count, sender))
    listener.start()
    sender.close()
    try:
        if receiver.recv() != "listening":
            raise NotReady("the watch of NetworkPolicies did not begin")
        yield receiver
    finally:
        listener.kill()
        listener.join()


def _hear(kubeconfig: Path, count: int, sender: Connection) -> None:
    heard: dict[str, float] = {}
    # The namespace's base policy isn't among them.
    names = re.compile(rb'"type":"ADDED".*?"name":"(pod-[^"]+|monopod-groups[^"]*)"')
    lines = Client(kubeconfig).watch_lines(POLICIES)
    sender.send("listening")
    for line in lines:
        found = names.search(line)
        if found and found[1].decode() not in heard:
            heard[found[1].decode()] = time.time()
            if len(heard) == count:
                sender.send(heard)
                return


def _receive(heard: Connection) -> Mapping[str, float]:
    if not heard.poll(PATIENCE_SECONDS):
        raise NotReady(f"not every pod has a NetworkPolicy after {PATIENCE_SECONDS:.0f} s")
    try:
        policies: dict[str, float] = heard.recv()
    except EOFError:
        raise NotReady("the watch of NetworkPolicies ended early") from None
    return policies


def _policy_of(mode: str, pod: str) -> str:
    groups = (DEFAULT_GROUP,)
    return name_pod_policy(pod, groups) if mode == "PerPod" else name_groups_policy(groups)


def count_writes(metrics: str, resource: str, verbs: str = WRITING) -> float:
    """Requests that wrote objects of a kind, not their subresources, by what /metrics answers."""
    total = 0.0
    for labels, value in re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", metrics, re.MULTILINE):
        found = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if found["resource"] == resource and not found["subresource"] and re.fullmatch(verbs, found["verb"]):
            total += float(value) if found["code"].startswith("2") and not found["dry_run"] else 0.0
    return total


def read_cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_peak_memory(pid: int) -> int:
    """The most memory that a process has held, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        say(f"process {pid} has no VmHWM")
        return 0
    return int(found[1]) * 1024
