"""Namespaces on a real API server: new ones get their selectors without the operator, and only it changes any."""

import itertools
import random
from collections.abc import Iterator

import pytest

from monopod.api.names import (
    GROUP_POLICIES_ANNOTATION,
    ISOLATED_ANNOTATION,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    PATTERNS_CONFIGMAP,
    PROFILE_LABEL,
    SELECTORS_ANNOTATION,
    SYSTEM_NAMESPACE,
)
from monopod.kube.objects.resources import CONFIG_MAPS, NAMESPACES
from monopod.pods.rules.selection import Profile, pattern_to_regex
from monopod.selectors.compile import (
    MAX_NAMESPACE_CHARACTERS,
    MAX_PATTERNS,
    compile_namespace_patterns,
    compile_selectors,
)
from tests.controlplane.reach import OPERATOR, poll
from tests.controlplane.server import Answer, Manifest, Server
from tests.unit.builders import a_pod, a_profile, a_selector

CONFIGMAPS = CONFIG_MAPS.list_path(SYSTEM_NAMESPACE)
PROTECTED = frozenset({"kube-system", SYSTEM_NAMESPACE, "guarded"})

_numbers = itertools.count(1)

PROFILES = [
    a_profile("exact", a_selector("only-this")),
    a_profile("prefix", a_selector("team-*", tier="web"), a_selector("team-*", {"t*": "d?"})),
    a_profile("middle", a_selector("x-?-z")),
    a_profile("guard", a_selector("guard*"), sandbox="bare", unsupported="Reject"),
    a_profile("named", a_selector("guarded", tier="web")),
]


def publish(server: Server, profiles: list[Profile]) -> None:
    """Writes the ConfigMap as the operator does, and returns when new namespaces follow it."""
    name = f"seen-{next(_numbers)}"
    data = compile_namespace_patterns([*profiles, a_profile("seen", a_selector(name))], PROTECTED)
    server.create(CONFIGMAPS, {"metadata": {"name": PATTERNS_CONFIGMAP}})
    server.patch(f"{CONFIGMAPS}/{PATTERNS_CONFIGMAP}", {"data": data}).expect_ok()
    poll(lambda: create(server, name), lambda answer: answer.ok and read_selectors(answer.body) != "")


@pytest.fixture
def published(server: Server) -> Iterator[Server]:
    """The API server with the profiles above for namespaces to come."""
    publish(server, PROFILES)
    yield server
    # Others create namespaces of any name, and expect no selectors.
    publish(server, [])


def create(
    server: Server, name: str, *, dry_run: bool = True, user: str = "", metadata: Manifest | None = None
) -> Answer:
    manifest = {"metadata": {"name": name, **(metadata or {})}}
    return server.create(NAMESPACES.list_path(), manifest, dry_run=dry_run, user=user)


def read_selectors(namespace: Manifest) -> str:
    """The namespace's selectors; checks that the label says whether there are any."""
    metadata = namespace["metadata"]
    selectors: str = metadata.get("annotations", {}).get(SELECTORS_ANNOTATION, "")
    assert metadata["labels"].get(NAMESPACE_LABEL) == (NAMESPACE_LABEL_VALUE if selectors else None)
    return selectors


NAMES = ("only-this", "only-this-2", "team-", "team-a", "team", "my-team-a", "x-y-z", "x-yy-z", "guarded", "guarding")


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("-")])
def test_a_new_namespace_gets_the_rows_that_the_operator_would_write(published: Server, name: str) -> None:
    namespace = create(published, name).expect_ok()
    assert read_selectors(namespace) == compile_selectors(name, PROFILES, PROTECTED)


@pytest.mark.eks("1.wildcards-in-namespaces", "1.wildcards-and-kube-system")
@pytest.mark.parametrize(
    ("name", "profiles"),
    [
        ("only-this", ["exact"]),
        ("team-a", ["prefix", "prefix"]),
        ("x-y-z", ["middle"]),
        ("x-yy-z", []),
        ("guarding", ["guard"]),
        ("guarded", ["named"]),
    ],
)
def test_the_profiles_of_a_new_namespace(published: Server, name: str, profiles: list[str]) -> None:
    selectors = read_selectors(create(published, name).expect_ok())
    assert [each.split("|")[0] for each in selectors.splitlines()] == profiles


