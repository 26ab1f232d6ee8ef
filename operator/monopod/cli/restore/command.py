"""`kubectl fargate restore`: brings pods back from their StoredPods, with the rights of whoever types it.

The new pod says in whose place it comes, as one that the operator creates does. So it doesn't matter which of the two
is quicker, nor which of them deletes the StoredPod.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import click

from monopod.bare_pods.rules.steps import FOR_A_PERSON, Absent, Original, Recreated, StoredPod, build_recreated, observe
from monopod.cli.failure import ApiFailure, Missing, UnreadableInput, describe, describe_refusal
from monopod.cli.input.documents import read_documents, show
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.objects.resources import PODS, STORED_PODS

Manifest = dict[str, Any]

_NO_STORED_PODS: Final = "The cluster has no StoredPods: Monopod isn't installed."


def show_stored(cluster: Cluster, namespace: str) -> None:
    """Writes which pods of a namespace are stored.

    Raises:
        Missing: Monopod isn't installed.
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
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
        return [StoredPod.from_resource(item) for item in cluster.list_items(STORED_PODS.list_path(namespace))]
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise Missing(_NO_STORED_PODS) from None


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
        except (ApiFailure, ApiError, ApiUnreachable) as failure:
            click.echo(f"{stored.name}: {describe(failure)}", err=True)
            failed.append(stored.name)
    if failed:
        raise ApiFailure(f"Not brought back: {', '.join(failed)}.")


def restore_one(cluster: Cluster, namespace: str, name: str, filename: str | None, *, dry_run: bool) -> None:
    """Brings one pod back, from its own manifest or from a file.

    Raises:
        UnreadableInput: the file can't be read, or holds no manifest of this pod.
        Missing: there is no such StoredPod.
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
    """
    edited = read_pod(filename, namespace, name) if filename else None
    try:
        stored = StoredPod.from_resource(cluster.get(STORED_PODS.path(name, namespace)))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        message = f"There is no stored pod {name} in namespace {namespace}."
        raise Missing(_NO_STORED_PODS if error.is_unserved else message) from None
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
    try:
        cluster.create(PODS.list_path(stored.namespace), build_recreated(stored, edited), dry_run=dry_run)
    except ApiError as error:
        said = _describe_conflict(cluster, stored) if error.status == HTTPStatus.CONFLICT else ""
        raise ApiFailure(said or describe_refusal(error)) from None
    if dry_run:
        click.echo(f"pod/{stored.name} would be created (server dry run); the stored pod stays")
        return
    click.echo(f"pod/{stored.name} created")
    try:
        cluster.delete(STORED_PODS.path(stored.name, stored.namespace), stored.uid)
    except (ApiError, ApiUnreachable) as failure:
        click.echo(f"Note: the stored pod stays until the operator deletes it: {describe(failure)}", err=True)


def _describe_conflict(cluster: Cluster, stored: StoredPod) -> str:
    observed = observe(stored, _fetch_pod(cluster, stored))
    match observed:
        case Original():
            return f"Pod {stored.name} hasn't been moved: it is still there."
        case Recreated(fault=fault) if fault:
            return f"Pod {stored.name} was created again and ends without having run ({fault}). Delete it first."
        case Recreated():
            return f"Pod {stored.name} has been created again already; its stored pod goes once it runs."
        case Absent():
            return ""
        case _:
            return (
                f"Another pod is named {stored.name}. Delete it first, or, if it replaces the stored one, `kubectl "
                f"delete storedpod {stored.name} -n {stored.namespace}`."
            )


def _fetch_pod(cluster: Cluster, stored: StoredPod) -> Mapping[str, Any] | None:
    try:
        return cluster.get(PODS.path(stored.name, stored.namespace))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
