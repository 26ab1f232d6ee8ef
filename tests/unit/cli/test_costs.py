"""The commands about costs, against a ledger's real server: what they write, and one sentence where they can't."""

import csv
import io
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from monopod import __version__
from monopod.cli.ledger_client.client import LedgerClient
from monopod.cli.ledger_client.connection import Target, open_ledger
from tests.unit.cli.ledgers import PODS_OF_LEDGER, READY, a_cluster, a_ledger, write_kubeconfig, write_kubectl
from tests.unit.cli.running import run

SINCE = ("--since", "2026-11-18T09:00:00Z")
Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Where kubectl is, and the API server."""
    folder = tmp_path_factory.mktemp("world")
    with a_ledger(folder) as ledger, a_cluster(PODS_OF_LEDGER) as server:
        write_kubectl(folder, ledger.api_port)
        yield folder, server


@pytest.fixture
def ask(world: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a command as the user whose token is given."""
    folder, server = world
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def run_as(*arguments: str, user: str = "admin") -> Result:
        return run(*arguments, "--kubeconfig", write_kubeconfig(tmp_path, server, token=user))

    return run_as


def succeed(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def read_csv(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(succeed(result))))


def test_a_table_of_costs_has_the_range_the_total_and_the_coverage(ask: Ask) -> None:
    lines = succeed(ask("cost", *SINCE)).splitlines()

    assert lines[0].split() == ["NAMESPACE", "POD", "HOURS", "VCPU", "HOURS", "GB", "HOURS", "COST", "(USD)"]
    assert lines[1].split() == ["shop", "1.50", "0.38", "0.75", "0.0185"]
    assert lines[2].split() == ["data", "0.17", "0.04", "0.08", "0.0021", "(0.0021–0.0041)"]
    assert lines[3].split() == ["total", "1.67", "0.42", "0.83", "0.0206", "(0.0206–0.0226)"]
    assert lines[5] == "2026-11-18 09:00 to 2026-11-18 12:00 UTC; prices of us-east-1 since 2026-01-01, in USD"
    assert lines[6] == "coverage 94.444 %: nobody watched for 600 s: 2026-11-18 11:10:00 to 2026-11-18 11:20:00"


def test_costs_for_programs_are_the_ledgers_own_answer(ask: Ask) -> None:
    answer = json.loads(succeed(ask("cost", *SINCE, "--by", "workload", "-o", "json")))

    assert answer["rows"][0]["key"] == {"namespace": "shop", "workload": "Deployment/web"}
    assert answer["coverage"]["percent"] == "94.444"


def test_costs_for_spreadsheets_have_every_decimal(ask: Ask) -> None:
    shop, data = read_csv(ask("cost", *SINCE, "-o", "csv"))

    assert (shop["namespace"], shop["cost"], shop["currency"]) == ("shop", "0.01851375", "USD")
    assert (data["costLeast"], data["costMost"]) == ("0.002057083333", "0.004114166667")
    assert data["coveragePercent"] == "94.444"


def test_a_label_without_a_value_is_told_apart(ask: Ask) -> None:
    lines = succeed(ask("cost", *SINCE, "--by", "label=nope")).splitlines()

    assert lines[0].startswith("nope ")
    assert lines[1].startswith("(none) ")


def test_a_span_in_which_nothing_ran_is_said(ask: Ask) -> None:
    text = succeed(ask("cost", "--since", "2026-11-01", "--until", "2026-11-02"))

    assert text.startswith("No pod was billed for any of this time.")
    assert "coverage 0.000 %" in text


def test_a_tenant_gets_their_namespaces_only(ask: Ask) -> None:
    assert [row["namespace"] for row in read_csv(ask("cost", *SINCE, "-o", "csv", user="tenant"))] == ["shop"]
    assert {row["namespace"] for row in read_csv(ask("usage", "export", *SINCE, user="tenant"))} == {"shop"}


def test_top_has_what_runs_and_the_months_end(ask: Ask) -> None:
    lines = succeed(ask("top")).splitlines()

    assert lines[0].split() == ["NAMESPACE", "WORKLOAD", "PODS", "SIZE", "USD/HOUR", "USD/MONTH"]
    assert lines[1].split() == ["shop", "Deployment/web", "1", "0.25vCPU", "0.5GB", "0.0123", "9.0100"]
    assert "1 pod runs: 0.0123 USD an hour." in lines
    assert "This month: 0.0206 (0.0206–0.0226) so far, 3.7233 at its end if nothing changes." in lines


def test_top_for_spreadsheets_has_every_pod(ask: Ask) -> None:
    (pod,) = read_csv(ask("top", "-o", "csv"))

    assert (pod["pod"], pod["hourly"], pod["since"]) == ("web-1", "0.0123425", "2026-11-18T11:30:00Z")