def test_generated_names_and_patterns_come_to_the_same_in_python_and_in_cel(server: Server, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(4):
        patterns = ["".join(draw.choices("ab-*?", k=draw.randint(1, 5))) for _ in range(12)]
        profiles = [a_profile(f"p{n:02}", a_selector(pattern, a="b")) for n, pattern in enumerate(patterns)]
        publish(server, profiles)
        for name in {"a" + "".join(draw.choices("ab-", k=draw.randint(0, 5))) + "b" for _ in range(30)}:
            selectors = read_selectors(create(server, name).expect_ok())
            assert selectors == compile_selectors(name, profiles, PROTECTED), f"seed {seed}, {name}, {patterns}"
    publish(server, [])


def test_a_pod_in_a_namespace_that_has_just_been_created_is_sandboxed(published: Server) -> None:
    """As with `kubectl apply` of a file that holds both, while the operator is away."""
    create(published, "team-fresh", dry_run=False).expect_ok()
    pod = published.create_pod("team-fresh", a_pod().labelled(tier="web").build()).expect_ok()
    assert pod["metadata"]["labels"][PROFILE_LABEL] == "prefix"


FORGED = {
    "a label": {"labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE, "a": "b"}},
    "another value of the label": {"labels": {NAMESPACE_LABEL: "no", "a": "b"}},
    "isolation": {"annotations": {ISOLATED_ANNOTATION: "true"}, "labels": {"a": "b"}},
    "policies": {"annotations": {GROUP_POLICIES_ANNOTATION: "p|admin||*"}, "labels": {"a": "b"}},
    "selectors": {"annotations": {SELECTORS_ANNOTATION: "evil|bare|Pend||"}, "labels": {"a": "b"}},
    "both": {
        "annotations": {SELECTORS_ANNOTATION: "evil|bare|Pend||"},
        "labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE, "a": "b"},
    },
}


@pytest.mark.parametrize("metadata", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("name", ["unreached", "team-b"])
def test_what_a_manifest_brings_is_replaced(published: Server, name: str, metadata: Manifest) -> None:
    namespace = create(published, name, metadata=metadata).expect_ok()
    assert read_selectors(namespace) == compile_selectors(name, PROFILES, PROTECTED)
    assert namespace["metadata"]["labels"]["a"] == "b"
    assert not {ISOLATED_ANNOTATION, GROUP_POLICIES_ANNOTATION} & namespace["metadata"].get("annotations", {}).keys()


def test_a_generated_name_is_refused_where_a_profile_reaches_it(published: Server) -> None:
    """The API server completes the name after the policy that would have written the selectors."""
    answer = create(published, "", metadata={"generateName": "team-"})
    assert answer.status == 403
    assert "Create it with metadata.name instead of metadata.generateName" in answer.message
    assert read_selectors(create(published, "", metadata={"generateName": "unreached-"}).expect_ok()) == ""


CHANGES = {
    "dropping the label": ({"labels": {NAMESPACE_LABEL: None}}, NAMESPACE_LABEL),
    "changing the label": ({"labels": {NAMESPACE_LABEL: "false"}}, NAMESPACE_LABEL),
    "isolating it": ({"annotations": {ISOLATED_ANNOTATION: "yes"}}, ISOLATED_ANNOTATION),
    "opening it": ({"annotations": {ISOLATED_ANNOTATION: None}}, ISOLATED_ANNOTATION),
    "adding policies": (
        {"annotations": {GROUP_POLICIES_ANNOTATION: "p|admin||*"}},
        GROUP_POLICIES_ANNOTATION,
    ),
    "dropping the selectors": ({"annotations": {SELECTORS_ANNOTATION: None}}, SELECTORS_ANNOTATION),
    "changing the selectors": ({"annotations": {SELECTORS_ANNOTATION: "evil|bare|Pend||"}}, SELECTORS_ANNOTATION),
}


@pytest.mark.parametrize("road", ["", "/status"], ids=["namespace", "status"])
@pytest.mark.parametrize(("change", "field"), CHANGES.values(), ids=CHANGES)
def test_nobody_changes_a_namespaces_marks(server: Server, change: Manifest, field: str, road: str) -> None:
    answer = server.patch(f"/api/v1/namespaces/fargate{road}", {"metadata": change}, user="somebody")
    assert answer.status == 403
    assert f"[{field}] is written by Monopod's operator alone" in answer.message


@pytest.mark.parametrize("annotation", [ISOLATED_ANNOTATION, GROUP_POLICIES_ANNOTATION])
def test_a_new_namespace_is_not_isolated_even_where_nothing_removes_the_mark(server: Server, annotation: str) -> None:
    """As before the operator has made the ConfigMap, or after somebody deleted it."""
    server.delete(f"{CONFIGMAPS}/{PATTERNS_CONFIGMAP}")
    metadata = {"annotations": {annotation: "true"}}
    answer = poll(lambda: create(server, "unheard-of", metadata=metadata), lambda answer: not answer.ok)
    assert answer.status == 403
    assert f"metadata.annotations[{annotation}] is written by Monopod's operator alone" in answer.message
    publish(server, [])


def test_nor_by_way_of_finalize(server: Server) -> None:
    namespace = server.get(NAMESPACES.path("fargate")).expect_ok()
    del namespace["metadata"]["labels"][NAMESPACE_LABEL]
    answer = server.update(f"{NAMESPACES.path('fargate')}/finalize", namespace, user="somebody")
    assert answer.status == 403


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE}},
        {"annotations": {SELECTORS_ANNOTATION: "evil|bare|Pend||"}},
        {"annotations": {ISOLATED_ANNOTATION: "true"}},
        {"annotations": {GROUP_POLICIES_ANNOTATION: "p|admin||*"}},
    ],
    ids=["label", "selectors", "isolation", "policies"],
)
def test_nobody_adds_marks_to_a_namespace(server: Server, metadata: Manifest) -> None:
    assert server.patch(NAMESPACES.path("plain"), {"metadata": metadata}).status == 403


