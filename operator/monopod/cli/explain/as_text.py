"""Explanations as text for a person: first the answer, then the profiles, the size, and what Fargate can't run."""

from collections.abc import Iterator
from typing import Final, assert_never

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monopod.api.names import EKS_PROFILE_LABEL, GROUPS_ANNOTATION, ISOLATION_GATE
from monopod.cli.explain.explanation import Explanation, LiveExplanation, Outcome, ProfileVerdict, Report
from monopod.cli.explain.group_sources import GroupsAnswer
from monopod.cli.explain.live_pod import Admitted
from monopod.cli.output.terminal import build_grid, print_all
from monopod.isolation.rules.membership import GroupSource
from monopod.pods.rules.decision import (
    OptOutRefused,
    OutOfBounds,
    ProviderRefused,
    Sandboxed,
    Skipped,
    Unmatched,
    Unsupported,
)
from monopod.pods.rules.node_demand import UNSATISFIED
from monopod.pods.rules.selection import (
    LabelDiffers,
    LabelMissing,
    Mismatch,
    NamespaceDiffers,
    NamespaceProtected,
    is_wildcard,
)
from monopod.pods.rules.size import COMPONENTS_MEMORY_MIB, ContainerKind, Need, Resources, format_capacity
from monopod.pods.rules.spot import SpotTerms

_INDENT: Final = (0, 0, 0, 2)
_DEFAULT_SANDBOX: Final = "the default sandbox"


def write_text(report: Report) -> None:
    """Writes the report to stdout, in colour on a terminal."""
    print_all(lambda out: _write_report(report, out))


def _write_report(report: Report, out: Console) -> None:
    if isinstance(report, LiveExplanation):
        title = f"{report.today.source} in namespace {report.today.namespace}"
        out.print(Text(title, "bold"))
        out.print(f"When it was created: {describe_admitted(report.admitted)}")
        out.print(f"If it were created now: {describe_decision(report.today)}")
        _write_grounds(report.today, out)
        return
    for index, explanation in enumerate(report):
        if index:
            out.print()
        title = f"{explanation.source} in namespace {explanation.namespace}"
        out.print(Text.assemble((title, "bold"), ": ", describe_decision(explanation)))
        _write_grounds(explanation, out)


def describe_admitted(admitted: Admitted | None) -> str:
    """What admission decided, as one sentence."""
    if admitted is None:
        return "left alone. It is an ordinary pod, without a sandbox."
    if admitted.unsupported:
        return f"taken by profile {admitted.profile}, and it stays Pending. {admitted.unsupported}."
    size = f"{admitted.capacity}, RuntimeClass {admitted.runtime_class}"
    waits = f" It waits for its claims: {', '.join(admitted.waits_for)}." if admitted.waits_for else ""
    if admitted.waits_for_isolation:
        waits += f" It waits behind the gate {ISOLATION_GATE} until its namespace is isolated; see its events."
    groups = f" Its security groups: {', '.join(admitted.groups)}." if admitted.groups else ""
    return f"sandboxed by profile {admitted.profile}: {size}.{groups}{waits}"


def describe_decision(explanation: Explanation) -> str:
    """What becomes of the pod, as one sentence or two."""
    match explanation.decision:
        case OutOfBounds(text=text) | OptOutRefused(text=text) | ProviderRefused(text=text):
            return f"refused. {text}"
        case Unmatched():
            return "not on Fargate: no profile matches. It runs as an ordinary pod."
        case Skipped(skip=skip, profile=profile):
            return f"not on Fargate, though profile {profile.name} matches. {skip.sentence}"
        case Sandboxed(profile=profile) if explanation.off_fargate:
            return f"taken by profile {profile.name}, and it stays Pending. {UNSATISFIED.format(profile.name)}."
        case Sandboxed(profile=profile, runtime_class=runtime_class, size=size):
            sandbox = f"RuntimeClass {runtime_class}" if runtime_class else _DEFAULT_SANDBOX
            return f"sandboxed by profile {profile.name}: {format_capacity(size.row)}, {sandbox}."
        case Unsupported(profile=profile, text=text):
            fate = "its creation is refused" if profile.unsupported == "Reject" else "it stays Pending"
            return f"taken by profile {profile.name}, and {fate}. {text}."
    assert_never(explanation.decision)