def test_a_receipt_is_an_account_of_the_seconds(ask: Ask) -> None:
    text = succeed(ask("receipt", "web-0"))

    assert text.splitlines()[0] == "shop/web-0  web-0"
    assert "Deployment/web, profile web, 0.25vCPU 0.5GB, x86, on demand, node node-1" in text
    assert "billed from 2026-11-18T10:00:00Z to 2026-11-18T11:00:00Z: 3600 s" in text
    assert [
        "0.25",
        "vCPU",
        "×",
        "3600",
        "s",
        "×",
        "0.04048",
        "USD",
        "an",
        "hour",
        "=",
        "0.01012",
        "us-east-1@2026-01-01",
    ] in ([line.split() for line in text.splitlines()])
    assert "= 0.0123425  USD" in text
    assert "its deletion was watched" in text


def test_a_receipt_of_a_job_has_its_range(ask: Ask) -> None:
    text = succeed(ask("receipt", "job/import", "-n", "data"))

    assert "(not before 2026-11-18T11:10:00Z, not after 2026-11-18T11:20:00Z)" in text
    assert [line["resource"] for line in read_csv(ask("receipt", "job/import", "-n", "data", "-o", "csv"))] == [
        "vCPU", "memory",
    ]  # fmt: skip


def test_an_export_goes_to_a_file_and_says_what_it_covers(ask: Ask, tmp_path: Path) -> None:
    result = ask("usage", "export", *SINCE, "--file", str(tmp_path / "rows.csv"))

    assert succeed(result) == ""
    assert result.stderr.startswith("3 rows, 2026-11-18 09:00 to 2026-11-18 12:00 UTC; coverage 94.444 %")
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 4
    assert not (tmp_path / "rows.csv.part").exists()


@pytest.mark.parametrize("version", [(), ("--focus-version", "1.2")], ids=["1.4", "1.2"])
def test_an_export_in_focus_adds_up(ask: Ask, version: tuple[str, ...]) -> None:
    rows = read_csv(ask("usage", "export", "--format", "focus", *version, *SINCE, "-n", "shop"))

    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.01851375")
    assert ("ProviderName" in rows[0]) is bool(version)


def test_the_billing_periods_of_focus_are_a_data_set_beside_the_rows(ask: Ask) -> None:
    command = ("usage", "export", "--format", "focus", "--since", "2026-09-30", "--dataset")
    periods = read_csv(ask(*command, "billing-period"))
    rows = read_csv(ask(*command, "cost-and-usage"))

    assert [row["BillingPeriodStart"][:7] for row in periods] == ["2026-09", "2026-10", "2026-11"]
    starts = {row["BillingPeriodStart"] for row in periods}
    assert {row["BillingPeriodStart"] for row in rows} <= starts
    assert ask(*command, "billing-period", user="nobody").exit_code == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "csv"), "--focus-version and --dataset belong to --format focus or parquet"),
        (("--format", "focus", "--focus-version", "1.2"), "FOCUS 1.2 has no data set billing-period"),
        (("--format", "focus", "--granularity", "day"), "--granularity belongs to --dataset cost-and-usage"),
    ],
    ids=["csv", "1.2", "granularity"],
)
def test_billing_periods_where_there_are_none_are_refused(ask: Ask, options: tuple[str, ...], message: str) -> None:
    refused = ask("usage", "export", "--dataset", "billing-period", *options)
    assert (refused.exit_code, message in refused.stderr) == (2, True)


def test_what_counts_is_explained(ask: Ask) -> None:
    text = succeed(ask("usage", "explain", *SINCE))

    assert "the pod object is gone, as on AWS" in text
    assert "Prices: book us-east-1, USD" in text
    assert "ledger-0  2026-11-18T09:00:00Z  2026-11-18T11:10:00Z" in text


def test_sums_are_verified(ask: Ask) -> None:
    assert succeed(ask("usage", "verify")) == "Every sum is what the lifetimes say.\n"


def test_a_backup_is_a_database_and_replaces_nothing(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    succeed(ask("usage", "backup", str(path)))
    copy = sqlite3.connect(path)
    assert copy.execute("SELECT count(*) FROM lifetime").fetchone() == (3,)
    copy.close()

    again = ask("usage", "backup", str(path))
    assert again.exit_code == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("command", "nothing"), [("cost", "No pod was billed for any of this time."), ("top", "0 pods run: 0.0000 USD")]
)
def test_who_sees_only_namespaces_in_which_nothing_was_counted_is_told_to_name_one(
    ask: Ask, command: str, nothing: str
) -> None:
    refused = ask(command, user="newcomer")
    assert refused.exit_code == 1
    assert "there is nothing to tell of others unless one is named" in refused.stderr
    assert "If you have the role view in a namespace, name it with -n; else ask for it." in refused.stderr

    assert nothing in succeed(ask(command, "-n", "fresh", user="newcomer"))


