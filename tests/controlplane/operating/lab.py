"""An operator as a process beside a control plane, with its own ServiceAccount's rights, and ways to look at both."""

import base64
import functools
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from urllib3.exceptions import HTTPError

from monopod.api.names import (
    API_VERSION,
    BASE_POLICY,
    PATTERNS_CONFIGMAP,
    QUOTA_CONFIGMAP,
    SERVICE_ACCOUNT,
    SYSTEM_NAMESPACE,
)
from monopod.selectors.compile import STALE_SECONDS
from tests.clusters import ControlPlane
from tests.controlplane.server import APPLY_PATCH, MERGE_PATCH, Answer, Server
from tests.resources import RESOURCES
from tests.waiting import describe_check

ROOT = Path(__file__).parents[3]
SANDBOX = "gvisor"
DEADLINE_SECONDS = 180.0
QUIET_SECONDS = STALE_SECONDS + 2.0

Json = dict[str, Any]
Found = TypeVar("Found")


def eventually(check: Callable[[], Found], deadline: float = DEADLINE_SECONDS) -> Found:
    """What `check` returns, once it returns something true.

    Until then an assertion of it may fail, a request may time out or break off, and what it looks up may not be there
    yet, as a status that nobody has written.
    """
    until = time.monotonic() + deadline
    while True:
        failure: AssertionError | HTTPError | LookupError | None = None
        try:
            if found := check():
                return found
        except (AssertionError, HTTPError, LookupError) as error:
            failure = error
        if time.monotonic() > until:
            raise failure or AssertionError(f"not within {deadline:g} s: {describe_check(check)}")
        time.sleep(0.1)


