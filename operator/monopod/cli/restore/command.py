"""`kubectl fargate restore`: brings pods back from their StoredPods, with the rights of whoever types it.

The new pod says in whose place it comes, as one that the operator creates does. So it doesn't matter which of the two
is quicker, nor which of them deletes the StoredPod.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import click

from monopod.api.names import GROUP, STORED_POD_PLURAL, VERSION
from monopod.bare_pods.rules.steps import FOR_A_PERSON, Absent, Original, Recreated, StoredPod, build_recreated, observe
from monopod.cli.failure import ApiFailure, UnreadableInput
from monopod.cli.input.documents import read_documents, show
from monopod.cli.live import Cluster, Refusal

Manifest = dict[str, Any]

_NO_STORED_PODS: Final = "The cluster has no StoredPods: Monopod isn't installed."


def show_stored(cluster: Cluster, namespace: str) -> None:
    """Writes which pods of a namespace are stored.

    Raises:
        ApiFailure: the API server can't be reached or refused.
    """
    found = list_stored(cluster, namespace)
    if not found:
        click.echo(f"No pod is stored in namespace {namespace}.")
    for stored in found:
        click.echo(f"{stored.name}  profile {stored.profile}  {stored.phase}" + _indent(stored.message))


def _indent(message: str) -> str:
    return f"\n  {message}" if message else ""


def list_stored(cluster: Cluster, namespace: str) -> list[StoredPod]:
    """The StoredPods of a namespace. Raises as `show_stored` does."""
    try:
        return [StoredPod.from_resource(item) for item in cluster.list_items(_find_path(namespace))]
    except Refusal as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        raise ApiFailure(_NO_STORED_PODS) from None


def restore_all(cluster: Cluster, namespace: str, *, dry_run: bool) -> None:
    """Brings back all pods of a namespace that wait for a person; those that can't be are told at the end.

    Raises:
        ApiFailure: some couldn't be brought back.
    """
    waiting = [stored for stored in list_stored(cluster, namespace) if stored.phase in FOR_A_PERSON]
    if not waiting:
        click.echo(f"No stored pod of namespace {namespace} waits to be brought back.")
    failed = []
    for stored in waiting:
        try:
            _restore(cluster, stored, None, dry_run)
        except ApiFailure as failure:
            click.echo(f"{stored.name}: {failure.message}", err=True)
            failed.append(stored.name)
    if failed:
        raise ApiFailure(f"Not brought back: {', '.join(failed)}.")


def restore_one(cluster: Cluster, namespace: str, name: str, filename: str | None, *, dry_run: bool) -> None:
    """Brings one pod back, from its own manifest or from a file.

    Raises:
        UnreadableInput: the file can't be read, or holds no manifest of this pod.
        ApiFailure: there is no such StoredPod, or the API server can't be reached or refused.
    """
    edited = read_pod(filename, namespace, name) if filename else None
    try:
        stored = StoredPod.from_resource(cluster.read(_find_path(namespace, name)))
    except Refusal as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        message = f"There is no stored pod {name} in namespace {namespace}." if refusal.told else _NO_STORED_PODS
        raise ApiFailure(message) from None
    _restore(cluster, stored, edited, dry_run)


def read_pod(filename: str, namespace: str, name: str) -> Manifest:
    """The one pod in a file.

    Raises:
        UnreadableInput: there is none, or several, or it has another name or namespace, or no valid annotations.
    """
    documents = read_documents(filename)
    pods = [each for each in documents if isinstance(each, dict) and each.get("kind") == "Pod"]
    if len(pods) != 1 or len(documents) != 1:
        raise UnreadableInput(f"{show(filename)} must hold one Pod, and nothing else.")
    metadata = pods[0].get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("name") != name:
        raise UnreadableInput(f"{show(filename)} must hold the pod {name}: one that is moved keeps its name.")
    if not isinstance(metadata.get("annotations") or {}, Mapping):
        raise UnreadableInput(f"{show(filename)}: metadata.annotations must be a mapping.")
    if (metadata.get("namespace") or namespace) != namespace:
        raise UnreadableInput(f"{show(filename)} is in namespace {metadata['namespace']}, not {namespace}.")
    return dict(pods[0])


def _restore(cluster: Cluster, stored: StoredPod, edited: Manifest | None, dry_run: bool) -> None:
    collection = f"/api/v1/namespaces/{stored.namespace}/pods"
    try:
        cluster.create(collection + ("?dryRun=All" if dry_run else ""), build_recreated(stored, edited))
    except Refusal as refusal:
        if refusal.status != HTTPStatus.CONFLICT:
            raise
        raise ApiFailure(_describe_conflict(cluster, stored, refusal)) from None
    if dry_run:
        click.echo(f"pod/{stored.name} would be created (server dry run); the stored pod stays")
        return
    click.echo(f"pod/{stored.name} created")
    try:
        cluster.delete(_find_path(stored.namespace, stored.name), stored.uid)
    except ApiFailure as failure:
        click.echo(f"Note: the stored pod stays until the operator deletes it: {failure.message}", err=True)


def _describe_conflict(cluster: Cluster, stored: StoredPod, refusal: Refusal) -> str:
    observed = observe(stored, _find_pod(cluster, stored))
    match observed:
        case Original():
            return f"Pod {stored.name} hasn't been moved: it is still there."
        case Recreated(fault=fault) if fault:
            return f"Pod {stored.name} was created again and ends without having run ({fault}). Delete it first."
        case Recreated():
            return f"Pod {stored.name} has been created again already; its stored pod goes once it runs."
        case Absent():
            return refusal.message
        case _:
            return (
                f"Another pod is named {stored.name}. Delete it first, or, if it replaces the stored one, `kubectl "
                f"delete storedpod {stored.name} -n {stored.namespace}`."
            )


def _find_pod(cluster: Cluster, stored: StoredPod) -> Mapping[str, Any] | None:
    try:
        return cluster.read(f"/api/v1/namespaces/{stored.namespace}/pods/{stored.name}")
    except Refusal as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        return None


def _find_path(namespace: str, name: str = "") -> str:
    collection = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{STORED_POD_PLURAL}"
    return f"{collection}/{name}" if name else collection
