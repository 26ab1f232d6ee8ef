"""Runs `kubectl fargate` inside the test's process."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from monopod.cli.commands import fargate


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(fargate, list(arguments), input=stdin)


def write_yaml(path: Path, *documents: object) -> str:
    # JSON is YAML in which every text is quoted; PyYAML leaves y and n bare, which are booleans to kubectl.
    path.write_text("\n---\n".join(json.dumps(document, sort_keys=True) for document in documents))
    return str(path)


def explain(tmp_path: Path, profiles: list[Any], *documents: object, options: tuple[str, ...] = ()) -> str:
    """The text that `explain -f` writes about the documents."""
    result = run("explain", "-f", *_write(tmp_path, profiles, documents), *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def explain_json(tmp_path: Path, profiles: list[Any], *documents: object, options: tuple[str, ...] = ()) -> Any:
    """The first pod of what `explain -f … -o json` writes about the documents."""
    result = run("explain", "-f", *_write(tmp_path, profiles, documents), "-o", "json", *options)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["pods"][0]


def _write(tmp_path: Path, profiles: list[Any], documents: tuple[object, ...]) -> tuple[str, str, str]:
    manifests = write_yaml(tmp_path / "manifests.yaml", *documents)
    return manifests, "--profiles", write_yaml(tmp_path / "profiles.yaml", *profiles)
