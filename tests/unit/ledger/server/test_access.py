"""Who asks, and what they may see: by certificate or token, and by the API server's word."""

from typing import Any

import pytest

from monopod.kube.client.api import ApiUnreachable, Json
from monopod.kube.objects.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from monopod.ledger.server.access import Access, Forbidden, Scope
from monopod.ledger.server.authentication import Authenticator
from monopod.ledger.server.authorization import MOST_NAMESPACES, Authorizer
from monopod.ledger.server.user import User
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock

TOKENS = TOKEN_REVIEWS.list_path()
RIGHTS = SUBJECT_ACCESS_REVIEWS.list_path()
ANN = {"username": "ann", "uid": "7", "groups": ["system:authenticated", "devs"], "extra": {"scopes": ["x"]}}
CERTIFICATE = {
    "subject": (
        (("organizationName", "ops"),),
        (("organizationName", "admins"),),
        (("commonName", "kubernetes-admin"),),
    )
}


def an_api(*, rights: frozenset[str] = frozenset(), tokens: tuple[str, ...] = ("good",)) -> FakeApi:
    """Knows tokens as Ann's, and gives rights in these namespaces; "" is the cluster."""

    def review(body: Json) -> Json:
        known = body["spec"]["token"] in tokens
        return {"status": {"authenticated": True, "user": ANN} if known else {}}

    def decide(body: Json) -> Json:
        return {"status": {"allowed": body["spec"]["resourceAttributes"].get("namespace", "") in rights}}

    return FakeApi({("create", TOKENS): review, ("create", RIGHTS): decide})


async def test_a_token_is_whom_the_api_server_says() -> None:
    user = await Authenticator(an_api(), FakeClock()).authenticate(None, "Bearer good")

    assert user == User("ann", ("devs", "system:authenticated"), "7", {"scopes": ("x",)})


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer bad", "Basic good", "good", f"Bearer {'x' * 20_000}"]
)
async def test_other_credentials_are_nobodys(authorization: str | None) -> None:
    assert await Authenticator(an_api(), FakeClock()).authenticate({}, authorization) is None


async def test_a_token_is_asked_of_once_a_minute_and_kept_nowhere() -> None:
    api, clock = an_api(), FakeClock()
    authenticator = Authenticator(api, clock)

    await authenticator.authenticate(None, "Bearer good")
    await authenticator.authenticate(None, "bearer good")
    assert len(api.requests) == 1
    assert "good" not in repr(vars(authenticator._users))

    clock.step(61)
    await authenticator.authenticate(None, "Bearer good")
    assert len(api.requests) == 2


async def test_a_refusal_is_not_kept() -> None:
    api = an_api(tokens=())
    authenticator = Authenticator(api, FakeClock())

    await authenticator.authenticate(None, "Bearer good")
    api.answers = dict(an_api().answers)

    assert await authenticator.authenticate(None, "Bearer good") is not None


async def test_a_certificate_names_user_and_groups_as_the_api_server_reads_them() -> None:
    api = an_api()
    user = await Authenticator(api, FakeClock()).authenticate(CERTIFICATE, "Bearer good")

    assert user == User("kubernetes-admin", ("admins", "ops", "system:authenticated"))
    assert api.requests == []


@pytest.mark.parametrize("subject", [(), ((("organizationName", "ops"),),), ((("commonName", ""),),)])
async def test_a_certificate_without_a_name_is_nobodys(subject: Any) -> None:
    assert await Authenticator(an_api(), FakeClock()).authenticate({"subject": subject}, None) is None


@pytest.mark.parametrize(
    ("audiences", "known"), [(["monopod-ledger"], True), (["other"], False), ([], False)], ids=["ours", "other", "none"]
)
async def test_a_peers_token_must_be_meant_for_the_ledger(audiences: list[str], known: bool) -> None:
    api = FakeApi({("create", TOKENS): {"status": {"authenticated": True, "user": ANN, "audiences": audiences}}})
    user = await Authenticator(api, FakeClock(), ("monopod-ledger",)).authenticate(None, "Bearer good")

    assert (user is not None) is known
    assert api.sent("create")[0][1]["spec"]["audiences"] == ["monopod-ledger"]


