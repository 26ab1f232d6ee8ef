"""Builders of the manifests that tests speak about: `a_pod().labelled(tier="web").requesting(cpu="1")`."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Self

from monopod.api.names import API_VERSION
from monopod.pods.rules.selection import (
    OptOut,
    PodChoice,
    PodSecurityGroups,
    Profile,
    Selector,
    SELinuxOptions,
    SpotReclaim,
    UnsupportedPods,
)

Manifest = dict[str, Any]


class PodBuilder:
    """A pod with one container, `app`; every method returns the same builder."""

    def __init__(self, name: str = "pod") -> None:
        self._pod: Manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "app", "image": "app"}]},
        }

    def build(self) -> Manifest:
        return deepcopy(self._pod)

    def labelled(self, labels: Mapping[str, str] | None = None, **more: str) -> Self:
        self._pod["metadata"].setdefault("labels", {}).update({**(labels or {}), **more})
        return self

    def annotated(self, annotations: Mapping[str, str]) -> Self:
        self._pod["metadata"].setdefault("annotations", {}).update(annotations)
        return self

    def owned_by(self, kind: str, api_version: str = "apps/v1", *, controller: bool | None = True) -> Self:
        """`controller` None leaves the field out. At most one owner can be the controller."""
        owner: Manifest = {"apiVersion": api_version, "kind": kind, "name": "owner", "uid": "1"}
        if controller is not None:
            owner["controller"] = controller
        self._pod["metadata"].setdefault("ownerReferences", []).append(owner)
        return self

    def in_namespace(self, namespace: str) -> Self:
        self._pod["metadata"]["namespace"] = namespace
        return self

    def with_spec(self, **fields: object) -> Self:
        self._pod["spec"].update(fields)
        return self

    def requesting(self, **amounts: object) -> Self:
        """Requests of the container `app`; `ephemeral_storage` stands for `ephemeral-storage`."""
        self._app.setdefault("resources", {}).setdefault("requests", {}).update(_resources(amounts))
        return self

    def limited_to(self, **amounts: object) -> Self:
        self._app.setdefault("resources", {}).setdefault("limits", {}).update(_resources(amounts))
        return self

    def requesting_extended(self, name: str, amount: object = 1) -> Self:
        return self.requesting(**{name: amount})

    def with_container(self, name: str, **requests: object) -> Self:
        self._pod["spec"]["containers"].append(_container(name, requests))
        return self

    def with_init(self, name: str, **requests: object) -> Self:
        self._pod["spec"].setdefault("initContainers", []).append(_container(name, requests))
        return self

    def with_sidecar(self, name: str, **requests: object) -> Self:
        sidecar = {**_container(name, requests), "restartPolicy": "Always"}
        self._pod["spec"].setdefault("initContainers", []).append(sidecar)
        return self

    def with_pod_level(self, **resources: Mapping[str, object]) -> Self:
        """Pod-level resources: `requests={"cpu": "1"}`, `limits={…}`."""
        return self.with_spec(resources={kind: dict(amounts) for kind, amounts in resources.items()})

    def requiring_nodes(self, *terms: Mapping[str, object]) -> Self:
        """Required node affinity with these terms."""
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
        return self.with_spec(affinity={"nodeAffinity": required})

    def with_volume(self, name: str, **source: object) -> Self:
        self._pod["spec"].setdefault("volumes", []).append({"name": name, **source})
        return self

    def with_devices(self, **paths: str) -> Self:
        """Raw devices of the container `app`: the volume's name and where it appears."""
        self._app["volumeDevices"] = [{"name": name, "devicePath": path} for name, path in paths.items()]
        return self

    def with_port(self, **port: object) -> Self:
        self._app.setdefault("ports", []).append({"containerPort": 80, **port})
        return self

    def secured(self, **context: object) -> Self:
        self._app.setdefault("securityContext", {}).update(context)
        return self

    def adding_capabilities(self, *names: str) -> Self:
        return self.secured(capabilities={"add": list(names)})

    @property
    def _app(self) -> Manifest:
        app: Manifest = self._pod["spec"]["containers"][0]
        return app


def a_pod(name: str = "pod") -> PodBuilder:
    return PodBuilder(name)


def a_profile(
    name: str,
    *selectors: Selector,
    sandbox: str = "kata",
    unsupported: UnsupportedPods = "Pend",
    zones: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    pod_groups: PodSecurityGroups = "Ignore",
    annotations: tuple[str, ...] = (),
    selinux: SELinuxOptions = "Unsupported",
    opt_out: OptOut = "Allow",
    spot: bool = False,
    spot_nodes: str = "",
    pod_choice: PodChoice = "Ignore",
    spot_reclaim: SpotReclaim = "Preemption",
    capabilities: tuple[str, ...] = (),
) -> Profile:
    return Profile(
        name,
        selectors,
        sandbox,
        unsupported,
        zones,
        security_groups=groups,
        pod_security_groups=pod_groups,
        allowed_annotations=annotations,
        selinux_options=selinux,
        opt_out=opt_out,
        capacity_provider="FARGATE_SPOT" if spot else "FARGATE",
        spot_node_label=spot_nodes,
        pod_choice=pod_choice,
        spot_reclaim=spot_reclaim,
        allowed_capabilities=capabilities,
    )


def a_selector(namespace: str, labels: Mapping[str, str] | None = None, **more: str) -> Selector:
    return Selector(namespace, tuple({**(labels or {}), **more}.items()))


def a_profile_resource(name: str, *selectors: Manifest, **spec: object) -> Manifest:
    """A FargateProfile as its YAML has it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "FargateProfile",
        "metadata": {"name": name},
        "spec": {"selectors": list(selectors), **spec},
    }


def _container(name: str, requests: Mapping[str, object]) -> Manifest:
    container: Manifest = {"name": name, "image": name}
    if requests:
        container["resources"] = {"requests": _resources(requests)}
    return container


def _resources(amounts: Mapping[str, object]) -> Manifest:
    return {name.replace("_", "-"): amount for name, amount in amounts.items()}
