"""Access keys as people and their tools read them. A secret is written once: when its key is made."""

import json
import shlex
from dataclasses import dataclass
from typing import Final

import click

from monopod.access_keys.rules.stored_key import StoredKey

COLUMNS: Final = ("ID", "USER", "GROUPS", "CREATED")


@dataclass(frozen=True, slots=True)
class Listed:
    """A key as it is listed.

    Attributes:
        id: "" if what the Secret holds is no key.
        user: the user that it stands for.
        groups: the user's groups.
        name: the Secret's name.
        created: when.
        trouble: why it is no key.
    """

    id: str
    user: str
    groups: tuple[str, ...]
    name: str
    created: str
    trouble: str = ""


def write_created(key: StoredKey, form: str, region: str) -> None:
    """Writes a new key, as text, as variables for a shell, or as JSON."""
    # The SDKs for Go and JavaScript and version 2 of the CLI read the one; boto3 and version 1 of the CLI the other.
    regions = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), region)
    values = {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret, **regions}
    match form:
        case "env":
            for name, value in values.items():
                click.echo(f"export {name}={shlex.quote(value)}")
        case "json":
            told = {"accessKeyId": key.id, "secretAccessKey": key.secret, "user": key.user, "groups": list(key.groups)}
            click.echo(json.dumps(told, indent=2))
        case _:
            click.echo(f"Access key of user {key.user}. Its secret is shown this once:\n")
            for name, value in (
                ("aws_access_key_id", key.id),
                ("aws_secret_access_key", key.secret),
                ("region", region),
            ):
                click.echo(f"  aws configure set --profile monopod {name} {shlex.quote(value)}")


def write_list(keys: list[Listed], form: str) -> None:
    """Writes the keys that there are."""
    if form == "json":
        told = [
            {"accessKeyId": each.id, "user": each.user, "groups": list(each.groups), "created": each.created}
            for each in keys
            if not each.trouble
        ]
        click.echo(json.dumps(told, indent=2))
    else:
        rows = [
            COLUMNS,
            *((each.id, each.user, ",".join(each.groups) or "-", each.created) for each in keys if each.id),
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        for row in rows:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for each in keys:
        if each.trouble:
            click.echo(f"Secret {each.name} is no access key: {each.trouble}", err=True)
