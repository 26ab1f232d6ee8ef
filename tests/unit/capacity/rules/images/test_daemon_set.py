"""The DaemonSet that keeps images."""

from typing import Any

import pytest

from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE, Place, build_daemon_set, build_name, name_volume
from monopod.capacity.rules.images.wish import Source
from monopod.capacity.rules.sandbox import Sandbox
from tests.unit.capacity.builders import KATA_LABEL, a_sandbox

SANDBOX = Sandbox.from_resource(
    a_sandbox("kata-qemu", KATA_LABEL, {"key": "box", "operator": "Exists", "effect": "NoSchedule"})
)


def build(*images: str, zones: tuple[str, ...] = (), secrets: tuple[str, ...] = (), sandbox: Sandbox = SANDBOX) -> Any:
    place = Place("web", "uid-1", sandbox, zones)
    return build_daemon_set(place, Source.SPEC, images, secrets, PAUSE_IMAGE, "monopod-system")


def pod_of(body: Any) -> Any:
    return body["spec"]["template"]["spec"]


def test_each_image_is_a_volume_of_a_container_of_its_own_so_that_one_that_fails_stops_no_other() -> None:
    pod = pod_of(build("a:1", "b:1"))
    volumes = {volume["name"]: volume["image"]["reference"] for volume in pod["volumes"]}
    mounted = {mount["name"]: each["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
    assert volumes == {name_volume("a:1"): "a:1", name_volume("b:1"): "b:1"}
    assert mounted == {name: name for name in volumes}
    assert {each["image"] for each in pod["containers"]} == {PAUSE_IMAGE}


def test_nothing_of_an_image_is_executed() -> None:
    for container in pod_of(build("a:1"))["containers"]:
        assert not {"command", "args", "lifecycle", "env"} & container.keys()
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/image"]


def test_its_pods_are_where_the_sandboxes_are_and_come_while_it_is_being_installed() -> None:
    pod = pod_of(build("a:1", zones=("a", "b")))
    assert pod["nodeSelector"] == KATA_LABEL
    assert {"key": "box", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    assert {"key": "katacontainers.io/kata-runtime", "operator": "Exists"} in pod["tolerations"]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0] == {
        "key": "topology.kubernetes.io/zone",
        "operator": "In",
        "values": ["a", "b"],
    }


def test_without_a_node_selector_zones_or_secrets_these_fields_are_absent() -> None:
    pod = pod_of(build("a:1", sandbox=Sandbox.from_resource(a_sandbox("runsc"))))
    assert not {"nodeSelector", "affinity", "imagePullSecrets", "runtimeClassName"} & pod.keys()


def test_secrets_are_named() -> None:
    assert pod_of(build("a:1", secrets=("key",)))["imagePullSecrets"] == [{"name": "key"}]


def test_it_belongs_to_its_profile_and_goes_with_it() -> None:
    owner = build("a:1")["metadata"]["ownerReferences"]
    assert owner == [{"apiVersion": "monopod.dev/v1beta1", "kind": "FargateProfile", "name": "web", "uid": "uid-1"}]


@pytest.mark.parametrize("other", ["web-spec", "web-workloads", "a"])
def test_no_two_profiles_have_the_same_name_for_theirs(other: str) -> None:
    names = {build_name(profile, source) for profile in ("web", other) for source in Source}
    assert len(names) == 4


def test_a_volume_is_called_the_same_whatever_other_images_there_are_and_its_name_is_one() -> None:
    long = f"registry.example.com/{'a' * 400}@sha256:{'b' * 64}"
    assert name_volume(long) == pod_of(build("a:1", long))["volumes"][1]["name"]
    assert len(name_volume(long)) <= 63
