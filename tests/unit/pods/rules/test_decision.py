from monopod.api.names import COMPUTE_TYPE, EKS_PROFILE_LABEL, MIRROR_ANNOTATION
from monopod.pods.rules.decision import OptOutRefused, Sandboxed, Skipped, Unmatched, Unsupported, decide
from monopod.pods.rules.exemptions import DAEMON_SET_CONTROLLER, Skip
from monopod.pods.rules.size import PodSize
from tests.unit.builders import a_pod, a_profile, a_selector

WEB = a_profile("web", a_selector("test"), a_selector("prod", tier="web"), sandbox="gvisor")


def test_a_matching_pod_is_sandboxed_at_its_size() -> None:
    decision = decide(a_pod().labelled(tier="web").requesting(cpu="2", memory="2Gi").build(), "prod", [WEB])
    assert isinstance(decision, Sandboxed)
    assert decision.profile is WEB
    assert decision.selector_index == 1
    assert decision.runtime_class == "gvisor"
    assert decision.size.row == PodSize(2000, 4096)
    assert not decision.pinned


def test_the_namespace_of_the_request_counts_and_not_the_manifests() -> None:
    pod = a_pod().labelled(tier="web").in_namespace("elsewhere").build()
    assert isinstance(decide(pod, "prod", [WEB]), Sandboxed)


def test_a_pod_that_no_profile_matches_is_let_be() -> None:
    assert decide(a_pod().build(), "prod", [WEB]) == Unmatched()
    assert decide(a_pod().build(), "prod", []) == Unmatched()


def test_a_pod_that_no_profile_matches_is_not_called_exempt() -> None:
    assert decide(a_pod().with_spec(nodeName="n").build(), "prod", [WEB]) == Unmatched()


def test_an_exempt_pod_is_skipped_whatever_else_is_wrong_with_it() -> None:
    pod = a_pod().owned_by("DaemonSet").with_spec(hostNetwork=True).build()
    assert decide(pod, "test", [WEB], username=DAEMON_SET_CONTROLLER) == Skipped(Skip.DAEMON_SET, WEB, 0)
    assert isinstance(decide(pod, "test", [WEB], username="eve"), Unsupported)


def test_only_a_kubelets_word_makes_a_mirror_pod() -> None:
    pod = a_pod().annotated({MIRROR_ANNOTATION: "x"}).build()
    assert isinstance(decide(pod, "test", [WEB], username="system:node:a"), Skipped)
    assert isinstance(decide(pod, "test", [WEB], username="eve"), Sandboxed)


def test_a_pod_that_fargate_cannot_run_keeps_its_profile_and_size() -> None:
    decision = decide(a_pod().with_spec(hostNetwork=True).build(), "test", [WEB])
    assert isinstance(decision, Unsupported)
    assert (decision.profile, decision.selector_index, decision.runtime_class) == (WEB, 0, "gvisor")
    assert decision.size is not None
    assert decision.size.row == PodSize(250, 512)
    assert decision.messages == ("fields not supported: HostNetwork",)
    assert decision.text == "Pod not supported on Fargate: fields not supported: HostNetwork"


def test_a_pod_beyond_the_largest_size_has_none() -> None:
    decision = decide(a_pod().requesting(cpu="17").build(), "test", [WEB])
    assert isinstance(decision, Unsupported)
    assert decision.size is None


def test_a_pinned_pod_says_so() -> None:
    decision = decide(a_pod().labelled({EKS_PROFILE_LABEL: "web"}).build(), "test", [WEB])
    assert isinstance(decision, Sandboxed)
    assert decision.pinned


def test_a_wildcard_does_not_reach_a_protected_namespace() -> None:
    everything = a_profile("all", a_selector("*"))
    assert decide(a_pod().build(), "kube-system", [everything], protected={"kube-system"}) == Unmatched()


def test_a_pod_with_claims_says_what_it_waits_for() -> None:
    decision = decide(a_pod().with_volume("data", persistentVolumeClaim={"claimName": "pg"}).build(), "test", [WEB])
    assert isinstance(decision, Sandboxed)
    assert decision.claims == ("pg",)


KEEP = a_profile("keep", a_selector("prod", tier="web"), opt_out="Refuse")
ALLOW = a_profile("allow", a_selector("prod"))


def test_a_pod_that_opts_out_in_vain_is_refused_with_the_fields_that_do_it() -> None:
    pod = a_pod().labelled(tier="web").annotated({COMPUTE_TYPE: "ec2"}).with_spec(nodeName="n", schedulerName="volcano")
    decision = decide(pod.build(), "prod", [KEEP])
    assert isinstance(decision, OptOutRefused)
    assert decision.text == (
        "Pods of Fargate profile keep must not opt out of it (optOut: Refuse), and this one does. Remove "
        "metadata.annotations[eks.amazonaws.com/compute-type], spec.nodeName, spec.schedulerName."
    )


def test_no_other_profile_lets_the_pod_out() -> None:
    pod = a_pod().labelled({"tier": "web", EKS_PROFILE_LABEL: "allow"}).with_spec(nodeName="n")
    for profiles in ([KEEP, ALLOW], [ALLOW, KEEP]):
        decision = decide(pod.build(), "prod", profiles)
        assert isinstance(decision, OptOutRefused)
        assert decision.profile is ALLOW
        assert "Fargate profile keep" in decision.text


def test_who_is_no_author_isnt_refused() -> None:
    pod = a_pod().labelled(tier="web").owned_by("DaemonSet").annotated({COMPUTE_TYPE: "ec2"}).build()
    assert isinstance(decide(pod, "prod", [KEEP], username=DAEMON_SET_CONTROLLER), Skipped)
    assert isinstance(decide(pod, "prod", [KEEP], username="eve"), OptOutRefused)
    assert isinstance(decide(a_pod().with_spec(nodeName="n").build(), "prod", [KEEP, ALLOW]), Skipped)