def an_access(api: FakeApi, clock: FakeClock | None = None) -> Access:
    clock = clock or FakeClock()
    return Access(Authenticator(api, clock), Authorizer(api, clock))


async def compute_scope(api: FakeApi, *asked: str, existing: tuple[str, ...] = ("a", "b", "c")) -> Scope:
    async def list_namespaces() -> frozenset[str]:
        return frozenset(existing)

    return await an_access(api).compute_scope(User("ann", ("devs",)), frozenset(asked), list_namespaces)


async def test_who_may_see_the_cluster_sees_all() -> None:
    api = an_api(rights=frozenset({""}))

    assert await compute_scope(api) == Scope(None)
    assert len(api.requests) == 1


async def test_who_may_see_the_cluster_may_ask_for_some() -> None:
    assert await compute_scope(an_api(rights=frozenset({""})), "a", "gone") == Scope(frozenset({"a", "gone"}))


async def test_a_tenant_sees_only_their_namespaces() -> None:
    assert await compute_scope(an_api(rights=frozenset({"b", "z"}))) == Scope(frozenset({"b"}))


async def test_a_tenant_who_names_anothers_namespace_is_refused() -> None:
    with pytest.raises(Forbidden, match=r"'ann' can't get usages\.monopod\.dev in namespace 'a'"):
        await compute_scope(an_api(rights=frozenset({"b"})), "a", "b")


async def test_a_namespace_that_does_not_exist_is_refused_in_the_same_words() -> None:
    with pytest.raises(Forbidden, match=r"'ann' can't get usages\.monopod\.dev in namespace 'nowhere'"):
        await compute_scope(an_api(rights=frozenset({"b"})), "nowhere")


async def test_who_has_no_rights_is_refused() -> None:
    with pytest.raises(Forbidden, match="in any namespace"):
        await compute_scope(an_api())


async def test_rights_to_thousands_of_namespaces_are_not_asked_for() -> None:
    api = an_api()
    with pytest.raises(Forbidden, match="name those that you want"):
        await compute_scope(api, existing=tuple(f"n{number}" for number in range(MOST_NAMESPACES + 1)))

    assert len(api.requests) == 1


async def test_the_review_is_of_the_user_with_all_that_is_known() -> None:
    api = an_api()
    user = User.from_review({"authenticated": True, "user": ANN})
    assert user is not None
    await Authorizer(api, FakeClock()).compute_visible(user, ["a"])

    assert [body["spec"] for _, body in api.sent("create")] == [
        {
            "user": "ann",
            "uid": "7",
            "groups": ["devs", "system:authenticated"],
            "extra": {"scopes": ["x"]},
            "resourceAttributes": {"verb": "get", "group": "monopod.dev", "resource": "usages", **where},
        }
        for where in ({}, {"namespace": "a"})
    ]


async def test_a_right_that_was_withdrawn_ends_within_a_minute() -> None:
    clock, user = FakeClock(), User("ann")
    authorizer = Authorizer(an_api(rights=frozenset({""})), clock)
    assert await authorizer.may_see_cluster(user)

    authorizer._api = an_api()
    assert await authorizer.may_see_cluster(user)
    clock.step(61)
    assert not await authorizer.may_see_cluster(user)


async def test_the_rights_of_one_user_are_not_anothers() -> None:
    clock = FakeClock()
    authorizer = Authorizer(an_api(rights=frozenset({""})), clock)
    await authorizer.may_see_cluster(User("ann"))
    authorizer._api = an_api()

    assert not await authorizer.may_see_cluster(User("bob"))
    assert not await authorizer.may_see_cluster(User("ann", ("devs",)))


async def test_without_the_api_server_nobody_is_let_through() -> None:
    api = FakeApi({("create", RIGHTS): ApiUnreachable("gone")})

    with pytest.raises(ApiUnreachable):
        await compute_scope(api)
