"""A ledger with three pods, and the server of its answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from monopod.kube.client.api import Json
from monopod.kube.objects.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from monopod.ledger.server.access import Access
from monopod.ledger.server.answers import Ledger
from monopod.ledger.server.authentication import Authenticator
from monopod.ledger.server.authorization import Authorizer
from monopod.ledger.server.people import People
from monopod.ledger.store.store import Store
from monopod.usage.books import load_book
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.focus import Account
from monopod.usage.rules.lifetime import Description, Lifetime, Watched
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
RIGHTS = {"admin": {"", "shop", "data"}, "tenant": {"shop"}, "nobody": set[str](), "newcomer": {"fresh"}}
"""Tokens, and the namespaces that each may see; "" is the cluster."""


def at(text: str) -> int:
    """A time of 18 November 2026, in milliseconds."""
    return int(datetime.fromisoformat(f"2026-11-18T{text}+00:00").timestamp() * 1000)


def a_lifetime(uid: str, namespace: str, workload: str, start: str, **fields: Any) -> Lifetime:
    description = Description(
        1, namespace, uid, "web", workload, 250, 512, 20, "FARGATE", "x86", "node-1", (("team", namespace),)
    )
    found = Lifetime(
        uid, description, at(start) - 2000, at(start), at(start) - 1000, at(start) + 3000, alive=at(start) + 3000,
        seen_by=frozenset({"ledger-0"}), evidence=frozenset({"PullStarted", "Acknowledged", "ContainerStarted"}),
    )  # fmt: skip
    return replace(found, **fields)


ENDED = a_lifetime(
    "web-0", "shop", "Deployment/web", "10:00:00", alive=at("11:00:00"), gone=frozenset({at("11:00:00")}),
    evidence=frozenset({"PullStarted", "WatchedDeletion"}),
)  # fmt: skip
"""An hour, exact."""
VAGUE = a_lifetime("import-0", "data", "Job/import", "11:00:00", alive=at("11:10:00"), gone=frozenset({at("11:20:00")}))
"""Ten minutes, twenty at most."""
OPEN = a_lifetime("web-1", "shop", "Deployment/web", "11:30:00")
"""Half an hour by now."""
WATCHED = [Watched("ledger-0", at("09:00:00"), at("11:10:00")), Watched("ledger-0", at("11:20:00"), at("12:00:00"))]


def an_api() -> FakeApi:
    def review(body: Json) -> Json:
        token = body["spec"]["token"]
        return {"status": {"authenticated": token in RIGHTS, "user": {"username": token, "groups": ["g"]}}}

    def decide(body: Json) -> Json:
        namespace = body["spec"]["resourceAttributes"].get("namespace", "")
        return {"status": {"allowed": namespace in RIGHTS[body["spec"]["user"]]}}

    tokens, rights = TOKEN_REVIEWS.list_path(), SUBJECT_ACCESS_REVIEWS.list_path()
    return FakeApi({("create", tokens): review, ("create", rights): decide})


def build_people(folder: Path) -> People:
    """Answers from a store that holds the three pods above."""
    clock = FakeClock()
    clock.step((NOW - clock.now()).total_seconds())
    terms = Terms()
    store = Store.open(f"sqlite:///{folder / 'ledger.db'}", terms)
    store.join((ENDED, VAGUE, OPEN), watched=WATCHED)
    api = an_api()
    ledger = Ledger(store, load_book("us-east-1"), terms, Account("c1", "test"))
    return People(ledger, Access(Authenticator(api, clock), Authorizer(api, clock)), clock)


@asynccontextmanager
async def serving(people: People) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of the server."""
    async with TestClient(TestServer(people.build_application())) as client:
        yield client


async def ask(client: TestClient[Any, Any], path: str, user: str = "admin", status: int = 200) -> Any:
    """The answer to a question, as JSON."""
    async with client.get(path, headers={"Authorization": f"Bearer {user}"}) as answer:
        content = await answer.json()
        assert answer.status == status, content
        return content
