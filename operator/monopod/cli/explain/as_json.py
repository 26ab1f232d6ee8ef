"""Explanations as JSON, for scripts. The fields are documented in docs/reference/cli.md; they only grow."""

import json
from dataclasses import asdict
from typing import Any, assert_never

import click

from monopod.cli.explain.explanation import Explanation, LiveExplanation, ProfileVerdict, Report
from monopod.cli.explain.group_sources import GroupsAnswer
from monopod.cli.explain.live_pod import Admitted
from monopod.pods.rules.decision import (
    Decision,
    OptOutRefused,
    OutOfBounds,
    ProviderRefused,
    Sandboxed,
    Skipped,
    Unmatched,
    Unsupported,
)
from monopod.pods.rules.selection import LabelDiffers, Mismatch
from monopod.pods.rules.size import Need, PodSize, Resources, Size, format_capacity
from monopod.pods.rules.spot import SpotTerms

Json = dict[str, Any]


def write_json(report: Report) -> None:
    """Writes one JSON object to stdout."""
    click.echo(json.dumps(build_report(report), indent=2, ensure_ascii=False))


def build_report(report: Report) -> Json:
    """The object that is written: `{"pods": […]}`, whatever the question was."""
    if isinstance(report, LiveExplanation):
        admitted = _build_admitted(report.admitted) if report.admitted else None
        return {"pods": [{**build_explanation(report.today), "admitted": admitted}]}
    return {"pods": [build_explanation(each) for each in report]}


def build_explanation(explanation: Explanation) -> Json:
    """The fields of one pod."""
    return {
        "source": explanation.source,
        "namespace": explanation.namespace,
        **_build_decision(explanation.decision),
        **_build_provision(explanation),
        "need": _build_need(explanation.need) if explanation.need else None,
        "pin": explanation.pin,
        "profiles": [_build_verdict(verdict) for verdict in explanation.verdicts],
        "notes": list(explanation.notes),
    }


def _build_decision(decision: Decision) -> Json:
    match decision:
        case OutOfBounds(text=text):
            return {"decision": "OutOfBounds", "message": text}
        case Unmatched():
            return {"decision": "Unmatched"}
        case OptOutRefused(profile=profile, text=text):
            return {"decision": "OptOutRefused", "profile": profile.name, "message": text}
        case ProviderRefused(profile=profile, text=text):
            return {"decision": "ProviderRefused", "profile": profile.name, "message": text}
        case Skipped(skip=skip, profile=profile, selector_index=index):
            reason = {"reason": skip.value, "message": skip.sentence}
            return {"decision": "Skipped", "profile": profile.name, "selectorIndex": index, **reason}
        case Sandboxed(size=size):
            return {"decision": "Sandboxed", **_build_sandbox(decision, size)}
        case Unsupported(size=possible):
            reasons = {
                "message": decision.text,
                "unsupported": list(decision.messages),
                "unsupportedPods": decision.profile.unsupported,
            }
            return {"decision": "Unsupported", **_build_sandbox(decision, possible), **reasons}
    assert_never(decision)


def _build_sandbox(decision: Sandboxed | Unsupported, size: Size | None) -> Json:
    return {
        "profile": decision.profile.name,
        "selectorIndex": decision.selector_index,
        "pinned": decision.pinned,
        "runtimeClassName": decision.runtime_class or None,
        "capacityProvider": decision.profile.capacity_provider,
        "capacity": format_capacity(size.row) if size else None,
        "size": _build_size(size.row) if size else None,
    }


def _build_provision(explanation: Explanation) -> Json:
    match explanation.decision:
        case Sandboxed(profile=profile) | Unsupported(profile=profile):
            storage = {"ephemeralStorageGiB": explanation.storage_gib}
            nodes = {"nodeSelector": dict(explanation.node_selector), "offFargate": explanation.off_fargate}
            needs = {"zones": list(profile.zones), "claims": list(explanation.claims), **nodes}
            spot = _build_spot(explanation.spot) if explanation.spot else None
            return {**storage, **needs, "spot": spot, "securityGroups": _build_groups(explanation.groups)}
        case OutOfBounds() | Unmatched() | Skipped() | OptOutRefused() | ProviderRefused():
            return {}
    assert_never(explanation.decision)


def _build_spot(terms: SpotTerms) -> Json:
    return {"graceSeconds": terms.grace_seconds, "changes": list(terms.describe_changes())}


def _build_groups(answer: GroupsAnswer | None) -> Json | None:
    if answer is None:
        return None
    groups = answer.groups
    return {
        "names": list(groups.names) if groups else None,
        "source": groups.source.value if groups else None,
        "policies": list(groups.origin) if groups else [],
        "unknownServiceAccount": answer.unknown_account or None,
        "refusal": answer.refusal or None,
    }


def _build_admitted(admitted: Admitted) -> Json:
    return {
        "profile": admitted.profile,
        "capacity": admitted.capacity or None,
        "runtimeClass": admitted.runtime_class or None,
        "unsupported": admitted.unsupported or None,
        "ephemeralStorage": admitted.storage or None,
        "waitsForClaims": list(admitted.waits_for),
        "securityGroups": list(admitted.groups),
        "waitsForIsolation": admitted.waits_for_isolation,
    }


def _build_size(row: PodSize) -> Json:
    return {"cpuMillis": row.cpu_millis, "memoryMiB": row.memory_mib}


def _build_need(need: Need) -> Json:
    return {
        **_build_resources(need.total),
        "memoryWithComponentsMiB": need.memory_with_components_mib,
        "containers": [
            {"name": each.name, "kind": each.kind.name.capitalize(), **_build_resources(each.resources)}
            for each in need.containers
        ],
        "running": _build_resources(need.running),
        "initPeaks": [{"name": peak.name, **_build_resources(peak.resources)} for peak in need.init_peaks],
        "podLevel": {"cpuMillis": need.pod_cpu_millis, "memoryMiB": need.pod_memory_mib},
    }


def _build_resources(resources: Resources) -> Json:
    return {
        "cpuMillis": resources.cpu_millis,
        "memoryMiB": resources.memory_mib,
        "ephemeralStorageMiB": resources.storage_mib,
    }


def _build_verdict(verdict: ProfileVerdict) -> Json:
    return {
        "name": verdict.profile.name,
        "outcome": verdict.outcome.value,
        "selectors": [
            {
                "namespace": each.selector.namespace,
                "labels": dict(each.selector.labels),
                "matches": each.matches,
                "mismatches": [_build_mismatch(mismatch) for mismatch in each.mismatches],
            }
            for each in verdict.selectors
        ],
    }


def _build_mismatch(mismatch: Mismatch) -> Json:
    fields = asdict(mismatch)
    if isinstance(mismatch, LabelDiffers):
        fields["found"] = dict(mismatch.found)
    return {"fact": type(mismatch).__name__, **fields}
