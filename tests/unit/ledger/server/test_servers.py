"""Both servers as the process starts them: who gets in where."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from monopod.kube.client.api import Json
from monopod.kube.objects.resources import SERVICE_ACCOUNTS, TOKEN_REVIEWS
from monopod.kube.server.certificate import ServerCertificate
from monopod.ledger.rules.wire import InvalidWire
from monopod.ledger.server.options import ServerOptions
from monopod.ledger.server.peers import decode_changes
from monopod.ledger.server.servers import Servers
from monopod.ledger.store.answers import Changes, StoreUnavailableError
from monopod.usage.ledger_identity import AUDIENCE, LedgerAccount
from monopod.usage.ledger_question import LedgerQuestion, LedgerTrouble
from monopod.usage.options import UsageOptions
from monopod.usage.rules.profile_cost import ProfileCost
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.ledger.server.ledgers import ENDED, NOW, OPEN, VAGUE, WATCHED, an_api, build_people

ACCOUNT = LedgerAccount("monopod-system", "monopod-ledger")
OWN = "system:serviceaccount:monopod-system:monopod-ledger"
USERS = {
    "peer": OWN,
    "other": "system:serviceaccount:shop:monopod-ledger",
    "operator": "admin",
    "no operator": "tenant",
}
"""By their tokens for the peers' port."""
TOKENS_OF_LEDGER = SERVICE_ACCOUNTS.path("monopod-ledger", "monopod-system", "token")


def mint(body: Json) -> Json:
    """A token that says what it is for."""
    return {"status": {"token": body["spec"]["audiences"][0]}}


def build_api() -> FakeApi:
    """Knows users, and which tokens are for the peers' port or for a certificate."""
    api = an_api()
    ordinary = api.answers["create", TOKEN_REVIEWS.list_path()]

    def review(body: Json) -> Json:
        if not body["spec"].get("audiences"):
            assert callable(ordinary)
            return ordinary(body)
        token, (audience,) = body["spec"]["token"], body["spec"]["audiences"]
        user = USERS.get(token) if audience == AUDIENCE else {audience: OWN}.get(token)
        known = {"authenticated": True, "user": {"username": user}, "audiences": [audience]}
        return {"status": known if user else {}}

    api.answers["create", TOKEN_REVIEWS.list_path()] = review
    api.answers["create", TOKENS_OF_LEDGER] = mint
    return api


@asynccontextmanager
async def running(folder: Path, is_caught_up: Callable[[], bool] = lambda: True) -> AsyncIterator[Servers]:
    people = build_people(folder)
    options = ServerOptions(api_port=0, peers_listen="127.0.0.1", peers_port=0)
    clock = FakeClock()
    clock.step((NOW - clock.now()).total_seconds())
    servers = Servers(build_api(), clock, people._ledger, options, ACCOUNT, folder, is_caught_up)
    await servers.start()
    try:
        yield servers
    finally:
        await servers.stop()
        people.close()
        people._ledger.store.close()


async def ask(port: int, path: str, token: str) -> tuple[int, Any]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{port}{path}", ssl=context, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_peer_pulls_what_changed_in_pages_until_the_end(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        status, answer = await ask(servers.peers_port, "/v1/changes?after=0", "peer")
        _, rest = await ask(servers.peers_port, f"/v1/changes?after={answer['last']}", "peer")

    changes = decode_changes(answer)
    assert status == 200
    assert {each.uid: each for each in changes.lifetimes} == {each.uid: each for each in (ENDED, VAGUE, OPEN)}
    assert list(changes.watched) == WATCHED
    assert changes.is_end
    assert (rest["lifetimes"], rest["store"]) == ([], changes.store)


STRANGERS = {"another ServiceAccount": ("other", 403), "a person": ("admin", 401), "nobody": ("x", 401)}


@pytest.mark.parametrize(("token", "status"), STRANGERS.values(), ids=STRANGERS)
async def test_only_the_ledgers_own_account_is_a_peer(tmp_path: Path, token: str, status: int) -> None:
    async with running(tmp_path) as servers:
        assert (await ask(servers.peers_port, "/v1/changes", token))[0] == status


