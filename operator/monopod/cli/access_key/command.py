"""Makes, lists and deletes access keys, which are Secrets, with the rights of whoever types it."""

import base64
import secrets
from collections.abc import Iterator, Sequence
from typing import Final

import click

from monopod.access_keys.rules.stored_key import PREFIX, SECRET_TYPE, InvalidKey, StoredKey
from monopod.api.names import SYSTEM_NAMESPACE
from monopod.cli.access_key.output import Listed
from monopod.cli.failure import Missing
from monopod.cli.live import Cluster, Json
from monopod.kube.objects.resources import SECRETS

_ID_BYTES: Final = 10
_SECRET_BYTES: Final = 30


def build_key(user: str, groups: Sequence[str]) -> StoredKey:
    """A new key, which no one else has.

    Raises:
        click.UsageError: no key may stand for this user, or one of these groups.
    """
    access_key_id = PREFIX + base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode()
    try:
        return StoredKey(access_key_id, secrets.token_urlsafe(_SECRET_BYTES), user, tuple(groups)).check()
    except InvalidKey as invalid:
        raise click.UsageError(str(invalid)) from None


def create_key(cluster: Cluster, namespace: str, key: StoredKey) -> None:
    """Keeps a key.

    Raises:
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
    """
    cluster.create(SECRETS.list_path(namespace), key.build_secret(namespace))


def list_keys(cluster: Cluster, namespace: str) -> list[Listed]:
    """All keys, without their secrets. Raises as `create_key` does."""
    found = []
    for item in _list_secrets(cluster, namespace):
        name, created = item["metadata"]["name"], item["metadata"].get("creationTimestamp") or ""
        try:
            key = StoredKey.from_resource(item)
            found.append(Listed(key.id, key.user, key.groups, name, created))
        except InvalidKey as invalid:
            found.append(Listed("", "", (), name, created, str(invalid)))
    return sorted(found, key=lambda each: (each.created, each.name))


def delete_key(cluster: Cluster, namespace: str, access_key_id: str) -> None:
    """Deletes a key: soon nothing that it signs is answered.

    Raises:
        Missing: there is no such key.
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
    """
    found = [each for each in list_keys(cluster, namespace) if each.id == access_key_id]
    if not found:
        raise Missing(f"There is no access key {access_key_id} in namespace {namespace}.")
    for each in found:
        cluster.delete(SECRETS.path(each.name, namespace))


def get_namespace(cluster: Cluster, named: str | None) -> str:
    """Monopod's own namespace."""
    return named or cluster.fetch_monopod_namespace() or SYSTEM_NAMESPACE


def _list_secrets(cluster: Cluster, namespace: str) -> Iterator[Json]:
    yield from cluster.list_items(SECRETS.list_path(namespace), {"fieldSelector": f"type={SECRET_TYPE}"})
