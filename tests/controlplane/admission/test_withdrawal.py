"""Pods that opt out after admission has sized them, by a mutating policy of somebody else's, on a real API server."""

import copy
from collections.abc import Iterator

import pytest

from monopod.api.names import COMPUTE_TYPE, PROFILE_LABEL
from monopod.kube.objects.resources import MUTATING_POLICIES
from monopod.pods.rules.bounds import MAX_NODE_TERMS
from tests.controlplane.reach import poll, reach
from tests.controlplane.server import Answer, Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

POLICIES = MUTATING_POLICIES.list_path()
BINDINGS = POLICIES.replace("policies", "policybindings")
OPT_OUTS = {
    "annotation": "JSONPatch{op: 'add', path: '/metadata/annotations/eks.amazonaws.com~1compute-type', value: 'ec2'}",
    "scheduler": "JSONPatch{op: 'replace', path: '/spec/schedulerName', value: 'volcano'}",
}
NAME = "opts-out"
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
NAMED = {"key": "metadata.name", "operator": "In", "values": ["node-1"]}
MOVE = "JSONPatch{op: 'replace', path: '/metadata/labels/tier', value: 'back'}"


def an_opting_policy(way: str) -> Manifest:
    """A policy that opts pods out that Monopod has marked already: so never before it, whatever their order."""
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    labels = "object.metadata.?labels.orValue({})"
    marked = f"'{PROFILE_LABEL}' in {labels}"
    moved = f"({marked} && 'tier' in {labels} ? [{MOVE}] : [])"
    return {
        "metadata": {"name": f"{NAME}-{way}"},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {"objectSelector": {"matchLabels": {"opt-out": way}}, "resourceRules": [pods]},
            "mutations": [
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {"expression": f"({marked} ? [{OPT_OUTS[way]}] : []) + {moved}"},
                }
            ],
        },
    }


@pytest.fixture(scope="module", params=OPT_OUTS)
def way(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """How a policy of somebody else opts pods out, of a namespace whose profiles have zones."""
    way: str = request.param
    profiles = [
        a_profile("front", a_selector("opting", tier="front"), sandbox="other", zones=("eu-1b", "eu-1c")),
        a_profile("web", a_selector("opting"), sandbox="kata", zones=("eu-1a",)),
    ]
    reach(server, "opting", profiles)
    name = f"{NAME}-{way}"
    server.create(POLICIES, an_opting_policy(way)).expect_ok()
    server.create(BINDINGS, {"metadata": {"name": name}, "spec": {"policyName": name}}).expect_ok()
    yield way
    server.delete(f"{BINDINGS}/{name}")
    server.delete(f"{POLICIES}/{name}")


def has_opted_out(answer: Answer) -> bool:
    pod = answer.body
    return answer.ok and (
        pod["metadata"].get("annotations", {}).get(COMPUTE_TYPE) == "ec2" or pod["spec"]["schedulerName"] == "volcano"
    )


def create(server: Server, pod: PodBuilder, way: str) -> Manifest:
    """The pod as it is stored once the policy is in effect."""
    manifest = pod.labelled({"opt-out": way}).build()
    return poll(lambda: server.create_pod("opting", manifest), lambda it: not it.ok or has_opted_out(it)).expect_ok()


PODS = {
    "a plain pod": a_pod(),
    "requests": a_pod().requesting(cpu="300m", memory="1Gi", ephemeral_storage="1Gi"),
    "a claim": a_pod().with_spec(volumes=[{"name": "a", "persistentVolumeClaim": {"claimName": "a"}}]),
    "a pod that can't run": a_pod().with_spec(hostPID=True),
    "a gate of its own": a_pod().with_spec(schedulingGates=[{"name": "a.io/b"}]),
    "alternatives of its own": a_pod().requiring_nodes({"matchExpressions": [SSD]}, {"matchFields": [NAMED]}),
    "an alternative that rules Fargate out": a_pod().requiring_nodes(
        {"matchExpressions": [SSD, {"key": COMPUTE_TYPE, "operator": "NotIn", "values": ["fargate"]}]},
        {"matchExpressions": [SSD, {"key": COMPUTE_TYPE, "operator": "DoesNotExist"}]},
    ),
    "as many alternatives as may be": a_pod().requiring_nodes(
        *({"matchExpressions": [{**SSD, "values": [f"a{index}", f"b{index}"]}]} for index in range(MAX_NODE_TERMS))
    ),
    "another profile would take it by now": a_pod().labelled(tier="front"),
}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_that_opts_out_after_admission_is_as_if_it_had_before(server: Server, way: str, pod: PodBuilder) -> None:
    late = create(server, pod, way)
    manifest = pod.labelled({"opt-out": way}).build()
    if "tier" in manifest["metadata"]["labels"]:
        manifest["metadata"]["labels"]["tier"] = "back"
    if way == "annotation":
        manifest["metadata"].setdefault("annotations", {})[COMPUTE_TYPE] = "ec2"
    else:
        manifest["spec"]["schedulerName"] = "volcano"
    early = server.create_pod("opting", manifest).expect_ok()
    assert strip(late) == strip(early)


def strip(pod: Manifest) -> Manifest:
    """Without what differs between two creations, and without empty maps."""
    rest = copy.deepcopy({"metadata": pod["metadata"], "spec": pod["spec"]})
    for field in ("uid", "creationTimestamp", "managedFields", "generation"):
        rest["metadata"].pop(field, None)
    for container in rest["spec"]["containers"]:
        container["resources"] = {key: value for key, value in container.get("resources", {}).items() if value}
    if rest["spec"].get("affinity") == {"nodeAffinity": {}}:
        del rest["spec"]["affinity"]
    return rest


def test_a_pod_that_opts_out_with_forged_marks_loses_them(server: Server) -> None:
    reach(server, "opting-forged", [a_profile("web", a_selector("opting-forged"), sandbox="kata")])
    forged = a_pod().labelled({PROFILE_LABEL: "web", "sg.monopod.dev/admin": "true"}).annotated({COMPUTE_TYPE: "ec2"})
    pod = server.create_pod("opting-forged", forged.build()).expect_ok()
    assert pod["metadata"].get("labels", {}) == {}
    assert "runtimeClassName" not in pod["spec"]
