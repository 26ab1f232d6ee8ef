from typing import Any

from lab.bench.starts.images import find_names
from lab.bench.starts.room import compute_free_millis, is_ready

Object = dict[str, Any]
LISTED = """\
REF                             TYPE                                       DIGEST      SIZE     PLATFORMS   LABELS
127.0.0.1:5006/cold:1.0         application/vnd.oci.image.manifest.v1+json sha256:aaaa 33.9 MiB linux/amd64 io.cri=x
127.0.0.1:5006/cold@sha256:aaaa application/vnd.oci.image.manifest.v1+json sha256:aaaa 33.9 MiB linux/amd64 io.cri=x
127.0.0.1:5006/warm:1.0         application/vnd.oci.image.manifest.v1+json sha256:bbbb 33.9 MiB linux/amd64 io.cri=x
sha256:cccc                     application/vnd.oci.image.manifest.v1+json sha256:aaaa 33.9 MiB linux/amd64 io.cri=x
"""


def a_pod(node: str, cpu: str, phase: str = "Running") -> Object:
    container = {"name": "app", "resources": {"requests": {"cpu": cpu}}}
    return {"spec": {"nodeName": node, "containers": [container]}, "status": {"phase": phase}}


def test_an_image_is_forgotten_by_all_its_names() -> None:
    assert find_names(LISTED, "127.0.0.1:5006/cold:1.0") == [
        "127.0.0.1:5006/cold:1.0",
        "127.0.0.1:5006/cold@sha256:aaaa",
        "sha256:cccc",
    ]
    assert find_names(LISTED, "127.0.0.1:5006/gone:1.0") == []


def test_room_is_what_no_pod_on_the_node_that_has_not_ended_requests() -> None:
    node = {"metadata": {"name": "one"}, "status": {"allocatable": {"cpu": "1900m"}}}
    pods = [a_pod("one", "300m"), a_pod("one", "1", "Succeeded"), a_pod("two", "1"), a_pod("", "1", "Pending")]
    pods.append(a_pod("one", "250m") | {"spec": a_pod("one", "250m")["spec"] | {"overhead": {"cpu": "50m"}}})
    assert compute_free_millis(node, pods) == 1300


def test_a_pod_that_is_on_its_way_out_is_not_ready() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert is_ready({"metadata": {}, "status": ready})
    assert not is_ready({"metadata": {"deletionTimestamp": "2026-11-29T00:00:00Z"}, "status": ready})
    assert not is_ready({"metadata": {}, "status": {}})