class Lab:
    """Reads and writes objects, as the administrator or as the operator's ServiceAccount."""

    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self.kubectl = cluster.kubectl
        self.kubectl_path = cluster.lab.kubectl_path
        self.folder = folder
        self.kubeconfig_path = cluster.kubeconfig_path
        self.token = self.kubectl("create", "token", SERVICE_ACCOUNT, "-n", SYSTEM_NAMESPACE).stdout.strip()
        self._api = Server(cluster.kubeconfig_path)
        self._cluster: Json = yaml.safe_load(cluster.kubeconfig_path.read_text())["clusters"][0]["cluster"]
        authority = base64.b64decode(self._cluster["certificate-authority-data"]).decode()
        self.tls = ssl.create_default_context(cadata=authority)

    @property
    def server(self) -> str:
        return str(self._cluster["server"])

    def write_kubeconfig(self, server: str | None = None, token: str | None = None) -> Path:
        """A kubeconfig with the operator's own identity or another, for the API server or for what stands before it."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {**self._cluster, "server": server or self.server}}],
            "users": [{"name": "operator", "user": {"token": token or self.token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "operator"}}],
            "current-context": "lab",
        }
        path = self.folder / f"kubeconfig-{os.urandom(4).hex()}"
        path.write_text(yaml.safe_dump(config))
        return path

    def as_operator(self, method: str, path: str, body: Json, content_type: str = "application/json") -> int:
        """Sends a request with the operator's real identity; the HTTP status of the answer."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        request = urllib.request.Request(  # noqa: S310 the API server's address
            self.server + path, json.dumps(body).encode(), headers, method=method
        )
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=60) as response:  # noqa: S310 the same
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def watch(self, path: str) -> Iterator[Json]:
        """The events of a watch stream, until the API server ends it."""
        request = urllib.request.Request(  # noqa: S310 the API server's address
            f"{self.server}{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, context=self.tls, timeout=30) as stream:  # noqa: S310 the same
            for line in stream:
                yield json.loads(line)

    def create(self, item: Json, *, dry_run: bool = False) -> Answer:
        path = RESOURCES[item["kind"]].list_path(item["metadata"].get("namespace", ""))
        return self._api.create(path, item, dry_run=dry_run)

    def get(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """One object; None if it doesn't exist."""
        answer = self._api.get(RESOURCES[kind].path(name, namespace))
        return answer.body if answer.ok else None

    def list_all(self, kind: str, namespace: str = "", query: str = "") -> Sequence[Json]:
        """The objects of a namespace, or of all."""
        path = RESOURCES[kind].list_path(namespace)
        return list(self._api.get(path + query).expect_ok()["items"])

    def patch(self, kind: str, name: str, patch: Json, namespace: str = "") -> None:
        self._api.patch(RESOURCES[kind].path(name, namespace), patch).expect_ok()

    def apply(self, item: Json) -> None:
        """Applies fields as a field manager of its own, which then owns them too."""
        path = RESOURCES[item["kind"]].list_path(item["metadata"].get("namespace", ""))
        self._api.patch(f"{path}/{item['metadata']['name']}", item, kind=APPLY_PATCH).expect_ok()

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        answer = self._api.delete(RESOURCES[kind].path(name, namespace))
        assert answer.ok or answer.status == 404, answer.message

    def restore(self, item: Json) -> None:
        """Creates an object that was read before and deleted since, or makes it what it was."""
        metadata = {key: value for key, value in item["metadata"].items() if key in ("name", "labels", "annotations")}
        fresh = {key: value for key, value in item.items() if key != "status"} | {"metadata": metadata}
        answer = self.create(fresh)
        if answer.status == 409:
            path = f"{RESOURCES[item['kind']].list_path()}/{metadata['name']}"
            version = self._api.get(path).expect_ok()["metadata"]["resourceVersion"]
            self._api.update(path, {**fresh, "metadata": {**metadata, "resourceVersion": version}}).expect_ok()
        else:
            answer.expect_ok()

    def create_profile(self, name: str, *namespaces: str, labels: dict[str, str] | None = None, **spec: Any) -> None:
        selectors = [{"namespace": namespace, **({"labels": labels} if labels else {})} for namespace in namespaces]
        self.create(build_profile(name, selectors=selectors, **spec)).expect_ok()

    def delete_profile(self, name: str) -> None:
        self.delete("FargateProfile", name)
        eventually(lambda: self.get("FargateProfile", name) is None)

    def delete_profiles(self) -> None:
        """Deletes all profiles, whether or not an operator is there to let go of them."""
        self.kubectl("delete", "fargateprofiles", "--all", "--wait=false")
        for profile in self.list_all("FargateProfile"):
            path = RESOURCES["FargateProfile"].path(profile["metadata"]["name"])
            answer = self._api.patch(path, {"metadata": {"finalizers": None}})
            assert answer.ok or answer.status == 404, answer.message
        eventually(lambda: not self.list_all("FargateProfile"))

    def reset_quota(self) -> None:
        """As before any operator counted profiles; an old count would refuse new ones."""
        self.patch("ConfigMap", QUOTA_CONFIGMAP, {"data": None}, SYSTEM_NAMESPACE)
        profile = build_profile("uncounted", selectors=[{"namespace": "uncounted"}])
        eventually(lambda: self.create(profile, dry_run=True).ok)

    def create_namespace(self, name: str) -> None:
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).expect_ok()

    def create_pod(self, namespace: str, name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> None:
        metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
        spec = {"containers": [{"name": "app", "image": "app"}], **spec}
        self.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).expect_ok()

    def bind_pod(self, namespace: str, name: str, node: str = "node", *, by_uid: bool = True) -> None:
        """Gives a pod a node, as the scheduler does once no gate holds the pod; or as others do, by name alone."""
        uid = {"uid": (self.get("Pod", name, namespace) or {})["metadata"]["uid"]} if by_uid else {}
        binding = {"metadata": {"name": name, **uid}, "target": {"kind": "Node", "name": node}}
        path = f"{RESOURCES['Pod'].list_path(namespace)}/{name}/binding"
        eventually(lambda: self._api.create(path, binding).ok)

    def create_group(self, name: str, **spec: Any) -> None:
        """A security group; what it opens is given as `ingress` and `egress`."""
        group = {"apiVersion": API_VERSION, "kind": "SecurityGroup", "metadata": {"name": name}, "spec": spec}
        self.create(group).expect_ok()

    def delete_groups(self, *names: str) -> None:
        """Deletes security groups, all if none is named, although they may be in use."""
        present = [item["metadata"]["name"] for item in self.list_all("SecurityGroup")]
        for name in names or present:
            eventually(functools.partial(self._delete_group, name))

    def _delete_group(self, name: str) -> bool:
        path = RESOURCES["SecurityGroup"].path(name)
        self._api.patch(f"{path}/status", {"status": None})
        return self._api.delete(path).status in (200, 404)

    def policies(self, namespace: str) -> dict[str, Json]:
        """The NetworkPolicies of a namespace by name, but for the base policy."""
        found = {item["metadata"]["name"]: item for item in self.list_all("NetworkPolicy", namespace)}
        return {name: item for name, item in found.items() if name != BASE_POLICY}

    def damage_policy(self, namespace: str, name: str, damage: Json | None) -> None:
        """Changes a NetworkPolicy of Monopod's, or deletes it, as whoever holds the operator's token might."""
        path = RESOURCES["NetworkPolicy"].path(name, namespace)
        if damage is None:
            assert self.as_operator("DELETE", path, {}) == 200
        else:
            assert self.as_operator("PATCH", path, damage, MERGE_PATCH) == 200

    def allow_no_policies(self, namespace: str) -> None:
        """A quota, `none`, that refuses new NetworkPolicies."""
        none = {"count/networkpolicies.networking.k8s.io": "0"}
        metadata = {"name": "none", "namespace": namespace}
        self.create(
            {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": none}}
        ).expect_ok()
        # What the quota controller of a whole cluster does.
        counted = json.dumps({"status": {"hard": none, "used": none}})
        self.kubectl("patch", "quota", "none", "-n", namespace, "--subresource=status", "--type=merge", "-p", counted)
        policy = {"metadata": {"name": "any", "namespace": namespace}, "spec": {"podSelector": {}}}
        refused = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", **policy}
        eventually(lambda: not self.create(refused, dry_run=True).ok)

    def status(self, name: str) -> Json:
        """A profile's status."""
        return dict((self.get("FargateProfile", name) or {}).get("status") or {})

    def phase(self, name: str) -> str:
        return str(self.status(name).get("phase", ""))

    def group_status(self, name: str) -> Json:
        """A security group's status."""
        return dict((self.get("SecurityGroup", name) or {}).get("status") or {})

    def condition(self, name: str, kind: str) -> Json:
        return next((dict(one) for one in self.status(name).get("conditions", ()) if one["type"] == kind), {})

    def namespace_marks(self, name: str) -> tuple[str | None, str | None]:
        """The namespace's label and selectors."""
        metadata = (self.get("Namespace", name) or {"metadata": {}})["metadata"]
        selectors = metadata.get("annotations", {}).get("monopod.dev/profiles")
        return metadata.get("labels", {}).get("monopod.dev/fargate"), selectors

    def patterns(self) -> Json:
        """The data of the ConfigMap for new namespaces."""
        return dict((self.get("ConfigMap", PATTERNS_CONFIGMAP, SYSTEM_NAMESPACE) or {}).get("data") or {})

    def quota(self) -> Json:
        """The data of the ConfigMap that counts profiles."""
        return dict((self.get("ConfigMap", QUOTA_CONFIGMAP, SYSTEM_NAMESPACE) or {}).get("data") or {})

    def events(self, namespace: str, about: str) -> Sequence[Json]:
        return self.list_all("Event", namespace, f"?fieldSelector=involvedObject.name={about}")

    def lease_holder(self) -> str:
        lease = self.get("Lease", "monopod", SYSTEM_NAMESPACE) or {"spec": {}}
        return str(lease["spec"].get("holderIdentity", ""))

    def reason(self, name: str) -> str:
        """Of the condition Ready."""
        return str(self.condition(name, "Ready").get("reason", ""))

    def is_gone(self, name: str) -> bool:
        return self.get("FargateProfile", name) is None

    def becomes_active(self, name: str) -> None:
        eventually(lambda: self.phase(name) == "ACTIVE")


def build_profile(name: str, **spec: Any) -> Json:
    return {"apiVersion": API_VERSION, "kind": "FargateProfile", "metadata": {"name": name}, "spec": spec}


class OperatorProcess:
    """One replica: `python -m monopod run` with the real identity; `patch` is done first, to move its clock.

    On a busy machine a Lease of ten seconds may not be renewed in time, and its holder exits: it has a minute.
    """

    def __init__(self, kubeconfig: Path, log: Path, *flags: str, patch: str = "") -> None:
        self.port = find_free_port()
        code = f"{patch}\nfrom monopod.__main__ import main\nmain()"
        command = [
            *(sys.executable, *(("-c", code) if patch else ("-m", "monopod"))),
            *("run", "--kubeconfig", str(kubeconfig), "--sandbox", SANDBOX),
            *("--listen", "127.0.0.1", "--metrics-port", str(self.port), "--resync-seconds", "1"),
            *("--recreate-bare-pods", "--lease-seconds", "60", *flags),
        ]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
        with log.open("ab") as stream:
            self.process = subprocess.Popen(command, stderr=stream, env=env)

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """As the kubelet does; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def fetch(self, path: str) -> tuple[int, str]:
        """Status and text of one of the HTTP endpoints; status 0 if nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """A sample by its name and labels as they are exposed; 0 if there is none."""
        lines = (line.rpartition(" ") for line in self.fetch("/metrics")[1].splitlines())
        return next((float(value) for sample, _, value in lines if sample == name), 0.0)

    def count_writes(self) -> float:
        """How much it has written so far, with or without success."""
        lines = self.fetch("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("monopod_writes_total"))

    def becomes_quiet(self, deadline: float = DEADLINE_SECONDS) -> None:
        """Waits until it has written nothing for longer than anything that it defers by itself takes."""
        before, since = self.count_writes(), time.monotonic()

        def is_quiet() -> bool:
            assert self.process.poll() is None, "the operator has ended"
            nonlocal before, since
            if (written := self.count_writes()) != before:
                before, since = written, time.monotonic()
            return time.monotonic() - since > QUIET_SECONDS

        eventually(is_quiet, deadline)

    def passes_happen(self, count: int = 3) -> None:
        """Waits until the profiles have been looked at a few times, each after a resync at most."""
        sample = 'monopod_controller_reconciles_total{controller="profiles",result="ok"}'
        before = eventually(lambda: self.metric(sample))
        eventually(lambda: self.metric(sample) >= before + count)


_given: set[int] = set()


def find_free_port() -> int:
    """One that nobody listens on, and that this process hasn't been given before."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port