async def test_everyone_is_shown_a_token_for_the_certificate_that_both_servers_have(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        status, shown = await ask(servers.peers_port, "/identity", "")
        for port in (servers.peers_port, servers.api_port):
            pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
            assert shown["fingerprint"] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        assert (await ask(servers.peers_port, "/v1/changes", shown["token"]))[0] == 401

    assert (status, shown["token"]) == (200, f"monopod-ledger/{shown['fingerprint']}")


async def test_a_peers_token_is_worth_nothing_to_people(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        assert (await ask(servers.api_port, "/v1/cost", "peer"))[0] == 401
        assert (await ask(servers.api_port, "/v1/cost", "admin"))[0] == 200
        assert (await ask(servers.api_port, "/v1/changes", "admin"))[0] == 404


async def test_the_operator_is_told_what_each_profile_costs(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        costs = await a_question(servers, tmp_path, "operator").ask()

    assert costs.currency == "USD"
    # One pod runs; by now two have run for an hour and a half, and a third for at least ten minutes.
    assert costs.profiles == {"web": ProfileCost(hourly=Decimal("0.0123425"), month=Decimal("0.020570833333"))}


@pytest.mark.parametrize(
    ("token", "trouble"),
    [("no operator", "403.*can't get usages.monopod.dev in the whole cluster"), ("x", "401"), ("admin", "401")],
)
async def test_who_may_not_see_the_whole_cluster_is_told_of_no_profile(
    tmp_path: Path, token: str, trouble: str
) -> None:
    async with running(tmp_path) as servers:
        with pytest.raises(LedgerTrouble, match=trouble):
            await a_question(servers, tmp_path, token).ask()
        assert (await ask(servers.peers_port, "/v1/changes", "operator"))[0] == 403
        assert (await ask(servers.api_port, "/v1/profiles", "admin"))[0] == 404


async def test_a_ledger_whose_database_is_away_says_so_to_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("disk full")

    async with running(tmp_path) as servers:
        monkeypatch.setattr(servers._ledger.store, "list_open", fail)
        with pytest.raises(LedgerTrouble, match=r"503.*disk full"):
            await a_question(servers, tmp_path, "operator").ask()


async def test_a_replica_that_has_still_to_learn_from_others_says_so_to_the_operator(tmp_path: Path) -> None:
    """Its disk may be new, and the month would begin at nothing."""
    async with running(tmp_path, is_caught_up=lambda: False) as servers:
        with pytest.raises(LedgerTrouble, match=r"503.*still to read what the others know"):
            await a_question(servers, tmp_path, "operator").ask()


async def test_a_ledger_that_is_not_there_is_trouble_and_no_crash(tmp_path: Path) -> None:
    options = build_options(1, tmp_path / "none")
    with pytest.raises(LedgerTrouble, match=r"127\.0\.0\.1: "):
        await LedgerQuestion(build_api(), options).ask()
    with pytest.raises(LedgerTrouble, match=r"none\.invalid has no address"):
        await LedgerQuestion(build_api(), options.model_copy(update={"ledger": "none.invalid"})).ask()


async def test_the_next_replica_is_asked_where_one_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve() -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    async with running(tmp_path) as servers:
        question = a_question(servers, tmp_path, "operator")
        monkeypatch.setattr(question, "_resolve", resolve)
        assert (await question.ask()).currency == "USD"


async def test_what_can_not_show_that_it_is_the_ledger_gets_no_token_of_the_operators(tmp_path: Path) -> None:
    """Not even if it shows what the ledger shows, without having its key."""
    async with running(tmp_path) as servers:
        _, shown = await ask(servers.peers_port, "/identity", "")
    (tmp_path / "token").write_text("operator")
    for pretended, trouble in (
        (None, "404"),
        ({**shown, "token": "other"}, "doesn't know its certificate"),
        (shown, "another certificate than the one"),
    ):
        async with an_impostor(pretended) as (port, tokens):
            with pytest.raises(LedgerTrouble, match=trouble):
                await LedgerQuestion(build_api(), build_options(port, tmp_path / "token")).ask()
        assert tokens == []


@asynccontextmanager
async def an_impostor(shown: Any) -> AsyncIterator[tuple[int, list[str]]]:
    """Its port, and the tokens that it was shown."""
    tokens: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        tokens.extend(request.headers.getall("Authorization", []))
        is_known = request.path == "/identity" and shown
        return web.json_response(shown if is_known else {}, status=200 if is_known else 404)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        context = ServerCertificate(NOW, ("ledger",)).build_context()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1], tokens
    finally:
        await runner.cleanup()


def a_question(servers: Servers, folder: Path, token: str) -> LedgerQuestion:
    (folder / "token").write_text(f"{token}\n")
    return LedgerQuestion(build_api(), build_options(servers.peers_port, folder / "token"))


def build_options(port: int, token: Path) -> UsageOptions:
    return UsageOptions(namespace="monopod-system", ledger="127.0.0.1", ledger_port=port, ledger_token=token)


async def test_a_long_token_is_as_good_as_a_short_one(tmp_path: Path) -> None:
    """Tokens of identity providers name all of a user's groups."""
    async with running(tmp_path) as servers:
        assert (await ask(servers.api_port, "/v1/cost", "x" * 12_000))[0] == 401


async def test_a_peer_is_told_that_the_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: object, after: int, limit: int) -> Changes:
        raise StoreUnavailableError("disk full")

    monkeypatch.setattr(Servers, "_fetch_changes", fail)
    async with running(tmp_path) as servers:
        status, refused = await ask(servers.peers_port, "/v1/changes", "peer")

    assert (status, refused["reason"]) == (503, "StoreUnavailable")
    assert "disk full" in refused["message"]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "", "9" * 30])
async def test_a_peer_that_asks_nonsense_is_told(tmp_path: Path, after: str) -> None:
    async with running(tmp_path) as servers:
        status, refused = await ask(servers.peers_port, f"/v1/changes?after={after}", "peer")

    assert (status, refused["parameter"]) == (400, "after")


@pytest.mark.parametrize("answer", [{}, {"store": "s", "last": 1, "isEnd": True, "lifetimes": [{}], "watched": []}])
def test_what_is_no_page_of_changes_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(InvalidWire):
        decode_changes(answer)
