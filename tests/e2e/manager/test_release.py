"""The chart's release, upgraded and removed under running pods. Runs last: Monopod is gone after it."""

import json

import pytest

from lab.build.toolchain import build_tools
from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.installation import RELEASE, install_chart
from lab.shell import CommandFailed, run
from monopod.api.names import EKS_PROFILE_LABEL
from tests.e2e.conftest import PROFILE
from tests.e2e.live import Live, Object
from tests.e2e.workloads import SANDBOXED, a_pod


@pytest.mark.timeout(1200)
def test_pods_live_through_an_upgrade_and_a_removal_of_monopod(live: Live) -> None:
    """One story, because each step needs the one before: upgrade, then uninstall."""
    namespace = live.make_namespace()
    live.apply(a_pod("before", namespace, SANDBOXED))
    before = live.await_ready(namespace)[0]

    install_chart(live.cluster, "log.level=debug")
    live.await_phase(PROFILE)
    assert _is_untouched(live, before), "an upgrade leaves running pods alone"
    live.apply(a_pod("upgraded", namespace, SANDBOXED))
    assert _compute_profile(live, "upgraded", namespace) == PROFILE

    _helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--wait", "--kubeconfig", live.cluster.kubeconfig_path)
    assert _is_untouched(live, before), "removing Monopod leaves running pods alone"
    assert live.run_in(before, "echo alive") == "alive"
    assert live.get("fargateprofile", PROFILE), "profiles are kept for a later install"

    after = live.wait_for(lambda: _make_ordinary_pod(live, namespace), "an ordinary pod in the old namespace", 180)
    assert _compute_profile(live, after, namespace) == ""
    fresh = live.make_namespace()
    live.wait_for(lambda: _make_ordinary_pod(live, fresh), "an ordinary pod in a new namespace", 180)
    live.await_ready(fresh)


def _make_ordinary_pod(live: Live, namespace: str) -> str:
    """Its name, or "" if policies, which go within a second or two, still took it, or refused it: each for itself."""
    wanted = json.dumps(_unnamed(a_pod("after", namespace, SANDBOXED)))
    try:
        pod = json.loads(live.kubectl("create", "-f", "-", "-o", "json", stdin=wanted))
    except CommandFailed as failure:
        if "ValidatingAdmissionPolicy 'monopod-" in str(failure):
            return ""
        raise
    name: str = pod["metadata"]["name"]
    if "runtimeClassName" not in pod["spec"]:
        return name
    live.kubectl("delete", "pod", name, "-n", namespace, "--now")
    return ""


def _unnamed(pod: Object) -> Object:
    metadata = dict(pod["metadata"])
    return {**pod, "metadata": {"generateName": f"{metadata.pop('name')}-", **metadata}}


def _is_untouched(live: Live, pod: Object) -> bool:
    meta = pod["metadata"]
    now = live.get("pod", meta["name"], meta["namespace"])
    restarts = [status["restartCount"] for status in now["status"]["containerStatuses"]]
    return bool(now["metadata"]["uid"] == meta["uid"]) and not any(restarts)


def _compute_profile(live: Live, pod: str, namespace: str) -> str:
    labels = live.get("pod", pod, namespace)["metadata"].get("labels", {})
    return str(labels.get(EKS_PROFILE_LABEL, ""))


def _helm(*args: object) -> None:
    run([build_tools("helm")["helm"], *(str(arg) for arg in args)], timeout=180)
