"""Replicas come and go, and so does the API server: the result is the same."""

import contextlib
import itertools
import signal
import subprocess
import time

from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.gateway import Gateway
from tests.controlplane.operating.interceptor import Interceptor
from tests.controlplane.operating.lab import SANDBOX, Lab, eventually

FAILED_RECONCILES = 'monopod_controller_reconciles_total{controller="profiles",result="error"}'


def test_a_killed_operator_comes_back_to_the_same_result(lab: Lab, start: StartOperator) -> None:
    first = start("--no-leader-elect")
    lab.create_namespace("killed")
    lab.create_profile("web", "killed")
    lab.create_profile("broken", "killed", runtimeClassName="nowhere")
    lab.becomes_active("web")
    eventually(lambda: lab.phase("broken") == "CREATE_FAILED")
    first.becomes_quiet()
    before = [lab.status(name) for name in ("web", "broken")], lab.get("Namespace", "killed")
    first.kill()
    start("--no-leader-elect").passes_happen(3)
    assert ([lab.status(name) for name in ("web", "broken")], lab.get("Namespace", "killed")) == before


def test_an_operator_killed_in_the_middle_of_its_work_finishes_it_later(lab: Lab, start: StartOperator) -> None:
    for number in range(8):
        lab.create_namespace(f"middle-{number}")
    first = start("--no-leader-elect")
    lab.create_profile("web", "middle-*")
    eventually(lambda: any(lab.namespace_marks(f"middle-{number}")[0] for number in range(8)))
    first.kill()
    start("--no-leader-elect")
    lab.becomes_active("web")
    marks = {lab.namespace_marks(f"middle-{number}") for number in range(8)}
    assert marks == {("true", f"web|{SANDBOX}|Pend||")}


def test_what_changes_while_no_operator_runs_is_made_up_for(lab: Lab, start: StartOperator) -> None:
    first = start("--no-leader-elect")
    lab.create_namespace("absent-old")
    lab.create_namespace("absent-new")
    lab.create_profile("old", "absent-old")
    lab.becomes_active("old")
    first.kill()
    lab.delete("FargateProfile", "old")
    lab.create_profile("new", "absent-new")
    start("--no-leader-elect")
    lab.becomes_active("new")
    eventually(lambda: lab.is_gone("old"))
    eventually(lambda: lab.namespace_marks("absent-old") == (None, None))
    assert lab.namespace_marks("absent-new") == ("true", f"new|{SANDBOX}|Pend||")


def test_the_standby_is_ready_and_takes_over_at_once_from_a_leader_that_stops(lab: Lab, start: StartOperator) -> None:
    leader = start("--identity", "first", "--lease-seconds", "60")
    eventually(lambda: lab.lease_holder() == "first")
    standby = start("--identity", "second", "--lease-seconds", "60")
    eventually(lambda: standby.fetch("/readyz")[0] == 200)
    eventually(lambda: (leader.metric("monopod_leader"), standby.metric("monopod_leader")) == (1, 0))
    assert leader.terminate() == 0
    eventually(lambda: lab.lease_holder() == "second", deadline=50)  # before the Lease would have run out
    lab.create_profile("web", "taken-over-*")
    lab.becomes_active("web")
    eventually(lambda: standby.metric("monopod_leader") == 1)


def test_the_standby_takes_over_from_a_leader_that_dies_when_its_lease_runs_out(lab: Lab, start: StartOperator) -> None:
    leader = start("--identity", "first", "--lease-seconds", "12")
    eventually(lambda: lab.lease_holder() == "first")
    start("--identity", "second", "--lease-seconds", "12")
    leader.kill()
    eventually(lambda: lab.lease_holder() == "second")


def test_a_leader_that_lost_its_lease_exits(lab: Lab, start: StartOperator) -> None:
    leader = start("--identity", "first", "--lease-seconds", "12")
    eventually(lambda: lab.lease_holder() == "first")
    usurped = {"spec": {"holderIdentity": "usurper", "leaseDurationSeconds": 3600}}
    lab.patch("Lease", "monopod", usurped, "monopod-system")
    assert leader.process.wait(timeout=60) == 1
    assert lab.lease_holder() == "usurper"


