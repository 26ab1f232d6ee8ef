"""Generated profiles and pods, with what goes wrong in practice drawn more often than chance would have it."""

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    COMPUTE_TYPE,
    EKS_PROFILE_LABEL,
    MIRROR_ANNOTATION,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
    TOPOLOGY_ZONE,
    UNSUPPORTED_ANNOTATION,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.kube.objects.quantity import parse_quantity
from monopod.pods.rules.exemptions import DAEMON_SET_CONTROLLER, DAEMON_SET_CONTROLLERS
from monopod.pods.rules.nodes import REQUIRED
from monopod.pods.rules.selection import Profile, Selector
from monopod.pods.rules.size import COMPONENTS_MEMORY_MIB, SIZE_TABLE

Manifest = dict[str, Any]

PROFILE_NAMES = ("a", "b", "web", "web-1", "web1", "web-10", "w", "0", "zz")
KEYS = ("tier", "app", "team", "example.com/tier", "a.b", "t-r", "tierx")
VALUES = ("web", "w.b", "web-1", "", "db", "w", "WEB", "web1")
SANDBOXES = ("kata", "bare")
SCHEDULED_SANDBOX = "kata-on-metal"
"""Its RuntimeClass has a nodeSelector, which the API server writes before admission looks."""

ALLOWANCES = ("k8s.v1.cni.cncf.io/networks", "k8s.v1.cni.cncf.io/*", "cdi.k8s.io/*", "devices.*", "io.*")
CAPABILITIES = ("NET_ADMIN", "SYS_TIME", "BPF", "CHOWN")
ZONES = ("z1", "z2", "z3", "z4")
COMPUTE_TYPES = ("fargate", "ec2", "auto")

KUBELET = "system:node:node-1"
CREATORS = (*DAEMON_SET_CONTROLLERS, "eve")


