"""What people are answered: costs to the last decimal, coverage in each answer, and nobody else's namespaces."""

import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monopod.ledger.server.people import People
from monopod.ledger.store.answers import StoreUnavailableError
from tests.unit.ledger.server.ledgers import a_lifetime, ask, at, build_people, serving


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    found = build_people(tmp_path_factory.mktemp("ledger"))
    yield found
    found.close()
    found._ledger.store.close()


SPAN = "since=2026-11-18T09:00:00Z"
HOUR = Decimal("0.0123425")
"""0.25 × $0.04048 + 0.5 × $0.004445"""


def money(cost: dict[str, str]) -> tuple[Decimal, Decimal, Decimal]:
    return Decimal(cost["least"]), Decimal(cost["billed"]), Decimal(cost["most"])


async def test_costs_are_exact_and_have_a_range_where_an_end_is_not_known(people: People) -> None:
    async with serving(people) as client:
        answer = await ask(client, f"/v1/cost?{SPAN}")

    shop, data = answer["rows"]
    assert shop["key"] == {"namespace": "shop"}
    assert money(shop["cost"]) == (HOUR * 3 / 2, HOUR * 3 / 2, HOUR * 3 / 2)
    assert shop["seconds"] == 5400
    assert data["key"] == {"namespace": "data"}
    assert (data["seconds"], data["milliVcpuSeconds"], data["mibSeconds"]) == (600, 150_000, 307_200)
    assert money(data["cost"])[0] == money(data["cost"])[1] == round(HOUR / 6, 12)
    assert money(data["cost"])[2] == round(HOUR / 3, 12)
    assert Decimal(answer["total"]["cost"]["billed"]) == round(HOUR * 3 / 2 + HOUR / 6, 12)


async def test_every_answer_says_what_was_watched_and_by_which_prices(people: People) -> None:
    async with serving(people) as client:
        answers = [
            await ask(client, f"/v1/cost?{SPAN}"),
            await ask(client, f"/v1/coverage?{SPAN}"),
            await ask(client, f"/v1/receipt?namespace=shop&pod=web-0&{SPAN}"),
        ]
        running = await ask(client, "/v1/running")

    for answer in answers:
        assert answer["coverage"]["unseenSeconds"] == "600"
        assert answer["coverage"]["gaps"] == [{"since": "2026-11-18T11:10:00Z", "until": "2026-11-18T11:20:00Z"}]
    assert answers[0]["coverage"]["percent"] == "94.444"
    for answer in (*answers, running):
        assert answer["currency"] == "USD"
        assert answer["book"]["versions"][0]["source"]
        assert answer["until"] == "2026-11-18T12:00:00Z"


BY = {
    "namespace": [{"namespace": "shop"}, {"namespace": "data"}],
    "profile": [{"profile": "web"}],
    "workload": [
        {"namespace": "shop", "workload": "Deployment/web"}, {"namespace": "data", "workload": "Job/import"},
    ],
    "pod": [
        {"namespace": "shop", "pod": "web-0", "uid": "web-0"}, {"namespace": "shop", "pod": "web-1", "uid": "web-1"},
        {"namespace": "data", "pod": "import-0", "uid": "import-0"},
    ],
    "label=team": [{"value": "shop"}, {"value": "data"}],
    "label=none": [{"value": ""}],
}  # fmt: skip


@pytest.mark.parametrize(("by", "keys"), BY.items(), ids=BY)
async def test_costs_are_summed_by_what_is_asked_for(people: People, by: str, keys: list[dict[str, str]]) -> None:
    async with serving(people) as client:
        answer = await ask(client, f"/v1/cost?{SPAN}&by={by}")

    assert [row["key"] for row in answer["rows"]] == keys
    assert answer["by"] == by


async def test_adjacent_spans_add_up(people: People) -> None:
    async with serving(people) as client:
        spans = [("10:00:00", "10:20:17"), ("10:20:17", "11:07:01"), ("11:07:01", "12:00:00")]
        parts = [await ask(client, f"/v1/cost?since=2026-11-18T{a}Z&until=2026-11-18T{b}Z") for a, b in spans]
        whole = await ask(client, "/v1/cost?since=2026-11-18T10:00:00Z")

    assert sum(part["total"]["milliVcpuSeconds"] for part in parts) == whole["total"]["milliVcpuSeconds"]


async def test_what_runs_has_its_price_and_the_month_its_forecast(people: People) -> None:
    async with serving(people) as client:
        answer = await ask(client, "/v1/running")

    (pod,) = answer["pods"]
    assert (pod["namespace"], pod["pod"], pod["workload"]) == ("shop", "web-1", "Deployment/web")
    assert pod["since"] == "2026-11-18T11:30:00Z"
    assert Decimal(pod["hourly"]) == Decimal(answer["hourly"]) == HOUR
    spent = Decimal(answer["monthToDate"]["cost"]["billed"])
    assert Decimal(answer["projectedMonth"]) == round(HOUR * 3 / 2 + HOUR / 6 + HOUR * 12 * 25, 12)
    assert spent == round(HOUR * 3 / 2 + HOUR / 6, 12)