def test_an_operator_survives_the_api_server_being_away(lab: Lab, start: StartOperator) -> None:
    lab.create_namespace("away")
    with Gateway(lab.server) as gateway:
        operator = start("--no-leader-elect", kubeconfig=lab.write_kubeconfig(gateway.url))
        lab.create_profile("before", "away")
        lab.becomes_active("before")
        gateway.close_off()
        lab.delete("FargateProfile", "before")
        lab.create_profile("after", "away")
        eventually(lambda: gateway.refused >= 3)
        gateway.open_up()
        lab.becomes_active("after")
        eventually(lambda: lab.namespace_marks("away") == ("true", f"after|{SANDBOX}|Pend||"))
        assert operator.process.poll() is None
        eventually(lambda: operator.fetch("/healthz")[0] == 200)


def test_an_operator_survives_being_refused_for_a_while(lab: Lab, start: StartOperator) -> None:
    """As during upgrades of the API server. New watches are refused then, so the open ones are cut too."""
    lab.create_namespace("refused")
    binding = lab.get("ClusterRoleBinding", "monopod") or {}
    with Gateway(lab.server) as gateway:
        operator = start("--no-leader-elect", kubeconfig=lab.write_kubeconfig(gateway.url))
        lab.create_profile("before", "refused")
        lab.becomes_active("before")
        lab.delete("ClusterRoleBinding", "monopod")
        try:
            gateway.close_off()
            gateway.open_up()
            eventually(lambda: operator.metric(FAILED_RECONCILES) >= 3)
        finally:
            lab.restore(binding)
        lab.create_profile("after", "refused")
        lab.becomes_active("after")
        assert operator.process.poll() is None


def test_a_watch_that_dies_without_a_sign_is_made_up_for_and_reported(lab: Lab, start: StartOperator) -> None:
    lab.create_namespace("silent")
    with Gateway(lab.server) as gateway:
        operator = start("--no-leader-elect", kubeconfig=lab.write_kubeconfig(gateway.url))
        lab.create_profile("before", "silent")
        lab.becomes_active("before")
        operator.passes_happen(2)
        gateway.silence_open_connections()
        lab.create_profile("after", "silent")
        lab.becomes_active("after")
        eventually(lambda: operator.metric('monopod_watch_missed_objects_total{resource="fargateprofiles"}') > 0)
        numbers, patch_at = itertools.count(), 0.0

        def is_found_dead() -> bool:
            nonlocal patch_at
            # Not without a break: the answers to the operator's own writes would show it every change.
            if time.monotonic() >= patch_at:
                lab.patch("FargateProfile", "after", {"spec": {"tags": {"number": str(next(numbers))}}})
                patch_at = time.monotonic() + 0.5
            return operator.fetch("/healthz")[0] == 503

        eventually(is_found_dead)


def test_a_new_leader_waits_for_the_crd(lab: Lab, start: StartOperator) -> None:
    crd = lab.get("CustomResourceDefinition", "fargateprofiles.monopod.dev") or {}
    lab.delete("CustomResourceDefinition", "fargateprofiles.monopod.dev")
    eventually(lambda: lab.get("CustomResourceDefinition", "fargateprofiles.monopod.dev") is None)
    try:
        operator = start("--no-leader-elect")
        eventually(lambda: operator.fetch("/readyz")[0] == 503)
        assert operator.fetch("/healthz")[0] == 200
    finally:
        lab.restore(crd)
    eventually(lambda: operator.fetch("/readyz")[0] == 200)
    lab.create_profile("web", "late-*")
    lab.becomes_active("web")


def test_a_standby_that_ends_while_it_takes_the_lease_leaves_it_to_no_one(lab: Lab, start: StartOperator) -> None:
    def is_lease_write(method: str, path: str) -> bool:
        return method in ("POST", "PUT") and "/leases" in path

    with Interceptor(lab.server, lab.tls, is_lease_write) as asked:
        with asked.holding(is_lease_write):
            standby = start("--identity", "first", "--lease-seconds", "60", kubeconfig=lab.write_kubeconfig(asked.url))
            eventually(lambda: asked.find("(POST|PUT) .*/leases(/monopod)?"))
            standby.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                standby.process.wait(timeout=1)
        assert standby.process.wait(timeout=60) == 0
    eventually(lambda: all(write.status for write in asked.find("(POST|PUT) .*/leases(/monopod)?")))
    assert lab.lease_holder() == ""