class Draw(random.Random):
    """A seeded source of profiles and pods."""

    def maybe(self, probability: float) -> bool:
        return self.random() < probability

    def profiles(self, namespace: str) -> list[Profile]:
        """Profiles that mostly reach the namespace."""
        names = self.sample(PROFILE_NAMES, self.randint(1, len(PROFILE_NAMES)))
        scheduled = self.maybe(0.2)
        return [
            Profile(
                name,
                tuple(self.selector(namespace) for _ in range(self.randint(1, 3))),
                SCHEDULED_SANDBOX if scheduled else self.choice(SANDBOXES),
                "Reject" if self.maybe(0.3) else "Pend",
                tuple(self.sample(ZONES, self.randint(1, 3))) if self.maybe(0.3) else (),
                security_groups=tuple(self.sample(("web", "db", "a", "cluster"), self.choice((0, 0, 1, 3)))),
                pod_security_groups="Allow" if self.maybe(0.5) else "Ignore",
                allowed_annotations=tuple(self.sample(ALLOWANCES, self.choice((0, 0, 1, 2)))),
                selinux_options="Allow" if self.maybe(0.3) else "Unsupported",
                opt_out="Refuse" if self.maybe(0.2) else "Allow",
                allowed_capabilities=tuple(self.sample(CAPABILITIES, self.choice((0, 0, 1, 3)))),
            )
            for name in names
        ]

    def selector(self, namespace: str) -> Selector:
        pattern = self.choice((namespace, "*", self.pattern(namespace), "elsewhere"))
        # Few without labels: a profile that takes all pods leaves none unmatched.
        count = self.choice((0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 5))
        pairs = {self.pattern(self.choice(KEYS)): self.pattern(self.choice(VALUES)) for _ in range(count)}
        return Selector(pattern, tuple(pairs.items()))

    def pattern(self, text: str) -> str:
        """The text, or the text with wildcards in the place of something or of nothing."""
        if self.maybe(0.5):
            return text
        characters = list(text)
        for _ in range(self.randint(1, 2)):
            start = self.randint(0, len(characters))
            end = self.randint(start, min(len(characters), start + 3))
            characters[start:end] = [self.choice("*?")]
        return "".join(characters)

    def pod(self, profiles: Sequence[Profile]) -> Manifest:
        labels = self.labels(profiles)
        # Limits of all containers together mean something else than those of some.
        storage = self.choice((0.05, 0.05, 0.3, 0.9))
        pod: Manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "pod", "labels": labels},
            "spec": {"containers": [self.container("c0", storage)]},
        }
        for number in range(1, self.choice((1, 1, 2, 3))):
            pod["spec"]["containers"].append(self.container(f"c{number}", storage))
        if self.maybe(0.5):
            pod["spec"]["initContainers"] = [self.init_container(f"i{n}", storage) for n in range(self.randint(1, 4))]
        if self.maybe(0.2):
            pod["spec"]["resources"] = self.resources(("cpu", "memory"), 0.7)
        if self.maybe(0.3):
            pod["spec"]["affinity"] = self.affinity()
        if self.maybe(0.15):
            pod["spec"]["nodeSelector"] = self.node_selector()
        while self.maybe(0.2):
            self.choice(SKIPS)(self, pod)
        if self.maybe(0.1):
            pod["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        while self.maybe(0.2):
            self.choice(UNSUPPORTED)(self, pod)
        if self.maybe(0.1):
            self.forge(pod)
        if self.maybe(0.15):
            pod["spec"]["runtimeClassName"] = self.runtime_class(profiles)
        return pod

    def labels(self, profiles: Sequence[Profile]) -> dict[str, str]:
        """Labels of the vocabulary, and mostly those that one selector asks for."""
        labels = {self.choice(KEYS): self.choice(VALUES) for _ in range(self.randint(0, 3))}
        if self.maybe(0.8):
            selector = self.choice(self.choice(profiles).selectors)
            labels.update({self.instance(key) or "k": self.instance(value) for key, value in selector.labels})
        if self.maybe(0.3):
            labels[EKS_PROFILE_LABEL] = self.choice((*PROFILE_NAMES, self.choice(profiles).name, ""))
        return labels

    def instance(self, pattern: str) -> str:
        """A text that the pattern matches."""
        return "".join(
            self.choice(("", "x", "xy")) if char == "*" else "x" if char == "?" else char for char in pattern
        )

    def container(self, name: str, storage: float) -> Manifest:
        return {
            "name": name,
            "image": "image",
            "resources": self.resources(("cpu", "memory", "ephemeral-storage"), 0.5, storage),
        }

    def init_container(self, name: str, storage: float) -> Manifest:
        return {**self.container(name, storage), **({"restartPolicy": "Always"} if self.maybe(0.5) else {})}

    def resources(self, names: Sequence[str], probability: float, storage: float = 0) -> Manifest:
        """Requests and limits; a limit is never smaller than its request, which the API server would refuse."""
        requests: Manifest = {}
        limits: Manifest = {}
        for name in names:
            if self.maybe(probability if name != "ephemeral-storage" else storage):
                amounts = sorted((self.amount(name) for _ in range(2)), key=parse_quantity)
                kind = self.choice(("request", "limit", "both", "both"))
                if kind != "limit":
                    requests[name] = amounts[0]
                if kind != "request":
                    limits[name] = amounts[1]
        return {key: value for key, value in (("requests", requests), ("limits", limits)) if value}

    def amount(self, resource: str) -> str | int | float:
        if resource == "cpu":
            return self.notation(Fraction(self.cpu_millis()) / 1000)
        if resource == "memory":
            return self.notation(self.memory_bytes(), self.choice(("", "", "Ki", "Mi", "Gi")))
        return self.notation(
            Fraction(self.choice((0, 1, 2, 5, 9, 10, 13, 14, 20, 21, 80, 175))) * 2**30 + self.choice((0, 0, 0, 1))
        )

    def cpu_millis(self) -> Fraction:
        near = self.choice(SIZE_TABLE).cpu_millis + self.choice((-1, 0, 0, 1, Fraction(1, 2), Fraction(1, 10**6)))
        return Fraction(self.choice((near, near / self.randint(2, 4), self.randint(0, 2000), 0, 100)))

    def memory_bytes(self) -> Fraction:
        row = self.choice(SIZE_TABLE).memory_mib - COMPONENTS_MEMORY_MIB
        near = row * 2**20 + self.choice((-1, 0, 0, 1, Fraction(1, 1000), Fraction(1, 10**9)))
        return Fraction(self.choice((near, near / self.randint(2, 4), self.randint(0, 2**32), 0, 10**9)))

    def notation(self, amount: Fraction, suffix: str = "") -> str | int | float:
        """The amount, rounded to what one of Kubernetes' many notations can hold."""
        binary = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
        if suffix:
            return _decimal(amount / binary[suffix], self.choice((0, 3, 9))) + suffix
        return self.choice(
            (
                lambda: _decimal(amount, 9),
                lambda: _decimal(amount, 3),
                lambda: _decimal(amount * 1000, 0) + "m",
                lambda: _decimal(amount * 1000, 6) + "m",
                lambda: _decimal(amount * 10**6, 0) + "u",
                lambda: _decimal(amount * 10**9, 0) + "n" if amount < 10**6 else _decimal(amount, 0),
                lambda: _decimal(amount / 1000, 9) + "k",
                lambda: _decimal(amount / 10**3, 6) + self.choice(("e3", "E3", "e+3")),
                lambda: _decimal(amount * 100, 2) + "e-2",
                lambda: int(amount),
                lambda: round(float(amount), 3),
            )
        )()

    def forge(self, pod: Manifest) -> None:
        """Marks that only admission should write."""
        pod["metadata"]["labels"][PROFILE_LABEL] = self.choice(PROFILE_NAMES)
        annotations = pod["metadata"].setdefault("annotations", {})
        if self.maybe(0.5):
            annotations[CAPACITY_ANNOTATION] = self.choice(SIZE_TABLE).__str__()
        if self.maybe(0.5):
            annotations[STORAGE_ANNOTATION] = self.choice(("20Gi", "21Gi", "92Gi", "20480Mi", "x"))
            pod["spec"]["containers"][0]["resources"].setdefault("limits", {})["ephemeral-storage"] = "20480Mi"
        if self.maybe(0.3):
            pod["spec"]["schedulingGates"] = [{"name": VOLUMES_GATE}]
        if self.maybe(0.3):
            annotations[UNSUPPORTED_ANNOTATION] = "forged"
            pod["spec"]["schedulingGates"] = [{"name": UNSUPPORTED_GATE}]

    def affinity(self) -> Manifest:
        terms = [self.node_term() for _ in range(self.choice((1, 1, 2, 3)))]
        preferred = [{"weight": 1, "preference": {"matchExpressions": [self.requirement()]}}]
        return self.choice(
            (
                {"podAntiAffinity": {}},
                {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}},
                {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}},
                {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}},
                {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}},
            )
        )

    def node_term(self) -> Manifest:
        term: Manifest = {}
        if self.maybe(0.9):
            term["matchExpressions"] = [self.requirement() for _ in range(self.choice((0, 1, 1, 2)))]
        if self.maybe(0.2):
            term["matchFields"] = [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]
        return term

    def requirement(self) -> Manifest:
        operator = self.choice(("In", "In", "NotIn", "Exists", "DoesNotExist"))
        key = self.choice((TOPOLOGY_ZONE, TOPOLOGY_ZONE, TOPOLOGY_ZONE, "disk", COMPUTE_TYPE, COMPUTE_TYPE))
        values = self.sample(COMPUTE_TYPES if key == COMPUTE_TYPE else ZONES, self.randint(1, 3))
        return {"key": key, "operator": operator, **({"values": values} if operator in ("In", "NotIn") else {})}

    def node_selector(self) -> dict[str, str]:
        types = {COMPUTE_TYPE: self.choice(COMPUTE_TYPES)} if self.maybe(0.7) else {}
        return {**types, **({"disk": "ssd"} if self.maybe(0.5) else {})}

    def runtime_class(self, profiles: Sequence[Profile]) -> str:
        # A class with scheduling that isn't the profile's leaves its nodeSelector on the pod. Python can't see
        # RuntimeClasses, so such pods are left to a test of their own.
        scheduled = profiles[0].runtime_class == SCHEDULED_SANDBOX
        return self.choice((*SANDBOXES, "other", *([SCHEDULED_SANDBOX] if scheduled else [])))


