"""`kubectl fargate receipt`: asks a ledger for all that it knows of a pod or a workload."""

import re
from collections.abc import Sequence
from typing import Final

from monopod.cli.failure import Missing, UnreadableInput
from monopod.cli.ledger_client.client import Json
from monopod.cli.ledger_client.connection import Target, open_ledger
from monopod.cli.live import Cluster

_KINDS: Final = {
    "job": "Job", "jobs": "Job", "cj": "CronJob", "cronjob": "CronJob", "cronjobs": "CronJob",
    "deploy": "Deployment", "deployment": "Deployment", "deployments": "Deployment",
    "sts": "StatefulSet", "statefulset": "StatefulSet", "statefulsets": "StatefulSet",
    "ecstaskfamily": "ECSTaskFamily", "ecstaskfamilies": "ECSTaskFamily",
    "rs": "ReplicaSet", "replicaset": "ReplicaSet", "replicasets": "ReplicaSet",
}  # fmt: skip
_POD: Final = frozenset({"pod", "pods", "po", "task", "tasks", "ecstask", "ecstasks"})
"""A task's pod has its name."""

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_KIND: Final = re.compile(r"[A-Z][A-Za-z]*")


def read_subject(text: str) -> tuple[str, str]:
    """What a receipt is of, as a parameter of the question: `web-0`, `job/nightly`, `task/ID`, `Workflow/x`.

    Raises:
        UnreadableInput: it is none of these.
    """
    kind, slash, name = text.rpartition("/")
    if not _NAME.fullmatch(name):
        raise UnreadableInput(f"{name!r} is no name of a Kubernetes object.")
    if not slash or kind.lower() in _POD:
        return "pod", name
    known = _KINDS.get(kind.lower()) or (kind if _KIND.fullmatch(kind) else "")
    if not known:
        raise UnreadableInput(f"{kind!r} is no kind: give a pod's name, or job/NAME, deployment/NAME, Kind/NAME.")
    return "workload", f"{known}/{name}"


def fetch_receipt(
    target: Target, subject: str, namespace: str | None, uid: str | None, span: Sequence[tuple[str, str]]
) -> Json:
    """All that is known of a pod's or a workload's lifetimes.

    Raises:
        Missing: the ledger knows none.
        ApiFailure: there is no ledger, or no way to it.
        UnreadableInput: the subject is none, or the ledger doesn't understand the question.
    """
    parameter, value = read_subject(subject)
    where = namespace or Cluster.connect(target.kubeconfig, target.context).namespace
    query = [("namespace", where), (parameter, value), *([("uid", uid)] if uid else []), *span]
    with open_ledger(target) as ledger:
        answer = ledger.get("/v1/receipt", query)
    if not answer["receipts"]:
        raise Missing(f"The ledger knows no {parameter} {value} in namespace {where} that ran on Fargate.")
    return answer
