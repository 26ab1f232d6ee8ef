"""RuntimeClasses, and the node that a NodePool would make."""

from collections.abc import Mapping
from typing import Any

from monopod.capacity.rules.node_class import NodeClass
from monopod.kube.objects.views import NodeView

Json = dict[str, Any]

EC2_CLASS = NodeClass("karpenter.k8s.aws", "EC2NodeClass", "default")
KWOK_CLASS = NodeClass("karpenter.kwok.sh", "KWOKNodeClass", "default")
KATA_LABEL = {"katacontainers.io/kata-runtime": "true"}


def a_sandbox(
    handler: str = "kata-qemu", selector: Mapping[str, str] | None = None, *tolerations: Mapping[str, object]
) -> Json:
    """A RuntimeClass as the API server sends it."""
    scheduling = {"nodeSelector": dict(selector or {}), "tolerations": [dict(each) for each in tolerations]}
    return {"metadata": {"name": handler}, "handler": handler, "scheduling": scheduling}


def a_node_of(pool: Mapping[str, Any], *, started: bool = True) -> NodeView:
    """A node as Karpenter makes it by a NodePool; `started`: its startup taints are gone."""
    spec = pool["spec"]["template"]["spec"]
    labels = dict(pool["spec"]["template"].get("metadata", {}).get("labels", {}))
    labels |= {each["key"]: each["values"][0] for each in spec["requirements"]}
    labels["karpenter.sh/nodepool"] = pool["metadata"]["name"]
    taints = spec.get("taints", []) + ([] if started else spec.get("startupTaints", []))
    kept = tuple((each["key"], each.get("value", ""), each["effect"]) for each in taints)
    return NodeView("new", (), (), labels, kept, 64_000, 64 * 1024)