async def test_a_receipt_accounts_for_every_second(people: People) -> None:
    async with serving(people) as client:
        answer = await ask(client, "/v1/receipt?namespace=shop&pod=web-0")

    (receipt,) = answer["receipts"]
    assert receipt["bill"]["start"] == "2026-11-18T10:00:00Z"
    assert receipt["bill"]["end"] == "2026-11-18T11:00:00Z"
    assert receipt["bill"]["seconds"] == 3600
    assert [(line["resource"], line["amount"], line["unitPrice"], line["cost"]) for line in receipt["lines"]] == [
        ("vCPU", "0.25", "0.04048", "0.01012"),
        ("memory", "0.5", "0.004445", "0.0022225"),
    ]
    assert receipt["explanation"] == [
        "It starts when the images began to be pulled.",
        "The end is known to the second: its deletion was watched.",
    ]
    assert receipt["facts"]["evidence"] == ["PullStarted", "WatchedDeletion"]
    assert answer["terms"] == {"until": "PodDeleted", "unknownEnd": "Earliest", "lostNode": "Bill"}


async def test_a_receipt_of_more_pods_than_memory_has_room_for_is_refused_and_never_cut(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monopod.ledger.server.answers.MOST_RECEIPTS", 1)
    async with serving(people) as client:
        headers = {"Authorization": "Bearer admin"}
        path = "/v1/receipt?namespace=shop&workload=Deployment/web"
        refused = await client.get(path, headers=headers)
        answer = await client.get(f"{path}&since=2026-11-18T11:30:00Z", headers=headers)
        assert (refused.status, answer.status) == (400, 200)
        assert "shorter span by since and until" in (await refused.json())["message"]


async def test_a_receipt_of_a_workload_has_all_its_pods(people: People) -> None:
    async with serving(people) as client:
        answer = await ask(client, "/v1/receipt?namespace=shop&workload=Deployment/web")
        vague = await ask(client, "/v1/receipt?namespace=data&workload=Job/import")

    assert [each["facts"]["uid"] for each in answer["receipts"]] == ["web-0", "web-1"]
    assert Decimal(answer["total"]["billed"]) == HOUR * 3 / 2
    assert "within 600 s" in vague["receipts"][0]["explanation"][1]


async def read_lines(client: Any, path: str, user: str = "admin") -> list[Any]:
    async with client.get(path, headers={"Authorization": f"Bearer {user}"}) as answer:
        assert answer.status == 200, await answer.text()
        return [json.loads(line) for line in (await answer.text()).splitlines()]


async def test_an_export_streams_rows_and_says_when_it_is_whole(people: People) -> None:
    async with serving(people) as client:
        head, *rows, last = await read_lines(client, f"/v1/lifetimes?{SPAN}")
        hours = await read_lines(client, f"/v1/lifetimes?{SPAN}&granularity=hour")
        nothing = await read_lines(client, "/v1/lifetimes?since=2026-11-01&until=2026-11-02")

    assert head["coverage"]["percent"] == "94.444"
    assert last == {"end": 3}
    assert {row["pod"]: row["seconds"] for row in rows} == {"web-0": 3600, "import-0": 600, "web-1": 1800}
    ends = {row["pod"]: (row["endNotBefore"], row["endNotAfter"]) for row in rows}
    assert ends["import-0"] == ("2026-11-18T11:10:00Z", "2026-11-18T11:20:00Z")
    assert ends["web-1"] == ("2026-11-18T12:00:00Z", "")
    assert hours[-1] == {"end": 3}
    assert [row["periodStart"] for row in hours[1:-1] if row["pod"] == "web-0"] == ["2026-11-18T10:00:00Z"]
    assert len(nothing) == 2
    assert nothing[-1] == {"end": 0}


async def test_a_long_export_has_every_lifetime(tmp_path: Path) -> None:
    people = build_people(tmp_path)
    store = people._ledger.store
    uids = {f"pod-{number}" for number in range(1000)}
    store.join([a_lifetime(uid, "shop", "Job/many", "09:30:00", gone=frozenset({at("09:31:00")})) for uid in uids])
    async with serving(people) as client:
        _, *rows, last = await read_lines(client, f"/v1/lifetimes?{SPAN}")
    people.close()
    store.close()
    assert {row["uid"] for row in rows} >= uids
    assert last == {"end": len(rows)}


@pytest.mark.parametrize("version", ["1.4", "1.2"])
async def test_an_export_in_focus_has_its_columns_and_exact_costs(people: People, version: str) -> None:
    async with serving(people) as client:
        head, *rows, last = await read_lines(client, f"/v1/focus?{SPAN}&version={version}&namespace=shop")

    assert last == {"end": 4}
    assert head["version"] == version
    assert all(list(row) == head["columns"] for row in rows)
    assert sum(Decimal(row["BilledCost"]) for row in rows) == HOUR * 3 / 2
    assert {row["BillingAccountId"] for row in rows} == {"c1"}


async def test_a_tenant_sees_only_their_namespaces(people: People) -> None:
    async with serving(people) as client:
        cost = await ask(client, f"/v1/cost?{SPAN}", "tenant")
        by_label = await ask(client, f"/v1/cost?{SPAN}&by=label=team", "tenant")
        running = await ask(client, "/v1/running", "tenant")
        lines = await read_lines(client, f"/v1/lifetimes?{SPAN}", "tenant")
        await ask(client, "/v1/receipt?namespace=shop&pod=web-0", "tenant")

    assert [row["key"]["namespace"] for row in cost["rows"]] == ["shop"]
    assert money(cost["total"]["cost"])[1] == HOUR * 3 / 2
    assert [row["key"] for row in by_label["rows"]] == [{"value": "shop"}]
    assert Decimal(running["monthToDate"]["cost"]["billed"]) == HOUR * 3 / 2
    assert {line["namespace"] for line in lines[1:-1]} == {"shop"}


REFUSED = {
    "another's namespace": "/v1/cost?namespace=data",
    "theirs and another's": "/v1/cost?namespace=data&namespace=shop",
    "another's receipt": "/v1/receipt?namespace=data&pod=import-0",
    "another's pods": "/v1/running?namespace=data",
    "another's lifetimes": "/v1/lifetimes?namespace=data",
    "another's rows of FOCUS": "/v1/focus?namespace=data",
    "a copy of everything": "/v1/backup",
}


@pytest.mark.parametrize("path", REFUSED.values(), ids=REFUSED)
async def test_a_tenant_is_refused_what_is_not_theirs(people: People, path: str) -> None:
    async with serving(people) as client:
        refused = await ask(client, path, "tenant", 403)

    assert "'tenant' can't get usages.monopod.dev in " in refused["message"]


PATHS = ["cost", "running", "receipt?namespace=shop&pod=web-0", "lifetimes", "focus", "coverage", "backup"]


@pytest.mark.parametrize("path", PATHS)
async def test_credentials_that_nobody_knows_get_nothing(people: People, path: str) -> None:
    async with serving(people) as client:
        await ask(client, f"/v1/{path}", "stranger", 401)
        async with client.get(f"/v1/{path}") as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [path for path in PATHS if path != "coverage"])
