"""Pods and workloads as the API server judges them: by Kubernetes' OpenAPI, and by some rules that only its code has.

The OpenAPI is that of the supported release (`kubernetes.json`, generated). Of the rules in code these are told: names
and labels, resources, restart policies, selectors. Others are not, so a manifest that passes may still be refused.
"""

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, Final

from monopod.cli.input.schema.names import compute_metadata_faults
from monopod.cli.input.schema.structural import Checker, Fault, Schema, describe_type, join
from monopod.kube.objects.fields import InvalidManifest, InvalidPod, Part
from monopod.kube.objects.label_selector import LabelSelector
from monopod.pods.rules.size import ContainerKind, combine, get_kind

Manifest = Mapping[str, Any]

_ARTICLES: Final = {"integer": "a whole number", "object": "a mapping", "array": "a list", "boolean": "true or false"}
_GIVEN: Final = {"integer": "a number", "number": "a number", "object": "a mapping", "array": "a list"}
_FOREVER: Final = ("apps/v1", "v1/ReplicationController")
_TO_AN_END: Final = ("OnFailure", "Never")
_NANOS: Final = 10**9
"""Quantities have at most nine decimal places."""


class _KubernetesChecker(Checker):
    """The types in our own words, because the API server says them in those of its programming language."""

    def describe_wrong_type(self, value: object, wanted: str, path: str) -> Fault:
        """The fault of a value of another type than the wanted one."""
        given = describe_type(value)
        needed = " or ".join(_ARTICLES.get(each, f"a {each}") for each in wanted.split(","))
        return Fault(path, f"must be {needed}, not {_GIVEN.get(given, f'a {given}')}")


def compute_faults(document: Manifest) -> list[Fault]:
    """Why the API server would refuse a pod or workload; empty if it wouldn't, or if the kind isn't one of these."""
    schemas = _load()
    version = f"{document.get('apiVersion')}/{document.get('kind')}"
    if version not in schemas["kinds"]:
        return list(_compute_version_faults(document, schemas["kinds"]))
    checker = _KubernetesChecker(schemas["definitions"])
    schema = {"$ref": schemas["kinds"][version]}
    desired = _drop_nulls({key: value for key, value in document.items() if key != "status"})
    if unknown := list(checker.find_unknown(desired, schema)):
        return [Fault("", f'unknown field "{path}"') for path in unknown]
    # What is wrong with types would break the rules.
    return list(checker.compute_faults(desired, schema)) or list(_compute_broken_rules(desired, version))


def _compute_version_faults(document: Manifest, kinds: Mapping[str, str]) -> Iterator[Fault]:
    version, kind = document.get("apiVersion"), document.get("kind")
    served = [each.rpartition("/")[0] for each in kinds if each.rpartition("/")[2] == kind]
    if served and version is None:
        yield Fault("apiVersion", f"Required value: it is {served[0]}")
    elif served and "." not in str(version):  # Kubernetes' own groups with these kinds have no dot
        yield Fault("apiVersion", f'no matches for kind "{kind}" in version "{version}": it is {served[0]}')


@cache
def _load() -> Schema:
    text = (files("monopod") / "cli/input/schema/kubernetes.json").read_text()
    loaded: Schema = json.loads(text)
    return loaded


def _drop_nulls(value: Any) -> Any:
    """A null is as good as an absent field to the API server."""
    if isinstance(value, dict):
        return {key: _drop_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_drop_nulls(item) for item in value] if isinstance(value, list) else value


def _compute_broken_rules(document: Manifest, version: str) -> Iterator[Fault]:
    yield from compute_metadata_faults(document.get("metadata", {}))
    path, template = _compute_template(document, version)
    if path:
        yield from compute_metadata_faults(template.get("metadata", {}), f"{path}.metadata", named=False)
        yield from _compute_selector_faults(document, template, path, version)
        yield from _compute_restart_faults(template.get("spec", {}), f"{path}.spec", version)
        yield from compute_pod_level_faults(template.get("spec", {}), f"{path}.spec")
    spec = join(path, "spec")
    for key in ("containers", "initContainers"):
        for index, container in enumerate(template.get("spec", {}).get(key, [])):
            yield from _compute_resource_faults(container.get("resources", {}), f"{spec}.{key}[{index}].resources")