def _write_pin(explanation: Explanation, out: Console) -> None:
    if explanation.pin_without_effect:
        known = any(verdict.profile.name == explanation.pin for verdict in explanation.verdicts)
        why = "doesn't match" if known else "doesn't exist"
        out.print(
            f"Its label {EKS_PROFILE_LABEL} names profile {explanation.pin!r}, which {why}, so the label has no say."
        )


def _write_grounds(explanation: Explanation, out: Console) -> None:
    _write_pin(explanation, out)
    out.print()
    out.print(Text("Profiles", "bold"))
    if explanation.verdicts:
        out.print(Padding(_build_profiles_table(explanation), _INDENT, expand=False))
    else:
        out.print("  There are none.")
    if explanation.need:
        out.print()
        out.print(Text("Size", "bold"))
        out.print(Padding(_build_size_table(explanation.need), _INDENT, expand=False))
        for line in describe_size(explanation):
            out.print(f"  {line}")
    for title, line in describe_needs(explanation):
        out.print()
        out.print(Text(title, "bold"))
        out.print(f"  {line}")
    if isinstance(explanation.decision, Unsupported):
        out.print()
        out.print(Text("What Fargate can't run", "bold"))
        for message in explanation.decision.messages:
            out.print(f"  {message}")


def _build_profiles_table(explanation: Explanation) -> Table:
    table = build_grid(3)
    for verdict in explanation.verdicts:
        won = verdict.profile is explanation.winner
        name = Text(verdict.profile.name, "bold green" if won else "")
        table.add_row(name, "", Text(describe_outcome(verdict, explanation), "green" if won else ""))
        for number, each in enumerate(verdict.selectors, 1):
            facts = "; ".join(describe_mismatch(mismatch) for mismatch in each.mismatches) or "matches"
            table.add_row("", f"selector {number}: {each.selector}", Text(facts, "" if each.matches else "yellow"))
    return table


def describe_outcome(verdict: ProfileVerdict, explanation: Explanation) -> str:
    """How a profile fared and why."""
    winner = explanation.winner.name if explanation.winner else ""
    match verdict.outcome:
        case Outcome.PINNED:
            return f"wins: the pod's label {EKS_PROFILE_LABEL} names it"
        case Outcome.ONLY_MATCH:
            return "wins: no other matches"
        case Outcome.FIRST_BY_NAME:
            return "wins: the first by name of those that match"
        case Outcome.LATER_BY_NAME:
            return f"matches too, but {winner} comes first by name"
        case Outcome.OTHER_PINNED:
            return f"matches too, but the pod's label {EKS_PROFILE_LABEL} names {winner}"
        case Outcome.NO_MATCH:
            return "doesn't match"
    assert_never(verdict.outcome)


def describe_mismatch(mismatch: Mismatch) -> str:
    """The fact on which a selector failed."""
    match mismatch:
        case NamespaceDiffers(pattern=pattern, namespace=namespace):
            return f"the namespace is {namespace}, {_contrast(pattern)}"
        case NamespaceProtected(namespace=namespace):
            return f"the namespace {namespace} is reached only by its exact name, never by a wildcard"
        case LabelMissing(key=key, value=value):
            missing = f"no label's key matches {key}" if is_wildcard(key) else f"the label {key} is missing"
            return f"{missing} (wanted: {key}={value})"
        case LabelDiffers(value=value, found=found):
            present = " and ".join(f"{name} is {text!r}" for name, text in found)
            return f"the label {present}, {_contrast(value)}"
    assert_never(mismatch)


def _contrast(pattern: str) -> str:
    return f"which doesn't match {pattern}" if is_wildcard(pattern) else f"not {pattern or repr(pattern)}"


