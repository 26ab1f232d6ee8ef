"""`kubectl fargate doctor` on a cluster where everything works, with the network tried for real."""

import json
import os
import subprocess

from lab.images import BUSYBOX_IMAGE
from tests.e2e.live import Live


def test_doctor_finds_no_problem_and_sees_that_policies_are_enforced(live: Live) -> None:
    done = subprocess.run(
        ["kubectl-fargate", "doctor", "--probe", "--image", BUSYBOX_IMAGE, "-o", "json"],
        env={**os.environ, "KUBECONFIG": str(live.cluster.kubeconfig_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    findings = json.loads(done.stdout)["findings"]
    assert [finding for finding in findings if finding["level"] == "Problem"] == []
    assert "NetworkPolicies are enforced: a pod could reach another until a policy forbade it." in [
        finding["message"] for finding in findings
    ]
    assert done.returncode == 0
    left = [
        item["metadata"]["name"]
        for item in json.loads(live.kubectl("get", "ns", "-o", "json"))["items"]
        if "deletionTimestamp" not in item["metadata"]
    ]
    assert not [name for name in left if name.startswith("monopod-doctor-")]
