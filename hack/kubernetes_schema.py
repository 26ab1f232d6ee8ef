"""Writes the schemas of pods and workloads that `kubectl fargate` judges manifests by: `python -m kubernetes_schema`.

They come from the OpenAPI document of the supported Kubernetes, without what isn't needed to judge: descriptions,
defaults, formats, and all kinds that no pod stands in.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from lab.build.pins import HACK
from lab.build.toolchain import find_module

TARGET: Final = HACK.parent / "operator/monopod/cli/input/schema/kubernetes.json"
KINDS: Final = {
    "v1": ("core", "Pod", "PodTemplate", "ReplicationController"),
    "apps/v1": ("apps", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"),
    "batch/v1": ("batch", "Job", "CronJob"),
}
ROOTS: Final = {
    f"{version}/{kind}": f"io.k8s.api.{group}.v1.{kind}" for version, (group, *kinds) in KINDS.items() for kind in kinds
}
"""Each kind with its version, and its definition in the document."""

KEPT: Final = ("type", "required")
QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
EITHER: Final = {"x-kubernetes-int-or-string": True}

Schema = dict[str, Any]


def main() -> None:
    """Writes the file."""
    document = find_module("kubernetes", "k8s.io/kubernetes") / "api/openapi-spec/swagger.json"
    definitions = collect(json.loads(document.read_text())["definitions"])
    text = json.dumps({"kinds": ROOTS, "definitions": definitions}, sort_keys=True, indent=1)
    TARGET.write_text(text + "\n")


def collect(source: Mapping[str, Schema]) -> dict[str, Schema]:
    """The definitions that the roots are made of, pruned."""
    found: dict[str, Schema] = {}
    waiting = list(ROOTS.values())
    while waiting:
        name = waiting.pop()
        if name not in found:
            scalar = _read_scalar(name, source[name])
            found[name] = prune(source[name], waiting) if scalar is None else scalar
    return found


def prune(schema: Mapping[str, Any], referred: list[str]) -> Schema:
    """What is needed of a schema; the names that it refers to are added to the list."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        referred.append(name)
        return {"$ref": name}
    pruned = {key: schema[key] for key in KEPT if key in schema}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            pruned[key] = prune(schema[key], referred)
    if "properties" in schema:
        pruned["properties"] = {name: prune(part, referred) for name, part in schema["properties"].items()}
    return pruned


def _read_scalar(name: str, schema: Mapping[str, Any]) -> Schema | None:
    """Types whose JSON is freer than their schema says."""
    if name == QUANTITY:
        return {}  # a string or any number; read as a quantity later
    return EITHER if schema.get("format") == "int-or-string" else None


if __name__ == "__main__":
    main()
