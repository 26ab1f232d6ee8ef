"""A thousand profiles in a thousand namespaces, three hundred of them on one: all in force, and pods go as they say."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.bench.fleet import CROWD, CROWDED, EVERYWHERE, PROFILES, build_namespaces, build_profiles, name_app
from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL
from monopod.pods.rules.selection import Profile, choose_profile
from tests.controlplane.operating.conftest import run_lab
from tests.controlplane.operating.lab import SANDBOX, Json, Lab, OperatorProcess, build_profile, eventually

pytestmark = pytest.mark.timeout(3600)
# A busy machine takes its time: nothing here is about how long, docs/performance.md is.
PATIENCE_SECONDS = 1200.0
# On a busy machine a look at so many profiles may keep a Lease of ten seconds from being renewed, and its holder exits.
FLAGS = ("--profile-quota", str(PROFILES + 1), "--resync-seconds", "60", "--lease-seconds", "40")
NAMESPACES_TRIED = 40
TRIALS_AWAITED = 100
# The longest patterns for any label: what 300 profiles leave of a namespace's room isn't enough for five selectors.
LARGE = {f"{n}{'k*' * 30}": "v*" * 31 for n in range(4)}


class Fleet:
    """A control plane of its own, full of profiles, and the operator beside it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self._log = folder / "operator.log"
        self.operator = self._start()

    def _start(self) -> OperatorProcess:
        return OperatorProcess(self.lab.write_kubeconfig(), self._log, *FLAGS)

    def restart(self) -> None:
        """As after a failure: the Lease of the one that was killed runs out first."""
        self.operator.kill()
        self.operator = self._start()

    def create_all(self, items: Sequence[Json]) -> None:
        with ThreadPoolExecutor(8) as threads:
            for answer in threads.map(self.lab.create, items):
                answer.expect_ok()

    def are_active(self) -> bool:
        """Whether the operator is about to say so of all; to list them again and again takes the machine's time."""
        return self.operator.metric('monopod_profiles{phase="ACTIVE"}') == PROFILES

    def are_settled(self) -> bool:
        """Whether all say so, and that nothing else is amiss or under way."""
        statuses = [profile.get("status") or {} for profile in self._list_profiles()]
        return all(status.get("phase") == "ACTIVE" and not _find_amiss(status) for status in statuses)

    def find_versions(self) -> dict[str, str]:
        """Of all profiles: those that are equal later have not been written meanwhile."""
        return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in self._list_profiles()}

    def _list_profiles(self) -> Sequence[Json]:
        return self.lab.list_all("FargateProfile")

    def admit(self, namespace: str, labels: dict[str, str]) -> str:
        """The profile that takes a pod, "" if none does."""
        metadata = {"name": "pod", "namespace": namespace, "labels": labels}
        spec = {"containers": [{"name": "app", "image": "app"}]}
        pod = self.lab.create({"kind": "Pod", "metadata": metadata, "spec": spec}, dry_run=True).expect_ok()
        profile = str(pod["metadata"]["labels"].get(PROFILE_LABEL, ""))
        assert (pod["spec"].get("runtimeClassName") == SANDBOX) == bool(profile)
        return profile


