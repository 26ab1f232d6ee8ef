"""What `kubectl fargate access-key` does with Secrets, and what it shows."""

import base64
import json
import shlex
from typing import Any

import pytest

from monopod.access_keys.rules.stored_key import StoredKey
from monopod.cli import live
from monopod.kube.client.api import ApiError
from tests.unit.cli.running import run

PATH = "/api/v1/namespaces/monopod-system/secrets"


class FakeCluster:
    """Secrets of Monopod's namespace, as the API server keeps them."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}

    def fetch_monopod_namespace(self) -> str | None:
        return None

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        name = body["metadata"]["name"]
        texts = body.pop("stringData")
        body["data"] = {each: base64.b64encode(text.encode()).decode() for each, text in texts.items()}
        body["metadata"]["creationTimestamp"] = f"2026-01-01T00:00:{len(self.secrets):02}Z"
        self.secrets[f"{path}/{name}"] = body
        return body

    def list_items(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        assert query == {"fieldSelector": "type=monopod.dev/access-key"}
        return [item for key, item in self.secrets.items() if key.startswith(f"{path}/")]

    def delete(self, path: str) -> None:
        if path not in self.secrets:
            raise ApiError(404, "NotFound", "not found")
        del self.secrets[path]

    @property
    def keys(self) -> list[StoredKey]:
        return [StoredKey.from_resource(item) for item in self.secrets.values()]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: fake)
    return fake


def test_a_key_is_made_and_its_secret_shown_once(cluster: FakeCluster) -> None:
    made = run("access-key", "create", "--user", "ana", "--group", "developers", "--group", "team a")
    (key,) = cluster.keys
    assert (made.exit_code, key.user, key.groups) == (0, "ana", ("developers", "team a"))
    assert made.stdout.splitlines()[2:] == [
        f"  aws configure set --profile monopod aws_access_key_id {key.id}",
        f"  aws configure set --profile monopod aws_secret_access_key {shlex.quote(key.secret)}",
        "  aws configure set --profile monopod region us-east-1",
    ]
    shown = run("access-key", "list")
    assert shown.stdout.splitlines()[1].split()[:3] == [key.id, "ana", "developers,team"]
    assert key.secret not in shown.output + run("access-key", "list", "-o", "json").output


def test_a_key_is_written_for_a_shell_and_for_programs(cluster: FakeCluster) -> None:
    env = run("access-key", "create", "--user", "ci", "-o", "env", "--region", "eu-west-1").stdout
    told = json.loads(run("access-key", "create", "--user", "ci", "-o", "json").stdout)
    first, second = cluster.keys
    words = dict(line.removeprefix("export ").split("=", 1) for line in env.splitlines())
    assert {name: shlex.split(value) for name, value in words.items()} == {
        "AWS_ACCESS_KEY_ID": [first.id],
        "AWS_SECRET_ACCESS_KEY": [first.secret],
        "AWS_REGION": ["eu-west-1"],
        "AWS_DEFAULT_REGION": ["eu-west-1"],
    }
    assert told == {"accessKeyId": second.id, "secretAccessKey": second.secret, "user": "ci", "groups": []}
    assert first.id != second.id
    assert first.secret != second.secret


@pytest.mark.parametrize(
    "arguments",
    [
        ("--user", "system:admin"),
        ("--user", "system:serviceaccount:default:default"),
        ("--user", "ana", "--group", "system:masters"),
        ("--user", ""),
        ("--user", "ana", "--group", "a\nsystem:masters"),
    ],
)
def test_no_key_is_made_for_kubernetes_own(cluster: FakeCluster, arguments: tuple[str, ...]) -> None:
    refused = run("access-key", "create", *arguments)
    assert refused.exit_code == 2
    assert cluster.secrets == {}


def test_a_key_is_deleted(cluster: FakeCluster) -> None:
    run("access-key", "create", "--user", "ana")
    run("access-key", "create", "--user", "ben")
    first, second = cluster.keys
    deleted = run("access-key", "delete", first.id)
    assert (deleted.exit_code, cluster.keys) == (0, [second])
    again = run("access-key", "delete", first.id)
    assert again.exit_code == 1
    assert again.stderr == f"Error: There is no access key {first.id} in namespace monopod-system.\n"


def test_what_is_no_key_is_said(cluster: FakeCluster) -> None:
    run("access-key", "create", "--user", "ana")
    (secret,) = cluster.secrets.values()
    del secret["data"]["user"]
    listed = run("access-key", "list", "-o", "json")
    assert json.loads(listed.stdout) == []
    assert listed.stderr == f"Secret {secret['metadata']['name']} is no access key: It has no user.\n"
