import json
from pathlib import Path

from monopod.api.names import EKS_PROFILE_LABEL
from monopod.cli.explain.as_json import build_report
from monopod.cli.explain.explanation import LiveExplanation, build_explanation
from monopod.cli.explain.live_pod import Admitted
from tests.unit.builders import a_pod, a_profile, a_profile_resource, a_selector
from tests.unit.cli.running import explain, explain_json

WEB = a_profile_resource("web", {"namespace": "test"}, {"namespace": "prod", "labels": {"tier": "web"}})


def test_a_sandboxed_pod(tmp_path: Path) -> None:
    pod = a_pod("x").labelled(tier="web").in_namespace("prod").requesting(cpu="1", memory="8Gi").build()
    report = explain_json(tmp_path, [WEB], pod, options=("--sandbox", "gvisor"))
    wanted = {
        "source": "Pod/x",
        "namespace": "prod",
        "decision": "Sandboxed",
        "profile": "web",
        "selectorIndex": 1,
        "pinned": False,
        "runtimeClassName": "gvisor",
        "capacity": "2vCPU 9GB",
        "size": {"cpuMillis": 2000, "memoryMiB": 9216},
        "pin": None,
    }
    assert {key: report[key] for key in wanted} == wanted


def test_how_the_size_came_about(tmp_path: Path) -> None:
    pod = a_pod().in_namespace("test").requesting(cpu="1").with_sidecar("s", cpu="1").with_init("i", memory="1Gi")
    need = explain_json(tmp_path, [WEB], pod.build())["need"]
    assert need == {
        "cpuMillis": 2000,
        "memoryMiB": 1024,
        "ephemeralStorageMiB": 0,
        "memoryWithComponentsMiB": 1280,
        "containers": [
            {"name": "app", "kind": "Ordinary", "cpuMillis": 1000, "memoryMiB": 0, "ephemeralStorageMiB": 0},
            {"name": "s", "kind": "Sidecar", "cpuMillis": 1000, "memoryMiB": 0, "ephemeralStorageMiB": 0},
            {"name": "i", "kind": "Init", "cpuMillis": 0, "memoryMiB": 1024, "ephemeralStorageMiB": 0},
        ],
        "running": {"cpuMillis": 2000, "memoryMiB": 0, "ephemeralStorageMiB": 0},
        "initPeaks": [{"name": "i", "cpuMillis": 1000, "memoryMiB": 1024, "ephemeralStorageMiB": 0}],
        "podLevel": {"cpuMillis": None, "memoryMiB": None},
    }


def test_why_profiles_did_not_match(tmp_path: Path) -> None:
    profile = a_profile_resource("p", {"namespace": "prod", "labels": {"app": "x", "tier": "db"}}, {"namespace": "*"})
    pod = a_pod().labelled(tier="web").in_namespace("kube-system").build()
    assert explain_json(tmp_path, [profile], pod)["profiles"] == [
        {
            "name": "p",
            "outcome": "NoMatch",
            "selectors": [
                {
                    "namespace": "prod",
                    "labels": {"app": "x", "tier": "db"},
                    "matches": False,
                    "mismatches": [
                        {"fact": "NamespaceDiffers", "pattern": "prod", "namespace": "kube-system"},
                        {"fact": "LabelMissing", "key": "app", "value": "x"},
                        {"fact": "LabelDiffers", "key": "tier", "value": "db", "found": {"tier": "web"}},
                    ],
                },
                {
                    "namespace": "*",
                    "labels": {},
                    "matches": False,
                    "mismatches": [{"fact": "NamespaceProtected", "pattern": "*", "namespace": "kube-system"}],
                },
            ],
        }
    ]


def test_an_unmatched_pod(tmp_path: Path) -> None:
    report = explain_json(tmp_path, [WEB], a_pod().build())
    assert (report["decision"], report["need"]) == ("Unmatched", None)
    assert "profile" not in report


def test_a_skipped_pod(tmp_path: Path) -> None:
    report = explain_json(tmp_path, [WEB], a_pod().in_namespace("test").with_spec(nodeName="n").build())
    assert (report["decision"], report["profile"], report["reason"]) == ("Skipped", "web", "NodeNameSet")
    assert report["message"] == "The pod names its node in spec.nodeName."


def test_a_pod_that_opts_out_in_vain(tmp_path: Path) -> None:
    profile = a_profile_resource("web", {"namespace": "test"}, optOut="Refuse")
    pod = a_pod().in_namespace("test").with_spec(nodeName="n").build()
    report = explain_json(tmp_path, [profile], pod)
    text = (
        "Pods of Fargate profile web must not opt out of it (optOut: Refuse), and this one does. Remove spec.nodeName."
    )
    assert (report["decision"], report["profile"], report["message"]) == ("OptOutRefused", "web", text)
    assert explain(tmp_path, [profile], pod).startswith(f"Pod/pod in namespace test: refused. {text}")


def test_an_unsupported_pod(tmp_path: Path) -> None:
    pod = a_pod().in_namespace("test").labelled({EKS_PROFILE_LABEL: "web"}).requesting(cpu="17").build()
    report = explain_json(tmp_path, [WEB], pod)
    assert report["decision"] == "Unsupported"
    assert report["capacity"] is None
    assert report["unsupported"] == ["requests exceed the largest size: 16vCPU 120GB"]
    assert report["unsupportedPods"] == "Pend"
    assert report["message"].startswith("Pod not supported on Fargate: ")
    assert (report["pinned"], report["pin"]) == (True, "web")
    assert report["profiles"][0]["outcome"] == "Pinned"
    assert report["need"]["cpuMillis"] == 17000


def test_a_sandbox_that_nothing_names_is_null(tmp_path: Path) -> None:
    assert explain_json(tmp_path, [WEB], a_pod().in_namespace("test").build())["runtimeClassName"] is None


def test_a_live_pod_also_says_what_admission_decided() -> None:
    today = build_explanation("Pod/x", a_pod().build(), "default", [a_profile("web", a_selector("*"))])
    admitted = Admitted("old", "1vCPU 2GB", "kata", "", "20Gi", ("data",), ("cluster", "db"), waits_for_isolation=True)
    report = build_report(LiveExplanation(admitted, today))
    assert report["pods"][0]["decision"] == "Sandboxed"
    assert report["pods"][0]["admitted"] == {
        "profile": "old",
        "capacity": "1vCPU 2GB",
        "runtimeClass": "kata",
        "unsupported": None,
        "ephemeralStorage": "20Gi",
        "waitsForClaims": ["data"],
        "securityGroups": ["cluster", "db"],
        "waitsForIsolation": True,
    }
    json.dumps(report)


def test_what_a_pod_is_given_beside_its_size(tmp_path: Path) -> None:
    profile = a_profile_resource("p", {"namespace": "*"}, subnets=["zone-a"])
    pod = a_pod().requesting(ephemeral_storage="100Gi").with_volume("v", persistentVolumeClaim={"claimName": "data"})
    report = explain_json(tmp_path, [profile], pod.build())
    assert (report["ephemeralStorageGiB"], report["zones"], report["claims"]) == (115, ["zone-a"], ["data"])


def test_more_storage_than_fargate_has_is_not_given(tmp_path: Path) -> None:
    pod = a_pod().in_namespace("test").requesting(ephemeral_storage="176Gi").build()
    assert explain_json(tmp_path, [WEB], pod)["ephemeralStorageGiB"] is None


def test_a_live_pod_that_was_left_alone_was_not_admitted() -> None:
    today = build_explanation("Pod/x", a_pod().build(), "default", [])
    assert build_report(LiveExplanation(None, today))["pods"][0]["admitted"] is None
