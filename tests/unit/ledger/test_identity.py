"""Recorders know each other by the API server's word for a certificate."""

import asyncio
from typing import Any

import pytest

from monopod.kube.client.api import ApiUnreachable, Json
from monopod.kube.objects.resources import SERVICE_ACCOUNTS, TOKEN_REVIEWS
from monopod.ledger.identity import RENEWED_SECONDS, RETRY_SECONDS, TOKEN_SECONDS, Identity
from monopod.usage.ledger_identity import LedgerAccount, StrangerError, build_audience, verify_identity
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock

ACCOUNT = LedgerAccount("monopod-system", "monopod-ledger")
TOKENS = SERVICE_ACCOUNTS.path("monopod-ledger", "monopod-system", "token")
FINGERPRINT = "ab" * 32


def an_api(user: str = ACCOUNT.user_name) -> FakeApi:
    """Makes tokens that say what they are for, and reviews them as this user's."""

    def mint(body: Json) -> Json:
        return {"status": {"token": f"for {body['spec']['audiences'][0]}"}}

    def review(body: Json) -> Json:
        audience = body["spec"]["token"].removeprefix("for ")
        known = {"authenticated": True, "user": {"username": user}, "audiences": [audience]}
        return {"status": known if [audience] == body["spec"]["audiences"] else {"authenticated": False}}

    return FakeApi({("create", TOKENS): mint, ("create", TOKEN_REVIEWS.list_path()): review})


async def test_a_recorder_is_known_by_the_token_that_names_its_certificate() -> None:
    api = an_api()
    shown = await Identity(api, FakeClock(), ACCOUNT, FINGERPRINT).fetch()

    assert await verify_identity(api, ACCOUNT, shown) == FINGERPRINT
    assert api.sent("create")[0][1]["spec"] == {
        "audiences": [build_audience(FINGERPRINT)],
        "expirationSeconds": TOKEN_SECONDS,
    }


async def test_its_token_is_renewed_before_it_ends() -> None:
    api, clock = an_api(), FakeClock()
    identity = Identity(api, clock, ACCOUNT, FINGERPRINT)

    for seconds, made in ((0, 1), (RENEWED_SECONDS - 1, 1), (1, 2)):
        clock.step(seconds)
        await identity.fetch()
        assert len(api.requests) == made
    assert RENEWED_SECONDS <= TOKEN_SECONDS / 2


async def test_without_the_api_server_nothing_is_shown_and_a_moment_later_it_is_asked_again() -> None:
    api, clock = FakeApi({("create", TOKENS): ApiUnreachable("away")}), FakeClock()
    identity = Identity(api, clock, ACCOUNT, FINGERPRINT)

    for seconds, asked in ((0, 1), (RETRY_SECONDS / 2, 1), (RETRY_SECONDS / 2, 2)):
        clock.step(seconds)
        with pytest.raises(ApiUnreachable):
            await identity.fetch()
        assert len(api.requests) == asked
    api.answers = an_api().answers
    clock.step(RETRY_SECONDS)
    assert (await identity.fetch())["fingerprint"] == FINGERPRINT


async def test_many_who_ask_at_once_cause_one_request() -> None:
    api = an_api()
    identity = Identity(api, FakeClock(), ACCOUNT, FINGERPRINT)

    await asyncio.gather(*(identity.fetch() for _ in range(20)))
    assert len(api.requests) == 1


STRANGERS: dict[str, Any] = {
    "nothing": None,
    "a list": ["x"],
    "no token": {"fingerprint": FINGERPRINT},
    "no fingerprint": {"token": f"for {build_audience(FINGERPRINT)}"},
    "another certificate": {"fingerprint": "cd" * 32, "token": f"for {build_audience(FINGERPRINT)}"},
    "a token for peers": {"fingerprint": FINGERPRINT, "token": "for monopod-ledger"},
    "a short fingerprint": {"fingerprint": "ab", "token": f"for {build_audience('ab')}"},
    "no hexadecimal": {"fingerprint": "xy" * 32, "token": f"for {build_audience('xy' * 32)}"},
    "a long token": {"fingerprint": FINGERPRINT, "token": "x" * 60_000},
}


@pytest.mark.parametrize("shown", STRANGERS.values(), ids=STRANGERS)
async def test_what_shows_anything_else_is_a_stranger(shown: Any) -> None:
    with pytest.raises(StrangerError):
        await verify_identity(an_api(), ACCOUNT, shown)


async def test_another_accounts_token_for_its_certificate_makes_no_recorder() -> None:
    api = an_api("system:serviceaccount:shop:monopod-ledger")
    shown = await Identity(api, FakeClock(), ACCOUNT, FINGERPRINT).fetch()

    with pytest.raises(StrangerError):
        await verify_identity(api, ACCOUNT, shown)