async def test_who_has_no_rights_is_refused(people: People, path: str) -> None:
    async with serving(people) as client:
        await ask(client, f"/v1/{path}", "nobody", 403)


async def test_verifying_is_for_readers_of_the_cluster(people: People) -> None:
    async with serving(people) as client:
        headers = {"Authorization": "Bearer tenant"}
        async with client.post("/v1/verify", headers=headers) as refused:
            assert refused.status == 403
        async with client.post("/v1/verify", headers={"Authorization": "Bearer admin"}) as answer:
            assert await answer.json() == {"differences": [], "count": 0}


async def test_a_backup_is_a_database_of_the_same_lifetimes(people: People, tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer admin"}
    async with serving(people) as client, client.get("/v1/backup", headers=headers) as answer:
        content = await answer.read()

    (tmp_path / "copy.db").write_bytes(content)
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        (count,) = copy.execute("SELECT count(*) FROM lifetime").fetchone()
    copy.close()
    assert count == 3


QUESTIONS = {
    "/v1/cost?form=csv": "form",
    "/v1/cost?by=node": "by",
    "/v1/running?since=1h": "since",
    "/v1/lifetimes?granularity=week": "granularity",
    "/v1/focus?version=1.3": "version",
    "/v1/focus?dataset=invoice-detail": "dataset",
    "/v1/focus?dataset=billing-period&version=1.2": "dataset",
    "/v1/receipt?pod=web-0": "namespace",
    "/v1/receipt?namespace=shop": "pod",
    "/v1/receipt?namespace=shop&pod=a&workload=Job/a": "pod",
    "/v1/receipt?namespace=shop&namespace=data&pod=a": "namespace",
    "/v1/coverage?since=tomorrow": "since",
    "/v1/backup?path=/etc": "path",
}


@pytest.mark.parametrize(("path", "parameter"), QUESTIONS.items(), ids=QUESTIONS)
async def test_a_bad_question_is_refused_by_the_name_of_its_parameter(
    people: People, path: str, parameter: str
) -> None:
    async with serving(people) as client:
        refused = await ask(client, path, status=400)

    assert refused["parameter"] == parameter
    assert parameter in refused["message"]


async def test_a_path_that_does_not_exist_and_a_write_are_refused(people: People) -> None:
    async with serving(people) as client:
        await ask(client, "/v2/cost", status=404)
        async with client.post("/v1/cost", headers={"Authorization": "Bearer admin"}) as answer:
            assert answer.status == 405


async def test_a_database_that_is_away_is_said(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("disk full")

    async with serving(people) as client:
        monkeypatch.setattr(people._ledger.store, "sum_usage", fail)
        refused = await ask(client, "/v1/cost", status=503)

    assert "disk full" in refused["message"]


async def test_a_namespace_in_which_nothing_ran_cost_nothing(people: People) -> None:
    async with serving(people) as client:
        answer = await ask(client, "/v1/cost?namespace=empty")

    assert answer["rows"] == []
    assert answer["total"]["cost"] == {"least": "0", "billed": "0", "most": "0"}
