"""Checks what `plan` forecasts: whether replacements can be created, by dry runs with the caller's rights.

The operator does the same before the first eviction of a workload, with its own rights. Where the caller may not create
pods, or list nodes or quotas, a note says so instead.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import click

from monopod.cli.failure import describe_answer
from monopod.cli.input.profiles import UNNAMED_SANDBOX
from monopod.cli.live import Cluster
from monopod.cli.plan.forecast import Contents, Fate, Step
from monopod.kube.client.api import ApiError, ServerTrouble
from monopod.kube.objects.resources import NODES, PODS, RESOURCE_QUOTAS
from monopod.kube.objects.views import NodeView, read_node
from monopod.pods.rules.selection import Profile
from monopod.pods.rules.state import has_ended
from monopod.workloads.rules.creation import Census, Quota, build_attempt
from monopod.workloads.rules.replacement import Workload
from monopod.workloads.rules.verdict import Answer, Fault, judge_answer, judge_node, judge_quotas, judge_sandbox

# RBAC, quotas and admission plugins all answer 403 Forbidden without a cause; only RBAC's words have this
# (`forbiddenMessage` in k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go).
_NO_RIGHT: Final = re.compile(r'cannot (create resource "pods"|list resource)')

Json = dict[str, Any]


class Rehearsal:
    """Sends a dry run of one replacement for each workload, and follows what quotas have left."""

    def __init__(self, cluster: Cluster, pending: Mapping[str, Profile], enforced: Mapping[str, Profile]) -> None:
        """What admission would write for `pending` profiles is written here; of those `enforced` it shows."""
        self._cluster = cluster
        self._pending = pending
        self._enforced = enforced
        self._nodes: list[NodeView] | None = None
        self._answers: dict[tuple[str, str], Answer] = {}
        self._noted: set[str] = set()

    def try_all(self, steps: Sequence[Step], namespaces: Iterable[Contents]) -> list[Step]:
        """The steps, those blocked that the API server, a quota or the nodes would block.

        Raises:
            ApiUnreachable: the API server can't be reached.
        """
        scans = {contents.context.namespace: contents for contents in namespaces}
        quotas: dict[str, list[Quota]] = {}
        census: dict[str, list[Json]] = {}
        tried: list[Step] = []
        for step in steps:
            contents = scans[step.pod.namespace]
            found = {pod["metadata"]["uid"]: (pod, workload) for pod, workload in contents.pods}
            pod, workload = found[step.pod.uid]
            if step.fate is not Fate.MOVES or workload.is_bare:
                tried.append(step)
                continue
            name = step.pod.namespace
            if name not in quotas:
                quotas[name] = self._list_quotas(name)
                census[name] = [dict(each) for each, _ in contents.pods if not has_ended(each)]
            step, created = self._try(step, dict(pod), workload, quotas[name], census[name])
            tried.append(step)
            if created:  # what comes later finds it there
                staying = [each for each in census[name] if each["metadata"]["uid"] != step.pod.uid]
                census[name] = [created, *staying]
        return sorted(tried, key=lambda step: list(Fate).index(step.fate))

    def _try(
        self, step: Step, pod: Json, workload: Workload, quotas: Sequence[Quota], present: list[Json]
    ) -> tuple[Step, Json | None]:
        """The step, blocked if the replacement would be at fault, and else what takes the pod's place."""
        key = step.profile, workload.uid
        if key not in self._answers:
            self._answers[key] = self._create(step, build_attempt(pod, workload))
        answer = self._answers[key]
        if answer == Answer():
            return step, None
        fault = judge_answer(answer, pod, quotas) or judge_quotas(answer, pod, quotas, Census(present, ()))
        if not fault and answer.created:
            fault = self._judge_created(answer.created, step, pod)
        if not fault:
            return step, answer.created
        return replace(
            step, fate=Fate.BLOCKED, size=None, hourly=None, cliff=None, reason=fault.reason, message=str(fault)
        ), None

    def _judge_created(self, created: Json, step: Step, pod: Json) -> Fault | None:
        profile, nodes = self._enforced.get(step.profile), self._list_nodes()
        fault = judge_sandbox(created, step.pod.namespace, profile.name, profile.runtime_class) if profile else None
        return fault or (judge_node(created, pod, nodes) if nodes is not None else None)

    def _create(self, step: Step, body: Json) -> Answer:
        profile = self._pending.get(step.profile)
        if profile and step.size:
            row = step.size.row
            amounts = {"cpu": f"{row.cpu_millis}m", "memory": f"{row.memory_mib}Mi"}
            named = {} if profile.runtime_class == UNNAMED_SANDBOX else {"runtimeClassName": profile.runtime_class}
            body = {**body, "spec": {**body["spec"], "resources": {"requests": amounts}, **named}}
        try:
            return Answer(self._cluster.create(PODS.list_path(step.pod.namespace), body, dry_run=True))
        except (ApiError, ServerTrouble) as error:
            if _lacks_right(error):
                self._note(f"replacements in namespace {step.pod.namespace} weren't checked: {describe_answer(error)}")
                return Answer()
            return Answer(refusal=describe_answer(error))

    def _list_quotas(self, namespace: str) -> list[Quota]:
        found = self._list(RESOURCE_QUOTAS.list_path(namespace), f"quotas of namespace {namespace}")
        return [quota for quota in map(Quota.from_resource, found or ()) if quota.concerns_pods]

    def _list_nodes(self) -> list[NodeView] | None:
        if self._nodes is None and (found := self._list(NODES.list_path(), "nodes")) is not None:
            self._nodes = [read_node(each) for each in found]
        return self._nodes

    def _list(self, path: str, what: str) -> list[Json] | None:
        try:
            return self._cluster.list_items(path)
        except ApiError as error:
            if not _lacks_right(error):
                raise
            self._note(f"{what} weren't read: {describe_answer(error)}")
            return None

    def _note(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            click.echo(f"Note: {text}", err=True)


def _lacks_right(error: ApiError | ServerTrouble) -> bool:
    return error.status == HTTPStatus.FORBIDDEN and _NO_RIGHT.search(error.message) is not None
