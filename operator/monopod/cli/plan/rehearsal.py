"""Tries what `plan` foretells: whether replacements can be created, as dry runs with the rights of who asks.

The operator does the same before the first eviction of a workload, with its own rights. Where who asks may not create
pods, or list nodes or quotas, that is said and not tried.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from monopod.api.reasons import Reason
from monopod.cli.input.profiles import UNNAMED_SANDBOX
from monopod.cli.live import Cluster, Refusal
from monopod.cli.plan.forecast import Contents, Fate, Step
from monopod.kube.objects.views import NodeView, read_node
from monopod.pods.rules.node_capacity import explain_unschedulable
from monopod.pods.rules.selection import Profile
from monopod.pods.rules.state import has_ended
from monopod.workloads.rules.creation import Census, Quota, build_attempt, fits_once_gone
from monopod.workloads.rules.replacement import Workload

_NO_RIGHT: Final = re.compile(r'cannot (create resource "pods"|list resource)')

Json = dict[str, Any]


class Rehearsal:
    """Tries one replacement for each workload, and follows what quotas have left."""

    def __init__(self, cluster: Cluster, pending: Mapping[str, Profile]) -> None:
        """`pending` are profiles that aren't in force: what admission would write is written here."""
        self._cluster = cluster
        self._pending = pending
        self._nodes: list[NodeView] | None = None
        self._answers: dict[tuple[str, str], tuple[str, Json | None]] = {}
        self._noted: set[str] = set()

    def try_all(self, steps: Sequence[Step], namespaces: Iterable[Contents]) -> list[Step]:
        """The steps, those blocked that the API server, a quota or the nodes would block.

        Raises:
            ApiFailure: the API server can't be reached.
        """
        looks = {contents.place.namespace: contents for contents in namespaces}
        quotas: dict[str, list[Quota]] = {}
        census: dict[str, list[Json]] = {}
        tried: list[Step] = []
        for step in steps:
            contents = looks[step.pod.namespace]
            found = {pod["metadata"]["uid"]: (pod, workload) for pod, workload in contents.pods}
            pod, workload = found[step.pod.uid]
            if step.fate is not Fate.MOVES or workload.is_bare:
                tried.append(step)
                continue
            name = step.pod.namespace
            if name not in quotas:
                quotas[name] = self._list_quotas(name)
                census[name] = [dict(each) for each, _ in contents.pods if not has_ended(each)]
            tried.append(self._try(step, dict(pod), workload, quotas[name], census[name]))
        return sorted(tried, key=lambda step: list(Fate).index(step.fate))

    def _try(self, step: Step, pod: Json, workload: Workload, quotas: Sequence[Quota], present: list[Json]) -> Step:
        key = step.profile, workload.uid
        if key not in self._answers:
            self._answers[key] = self._create(step, build_attempt(pod, workload))
        refusal, created = self._answers[key]
        if refusal and not fits_once_gone(refusal, quotas, pod):
            return _block(step, Reason.REPLACEMENT_REFUSED, f"a replacement can't be created: {refusal}")
        if created is None:
            return step
        if misfit := explain_unschedulable(created, nodes) if (nodes := self._list_nodes()) is not None else "":
            return _block(step, Reason.REPLACEMENT_UNSCHEDULABLE, f"no node could take a replacement: {misfit}")
        if overdrawn := Census(present, ()).find_overdrawn(quotas, pod, created, ""):
            message = f"a replacement can't be created: quota {overdrawn[0]} has no {overdrawn[1]} left for it"
            return _block(step, Reason.REPLACEMENT_REFUSED, f"{message}, when those before it have moved")
        present[:] = [created, *(each for each in present if each["metadata"]["uid"] != step.pod.uid)]
        return step

    def _create(self, step: Step, body: Json) -> tuple[str, Json | None]:
        profile = self._pending.get(step.profile)
        if profile and step.size:
            row = step.size.row
            amounts = {"cpu": f"{row.cpu_millis}m", "memory": f"{row.memory_mib}Mi"}
            named = {} if profile.runtime_class == UNNAMED_SANDBOX else {"runtimeClassName": profile.runtime_class}
            body = {**body, "spec": {**body["spec"], "resources": {"requests": amounts}, **named}}
        try:
            return "", self._cluster.try_create(f"/api/v1/namespaces/{step.pod.namespace}/pods", body)
        except Refusal as refusal:
            if _NO_RIGHT.search(refusal.said):
                self._note(f"replacements in namespace {step.pod.namespace} weren't tried: {refusal.said}")
                return "", None
            return refusal.said, None

    def _list_quotas(self, namespace: str) -> list[Quota]:
        found = self._list(f"/api/v1/namespaces/{namespace}/resourcequotas", f"quotas of namespace {namespace}")
        return [quota for quota in map(Quota.from_resource, found or ()) if quota.concerns_pods]

    def _list_nodes(self) -> list[NodeView] | None:
        if self._nodes is None and (found := self._list("/api/v1/nodes", "nodes")) is not None:
            self._nodes = [read_node(each) for each in found]
        return self._nodes

    def _list(self, path: str, what: str) -> list[Json] | None:
        try:
            return self._cluster.list_items(path)
        except Refusal as refusal:
            if not _NO_RIGHT.search(refusal.said):
                raise
            self._note(f"{what} weren't looked at: {refusal.said}")
            return None

    def _note(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            click.echo(f"Note: {text}", err=True)


def _block(step: Step, reason: Reason, message: str) -> Step:
    return replace(step, fate=Fate.BLOCKED, size=None, hourly=None, reason=reason, message=message)