def test_the_operator_changes_them_and_others_change_the_rest(server: Server) -> None:
    create(server, "switched", dry_run=False)
    path = NAMESPACES.path("switched")
    marks = {
        "labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE},
        "annotations": {SELECTORS_ANNOTATION: compile_selectors("switched", [a_profile("p", a_selector("*"))], ())},
    }
    server.patch(path, {"metadata": marks}, user=OPERATOR).expect_ok()
    server.patch(path, {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}, user="somebody").expect_ok()
    server.patch(path, {"metadata": {"labels": {NAMESPACE_LABEL: None}}}, user=OPERATOR).expect_ok()


def test_the_operator_creates_namespaces_only_as_dry_runs(server: Server) -> None:
    create(server, "trial", user=OPERATOR).expect_ok()
    answer = create(server, "trial", user=OPERATOR, dry_run=False)
    assert answer.status == 403
    # Where no tasks of ECS's run, two policies forbid it, and either may answer.
    assert "only with dryRun=All" in answer.message or "Set the chart's value ecs.enabled" in answer.message


@pytest.mark.parametrize(
    "pattern",
    [pytest.param("n{}-*", id="many"), pytest.param("*" + "x*" * 16 + "n{}", id="long")],
)
def test_as_many_patterns_as_there_is_room_for_stay_within_cels_budget(server: Server, pattern: str) -> None:
    longest = len(pattern_to_regex(pattern.format(9999)))
    count = min(MAX_PATTERNS, MAX_NAMESPACE_CHARACTERS // longest) - 1
    profiles = [a_profile(f"p{n:04}", a_selector(pattern.format(n), {"tier": "w*b"})) for n in range(count)]
    publish(server, profiles)
    last = pattern.format(count - 1).replace("*", "x")
    name = last + "x" * (60 - len(last)) if pattern.endswith("*") else "x" * (60 - len(last)) + last
    assert read_selectors(create(server, name).expect_ok()).startswith(f"{profiles[-1].name}|")
    unreached = "y" * 63
    assert read_selectors(create(server, unreached).expect_ok()) == ""
    publish(server, [])