def _find_amiss(status: Json) -> set[str]:
    """The conditions that aren't true, but for that of capacity: here is no node."""
    return {each["type"] for each in status["conditions"] if each["status"] != "True"} - {"CapacityAvailable"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All in force."""
    folder = tmp_path_factory.mktemp("full-size")
    with run_lab("full-size", folder) as lab:
        fleet = Fleet(lab, folder)
        try:
            eventually(lab.quota)
            fleet.create_all([{"kind": "Namespace", "metadata": {"name": name}} for name in build_namespaces()])
            fleet.create_all(build_profiles())
            eventually(fleet.are_active, PATIENCE_SECONDS)
            eventually(fleet.are_settled, PATIENCE_SECONDS)
            yield fleet
        finally:
            fleet.operator.kill()


def read_profiles() -> list[Profile]:
    return [Profile.from_resource(profile, SANDBOX) for profile in build_profiles()]


def name_profile(number: int) -> str:
    return f"profile-{number:04}"


@pytest.mark.parametrize("number", [0, 1, 149, CROWDED - 2, CROWDED - 1])
def test_a_pod_goes_to_its_own_among_three_hundred_profiles(fleet: Fleet, number: int) -> None:
    labels = {"app": name_app(number), "tier": "web", "cost-center": f"c{number}"}
    assert fleet.admit(CROWD, labels) == name_profile(number)


def test_a_pod_that_none_of_three_hundred_profiles_matches_is_an_ordinary_one(fleet: Fleet) -> None:
    assert fleet.admit(CROWD, {"app": name_app(7), "tier": "database"}) == ""


def test_a_pin_decides_among_three_hundred_profiles(fleet: Fleet) -> None:
    late = CROWDED + EVERYWHERE - 1
    labels = {"app": name_app(1), "tier": "web", "job": name_app(late)}
    assert fleet.admit(CROWD, labels) == name_profile(1)
    assert fleet.admit(CROWD, {**labels, EKS_PROFILE_LABEL: name_profile(late)}) == name_profile(late)


def test_in_other_namespaces_pods_go_where_python_says(fleet: Fleet, seed: int) -> None:
    draw, profiles = random.Random(seed), read_profiles()
    taken = 0
    for namespace in draw.sample(build_namespaces(), NAMESPACES_TRIED):
        reaching = [profile for profile in profiles if choose_profile(find_labels(profile), namespace, [profile])]
        labels = find_labels(draw.choice(reaching)) | find_labels(draw.choice(profiles))
        choice = choose_profile(labels, namespace, profiles)
        assert fleet.admit(namespace, labels) == (choice.match.profile.name if choice else "")
        taken += bool(choice)
    assert taken > NAMESPACES_TRIED / 4


def find_labels(profile: Profile) -> dict[str, str]:
    """Labels of a pod that the profile matches, where it reaches."""
    return {
        key.replace("*", "x"): value.replace("*", "x").replace("?", "x") for key, value in profile.selectors[0].labels
    }


def test_a_new_namespace_has_its_rows_from_its_first_moment(fleet: Fleet) -> None:
    namespace = {"kind": "Namespace", "metadata": {"name": "team-07-new"}}
    created = fleet.lab.create(namespace, dry_run=True).expect_ok()
    selectors = created["metadata"]["annotations"]["monopod.dev/profiles"].splitlines()
    reaching = [each.name for each in read_profiles() if each.selectors[0].namespace in ("*", "team-07-*")]
    assert [each.split("|")[0] for each in selectors] == reaching


def test_a_profile_that_there_is_no_room_for_is_refused_alone(fleet: Fleet) -> None:
    fleet.operator.becomes_quiet(PATIENCE_SECONDS)
    lab, before = fleet.lab, (fleet.lab.namespace_marks(CROWD), fleet.find_versions())
    selectors = [{"namespace": CROWD, "labels": {**LARGE, "app": f"app-{n}"}} for n in range(5)]
    lab.create(build_profile("too-large", selectors=selectors)).expect_ok()
    refused = "CREATE_FAILED", "SelectorsTooLarge"
    eventually(lambda: (lab.phase("too-large"), lab.reason("too-large")) == refused, PATIENCE_SECONDS)
    after = fleet.find_versions()
    del after["too-large"]
    assert (lab.namespace_marks(CROWD), after) == before
    lab.delete("FargateProfile", "too-large")
    eventually(lambda: lab.get("FargateProfile", "too-large") is None, PATIENCE_SECONDS)


def test_an_operator_that_starts_over_finds_nothing_to_write(fleet: Fleet) -> None:
    fleet.operator.becomes_quiet(PATIENCE_SECONDS)
    before = fleet.find_versions()
    fleet.restart()
    sample = 'monopod_dry_runs_total{outcome="sandboxed"}'
    eventually(lambda: fleet.operator.metric(sample) >= TRIALS_AWAITED, PATIENCE_SECONDS)
    assert fleet.find_versions() == before
    assert fleet.operator.count_writes() == 0