def _decimal(amount: Fraction, places: int) -> str:
    """The amount with so many decimals, rounded, without superfluous zeros."""
    text = f"{round(amount * 10**places):0{places + 1}d}"
    return (text[:-places] + "." + text[-places:]).rstrip("0").rstrip(".") if places else text


Change = Callable[[Draw, Manifest], None]


def _annotate(name: str, value: str) -> Change:
    return lambda draw, pod: pod["metadata"].setdefault("annotations", {}).update({name: value})


def _own(kind: str, version: str, creator: str = "", *, controller: bool = True) -> Change:
    owner = {"kind": kind, "apiVersion": version, "name": "owner", "uid": creator or "1", "controller": controller}
    return lambda draw, pod: pod["metadata"].update(ownerReferences=[owner])


def _forge_daemon_set(draw: Draw, pod: Manifest) -> None:
    draw.choice(
        (
            *(_own("DaemonSet", "apps/v1", creator) for creator in ("", *CREATORS)),
            *(_own("DaemonSet", version, DAEMON_SET_CONTROLLER) for version in ("apps/evil", "example.com/v1")),
            _own("DaemonSet", "apps/v1", DAEMON_SET_CONTROLLER, controller=False),
        )
    )(draw, pod)


def find_creator(pod: Manifest) -> str:
    """Who creates the pod: a mirror pod's kubelet, or whoever the uid of its owner names; "" for the administrator."""
    metadata = pod["metadata"]
    if MIRROR_ANNOTATION in metadata.get("annotations", {}):
        return KUBELET
    uids = (owner["uid"] for owner in metadata.get("ownerReferences", []))
    return next((uid for uid in uids if uid in CREATORS), "")


def _specify(**fields: Any) -> Change:
    return lambda draw, pod: pod["spec"].update(fields)