def _build_size_table(need: Need) -> Table:
    table = build_grid(4)
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("", "CPU", "memory", "storage", style="dim")
    for each in need.containers:
        kind = "" if each.kind is ContainerKind.ORDINARY else f" ({each.kind})"
        table.add_row(f"{each.name}{kind}", *_format_resources(each.resources))
    if len(need.containers) > 1:
        table.add_row("all that keep running", *_format_resources(need.running))
    for peak in need.init_peaks:
        if any(each.kind is ContainerKind.SIDECAR for each in need.containers):
            table.add_row(f"{peak.name} and the sidecars before it", *_format_resources(peak.resources))
    if need.pod_cpu_millis is not None or need.pod_memory_mib is not None:
        cpu = "" if need.pod_cpu_millis is None else f"{need.pod_cpu_millis}m"
        memory = "" if need.pod_memory_mib is None else f"{need.pod_memory_mib}Mi"
        table.add_row("the pod as a whole (spec.resources)", cpu, memory)
    compared = need.init_peaks or need.pod_cpu_millis is not None or need.pod_memory_mib is not None
    table.add_row("needed: the largest of each" if compared else "needed", *_format_resources(need.total))
    components = f"with {COMPONENTS_MEMORY_MIB} MiB for Kubernetes"
    table.add_row(components, f"{need.total.cpu_millis}m", f"{need.memory_with_components_mib}Mi", style="bold")
    return table


def describe_size(explanation: Explanation) -> Iterator[str]:
    """The row that the need comes to."""
    match explanation.decision:
        case Sandboxed(size=size) | Unsupported(size=size) if size:
            row = size.row
            memory = f"{row.memory_mib}Mi"
            yield f"The smallest of Fargate's sizes that holds this is {row} ({row.cpu_millis}m, {memory})."
        case _:
            yield "No size of Fargate's holds this."
    if explanation.storage_gib is not None:
        yield f"Its ephemeral storage is {explanation.storage_gib} GiB."


def describe_groups(answer: GroupsAnswer, profile: str) -> Iterator[str]:
    """Which security groups the pod has, and what decided that."""
    if answer.groups is None:
        yield f"Its creation is refused: {answer.refusal}."
        return
    names = ", ".join(answer.groups.names) or "none, so all its traffic is denied"
    match answer.groups.source:
        case GroupSource.SECURITY_GROUP_POLICY:
            plural = "y" if len(answer.groups.origin) == 1 else "ies"
            yield f"{names}: by SecurityGroupPolic{plural} {', '.join(answer.groups.origin)}."
        case GroupSource.ANNOTATION:
            yield f"{names}: by its annotation {GROUPS_ANNOTATION}."
        case GroupSource.PROFILE:
            yield f"{names}: by profile {profile}."
        case GroupSource.DEFAULT:
            yield f"{names}: the default, as nothing names others."
            yield "NetworkPolicies of its namespace that select it decide alone in the directions that they are about."
    if answer.unknown_account:
        account = f"the labels of its ServiceAccount {answer.unknown_account}, which isn't known"
        yield f"SecurityGroupPolicies ask for {account}: it would wait until it is."


def describe_spot(terms: SpotTerms) -> Iterator[str]:
    """What it means to run on Spot, and what changes for it."""
    yield f"It may be interrupted at any time, with {terms.grace_seconds} seconds between SIGTERM and SIGKILL."
    yield from (f"Its {change}." for change in terms.describe_changes())


def describe_needs(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """What else is settled about the pod, or has to be there before it can start, each with a title."""
    if explanation.groups and explanation.winner:
        yield "Security groups", "\n  ".join(describe_groups(explanation.groups, explanation.winner.name))
    match explanation.decision:
        case Sandboxed(profile=profile) if profile.zones:
            yield "Zones", f"It runs on nodes in {' or '.join(profile.zones)}."
        case _:
            pass
    if explanation.spot:
        yield "Spot", "\n  ".join(describe_spot(explanation.spot))
    if explanation.node_selector:
        labels = ", ".join(f"{key}={value}" for key, value in explanation.node_selector.items())
        yield "Nodes", f"It runs only on nodes with the labels {labels}."
    if explanation.claims:
        claims = ", ".join(explanation.claims)
        yield (
            "Persistent volume claims",
            f"It waits until they are bound to file systems that Fargate mounts: {claims}.",
        )
    for note in explanation.notes:
        yield "Note", note


def _format_resources(resources: Resources) -> tuple[str, str, str]:
    storage = f"{resources.storage_mib}Mi" if resources.storage_mib else ""
    return f"{resources.cpu_millis}m", f"{resources.memory_mib}Mi", storage