def _compute_template(document: Manifest, version: str) -> tuple[str, Manifest]:
    """Where the pod stands, "" if the object is one, and the pod."""
    if version == "v1/Pod":
        return "", document
    names = {"v1/PodTemplate": ("template",), "batch/v1/CronJob": ("spec", "jobTemplate", "spec", "template")}
    path = names.get(version, ("spec", "template"))
    found = document
    for name in path:
        found = found.get(name, {})
    return ".".join(path), found


def _compute_selector_faults(document: Manifest, template: Manifest, path: str, version: str) -> Iterator[Fault]:
    if not version.startswith("apps/v1"):
        return  # a Job's is made for it, a ReplicationController's is its template's labels
    labels = template.get("metadata", {}).get("labels", {})
    try:
        selector = LabelSelector.from_dict(document["spec"]["selector"], "spec.selector")
    except InvalidManifest as problem:
        yield Fault("", str(problem))
        return
    if not selector.requirements:
        kind = version.rpartition("/")[2].lower()
        yield Fault("spec.selector", f"Invalid value: {{}}: empty selector is invalid for {kind}")
    elif not selector.matches(labels):
        yield Fault(
            f"{path}.metadata.labels",
            f"Invalid value: {json.dumps(labels)}: `selector` does not match template `labels`",
        )


def _compute_restart_faults(spec: Manifest, path: str, version: str) -> Iterator[Fault]:
    policy = spec.get("restartPolicy", "Always")
    if version.startswith(_FOREVER) and policy != "Always":
        yield Fault(f"{path}.restartPolicy", f'Unsupported value: "{policy}": supported values: "Always"')
    elif version.startswith("batch/v1") and policy not in _TO_AN_END:
        yield Fault(f"{path}.restartPolicy", f'Unsupported value: "{policy}": supported values: "OnFailure", "Never"')


def _compute_resource_faults(resources: Manifest, path: str) -> Iterator[Fault]:
    part = Part(resources, path)
    try:
        requests, limits = part.quantities("requests"), part.quantities("limits")
    except InvalidPod as problem:
        yield Fault("", str(problem))
        return
    for name in requests:
        if name in limits and requests[name] > limits[name]:
            requested, limit = resources["requests"][name], resources["limits"][name]
            words = f'Invalid value: "{requested}": must be less than or equal to {name} limit of {limit}'
            yield Fault(f"{path}.requests", words)


def compute_pod_level_faults(spec: Manifest, path: str = "spec") -> Iterator[Fault]:
    """What is wrong with pod-level resources, unless admission writes over them because the pod gets a size."""
    spec = _drop_nulls(spec)
    path, resources, pod = f"{path}.resources", spec.get("resources", {}), Part(spec)
    if faults := list(_compute_resource_faults(resources, path)):
        yield from faults
        return
    own = pod.child("resources")
    containers = [(ContainerKind.ORDINARY, each.child("resources")) for each in pod.children("containers")]
    inits = [(get_kind(each), each.child("resources")) for each in pod.children("initContainers")]
    try:
        for name, amount in own.quantities("requests").items():
            asked = [(kind, each.quantities("requests").get(name, Fraction(0))) for kind, each in containers + inits]
            total = combine([(kind, int(each * _NANOS)) for kind, each in asked]).total
            if total > amount * _NANOS:
                words = "must be greater than or equal to aggregate container requests"
                yield Fault(f"{path}.requests[{name}]", f'Invalid value: "{resources["requests"][name]}": {words}')
        for name, amount in own.quantities("limits").items():
            for index, (_, each) in enumerate(containers):
                if each.quantities("limits").get(name, amount) > amount:
                    words = f"must be less than or equal to pod limits of {resources['limits'][name]}"
                    yield Fault(f"{path}.containers[{index}][{name}].limits", f"Invalid value: {words}")
    except InvalidPod:
        return  # a container's amount, of which its own fault tells