FAILURES: dict[str, tuple[tuple[str, ...], str, int, str]] = {
    "an unknown user": (("cost",), "stranger", 1, "doesn't know these credentials. Log in again"),
    "no rights": (("cost",), "nobody", 1, "can't get usages.monopod.dev in any namespace that pods were counted in"),
    "another's namespace": (("cost", "-n", "data"), "tenant", 1, "'tenant' can't get usages.monopod.dev in namespace"),
    "another's copy": (("usage", "backup", "never.db"), "tenant", 1, "in the whole cluster"),
    "a bad span": (("cost", "--since", "yesterday"), "admin", 2, "since must be a duration such as 24h"),
    "a bad subject": (("cost", "--by", "node"), "admin", 2, "by must be namespace, profile"),
    "a pod that never was": (("receipt", "web-9"), "admin", 1, "knows no pod web-9 in namespace shop"),
    "no kind": (("receipt", "thing/web"), "admin", 2, "'thing' is no kind"),
    "no name": (("receipt", "job/Web_1"), "admin", 2, "is no name of a Kubernetes object"),
    "parquet to stdout": (("usage", "export", "--format", "parquet"), "admin", 2, "needs --file FILE"),
    "a version of no format": (("usage", "export", "--focus-version", "1.4"), "admin", 2, "belong to --format focus"),
    "a folder for a file": (("usage", "export", "--file", "/nowhere/x.csv"), "admin", 2, "can't be written"),
}


@pytest.mark.parametrize(("arguments", "user", "status", "message"), FAILURES.values(), ids=FAILURES)
def test_what_can_not_be_answered_is_one_sentence(
    ask: Ask, arguments: tuple[str, ...], user: str, status: int, message: str
) -> None:
    result = ask(*arguments, user=user)

    assert (result.exit_code, result.stdout) == (status, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_release_of_another_name_is_found(
    world: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{world[0]}:{os.environ['PATH']}")
    with a_cluster({"other-monopod-ledger-0": READY}) as server:
        result = run("cost", *SINCE, "--kubeconfig", write_kubeconfig(tmp_path, server, token="admin"))

    assert result.exit_code == 0, result.output


UNREADY: dict[str, tuple[dict[str, Any] | int, str]] = {
    "none": ({}, "There is no ledger in namespace monopod-system: Monopod's chart installs it with ledger.enabled"),
    "starting": ({"monopod-ledger-1": {"status": {}}}, "No pod of the ledger is ready: see `kubectl get pods"),
    "forbidden": (403, "You may not get the pods of the ledger in namespace monopod-system"),
}


@pytest.mark.parametrize(("pods", "message"), UNREADY.values(), ids=UNREADY)
def test_without_a_ledger_it_is_said_what_to_do(tmp_path: Path, pods: dict[str, Any] | int, message: str) -> None:
    with a_cluster(pods) as server:
        result = run("cost", "--kubeconfig", write_kubeconfig(tmp_path, server, token="admin"))

    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


SHAPES: dict[str, Any] = {"nothing known": {}, "a list": [], "a number": 7, "parts of another kind": {
    "rows": 1, "pods": [7], "receipts": [{}], "coverage": [], "total": "", "terms": {"until": "Later"}, "by": "x",
    "count": "none", "differences": None, "currency": None, "since": 5, "until": None, "book": {"versions": "x"},
}}  # fmt: skip
COMMANDS: dict[str, tuple[str, ...]] = {
    "cost": ("cost",),
    "top": ("top",),
    "top, for spreadsheets": ("top", "-o", "csv"),
    "receipt": ("receipt", "web-0", "-n", "shop"),
    "export": ("usage", "export", "--format", "focus"),
    "explain": ("usage", "explain"),
    "verify": ("usage", "verify"),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_an_answer_of_another_release_is_a_sentence_that_names_both(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], shape: Any
) -> None:
    monkeypatch.setattr("monopod.ledger.server.people.__version__", "9.8.7")
    monkeypatch.setattr(LedgerClient, "get", lambda self, *_, **__: self._ask("GET", "/v1/coverage") and shape)
    monkeypatch.setattr(
        LedgerClient, "stream", lambda self, *_: iter([self._ask("GET", "/v1/coverage") and shape, shape])
    )

    result = ask(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    versions = f"The ledger is of version 9.8.7, and this command of version {__version__}: use the ledger's."
    assert versions in result.stderr


def test_a_question_that_the_ledgers_release_does_not_know_is_the_same(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monopod.ledger.server.people.__version__", "0.0.9")
    with monkeypatch.context() as patched:
        patched.setattr("monopod.cli.cost.command.open_ledger", _ask_for_nothing)
        result = ask("cost")
    assert (result.exit_code, "doesn't know this question. The ledger is of version 0.0.9" in result.stderr) == (
        1,
        True,
    )


@contextmanager
def _ask_for_nothing(target: Target) -> Iterator[LedgerClient]:
    with open_ledger(target) as ledger:
        ledger.get("/v2/everything")
        yield ledger


def test_what_fails_with_a_ledger_of_ones_own_release_is_a_bug_and_told_as_one(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LedgerClient, "get", lambda self, *_, **__: self._ask("GET", "/v1/coverage") and {})
    assert isinstance(ask("cost").exception, KeyError)