def _caches(draw: Draw, pod: Manifest) -> None:
    _annotate(MIRROR_ANNOTATION, "x")(draw, pod)
    pod["spec"]["nodeName"] = "node-1"


SKIPS: tuple[Change, ...] = (
    _own("DaemonSet", "apps/v1", DAEMON_SET_CONTROLLER),
    _forge_daemon_set,
    _own("ReplicaSet", "apps/v1"),
    _annotate(COMPUTE_TYPE, "ec2"),
    _annotate(COMPUTE_TYPE, "fargate"),
    _specify(nodeName="node-1"),
    _specify(schedulerName="volcano"),
    _specify(schedulerName="default-scheduler"),
    _specify(schedulerName="fargate-scheduler"),
    _caches,
)


def _of_any_container(change: Callable[[Draw, Manifest], None]) -> Change:
    return lambda draw, pod: change(
        draw, draw.choice([*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])])
    )


def _secure(draw: Draw, container: Manifest) -> None:
    container["securityContext"] = draw.choice(
        (
            {"privileged": True},
            {"privileged": False, "allowPrivilegeEscalation": False},
            {"allowPrivilegeEscalation": True},
            {"capabilities": {"add": draw.sample(("NET_ADMIN", "CHOWN", "SYS_TIME", "KILL", "ALL", "BPF", ""), 3)}},
            {"capabilities": {"drop": ["ALL"]}},
            {"seLinuxOptions": {"type": "spc_t"}},
            {"seLinuxOptions": {}},
        )
    )


def _open_port(draw: Draw, container: Manifest) -> None:
    port = draw.choice(({}, {"hostPort": 80}, {"hostIP": "10.0.0.1"}, {"hostPort": 0}))
    container["ports"] = [{"containerPort": 80, **port}]


def _extend(draw: Draw, container: Manifest) -> None:
    name = draw.choice(("nvidia.com/gpu", "a.com/x", "hugepages-2Mi"))
    container["resources"].setdefault("limits", {})[name] = "4Mi" if name.startswith("huge") else 1
    if name.startswith("huge"):
        container["resources"].setdefault("requests", {})["cpu"] = 0


def _mount(draw: Draw, pod: Manifest) -> None:
    sources: tuple[Manifest, ...] = (
        {"hostPath": {"path": "/"}},
        {"csi": {"driver": "d"}},
        {"emptyDir": {}},
        {"emptyDir": {"medium": "Memory"}},
        {"configMap": {"name": "c"}},
        {"projected": {"sources": []}},
        {"nfs": {"server": "s", "path": "/"}},
        {"persistentVolumeClaim": {"claimName": "p"}},
        {"image": {"reference": "i"}},
        {},
    )
    chosen = draw.sample(sources, draw.randint(1, 3))
    pod["spec"]["volumes"] = [{"name": f"v{n}", **source} for n, source in enumerate(chosen)]


def _claim_device(draw: Draw, pod: Manifest) -> None:
    pod["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimName": "gpu"}]


def _use_raw(draw: Draw, pod: Manifest) -> None:
    pod["spec"]["volumes"] = [
        {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("raw", "data", "raw-2")
    ]
    kind = draw.choice([kind for kind in ("containers", "initContainers") if pod["spec"].get(kind)])
    devices = [{"name": name, "devicePath": f"/dev/{name}"} for name in draw.sample(("raw", "raw-2"), 1)]
    draw.choice(pod["spec"][kind])["volumeDevices"] = devices


NODE_ANNOTATIONS = (
    *("k8s.v1.cni.cncf.io/networks", "k8s.v1.cni.cncf.io/network-status", "cdi.k8s.io/gpu"),
    *("io.kubernetes.cri-o.Devices", "devices.noderesource.dev/container.c0", "devices.crio.io"),
)

UNSUPPORTED: tuple[Change, ...] = (
    _claim_device,
    _use_raw,
    _specify(hostNetwork=True),
    _specify(hostPID=True),
    _specify(hostIPC=True, hostPID=False),
    *(_specify(hostUsers=flag) for flag in (False, True)),
    _annotate("io.katacontainers.config_path", "/etc/kata.toml"),
    _annotate("dev.gvisor.flag.debug", "true"),
    _annotate("dev.gvisor.spec.mount.data.share", "pod"),
    *(_annotate(name, "x") for name in NODE_ANNOTATIONS),
    _specify(securityContext={"seLinuxOptions": {"level": "s0:c1,c2"}}),
    _specify(securityContext={"seLinuxOptions": {"type": ""}}),
    *(_specify(os={"name": name}) for name in ("windows", "linux")),
    _of_any_container(_secure),
    _of_any_container(_secure),
    _of_any_container(_open_port),
    _of_any_container(_extend),
    _mount,
    _mount,
)
