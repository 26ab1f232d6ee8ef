"""`kubectl fargate lint`: judges manifests and ECS task definitions for a pipeline, without a cluster.

files ──► pods, task definitions, other kinds, problems    (what can't be read doesn't keep the rest from being judged)
pods ──► verdicts: the decision, how many, what they cost
task definitions ──► verdicts: what Fargate refuses, what Monopod can't run, what a task costs
verdicts, problems ──► exit status
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import click

from monopod.cli import autoscalers as autoscaling
from monopod.cli.explain.explanation import build_explanation
from monopod.cli.explain.group_sources import Surroundings, find_in_documents
from monopod.cli.failure import UnreadableInput
from monopod.cli.input.documents import list_files, read_all, read_documents, show
from monopod.cli.input.manifests import Found, Subject, sort_documents
from monopod.cli.input.prices import read_prices
from monopod.cli.input.profiles import get_protected, read_profiles
from monopod.cli.lint.report import LintReport, Verdict
from monopod.cli.lint.tasks import judge_definition
from monopod.kube.objects.fields import InvalidPod
from monopod.pods.rules.decision import Sandboxed
from monopod.pods.rules.selection import Profile
from monopod.pods.rules.storage import provision_gib
from monopod.profiles.rules.overlap import describe_overlap, find_overlaps
from monopod.usage.rules.cliff import compute_cliff, compute_waste
from monopod.usage.rules.price import PriceList

_NO_PROFILES: Final = "There are pods among the files: give --profiles FILE|DIR, by which it is decided where they run."


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be judged, and against what, as the options say."""

    filenames: Sequence[str]
    profiles: str | None = None
    namespace: str = "default"
    sandbox: str | None = None
    region: str = "us-east-1"
    architecture: str = "x86"
    monopod_namespace: str | None = None
    max_waste: int | None = None

    @property
    def protected(self) -> frozenset[str]:
        """The namespaces that no wildcard reaches."""
        return get_protected(self.monopod_namespace)


def lint(question: Question) -> LintReport:
    """Judges every pod, every workload's pods, and every task definition in the files.

    Raises:
        UnreadableInput: the profiles can't be read, or the region or architecture has no prices.
    """
    prices = read_prices(question.region, question.architecture)
    report = LintReport(prices, question.architecture, question.max_waste)
    beside = read_all(question.profiles) if question.profiles else []
    profiles = read_profiles(beside, question.profiles, question.sandbox) if question.profiles else []
    for name, overlap in find_overlaps(profiles, question.protected).items():
        click.echo(f"Note: profile {name}: {describe_overlap(name, overlap)}.", err=True)
    files = list(_read_files(question.filenames, report))
    documents = [*beside, *(document for file in files for document in file.documents)]

    @cache
    def fetch_surroundings(namespace: str) -> Surroundings:
        return find_in_documents(documents, namespace, question.namespace)

    autoscalers = autoscaling.find_in_documents(documents, question.namespace)
    judge = Judge(question, profiles, report.prices, fetch_surroundings, autoscalers)
    for file in files:
        _judge_all(file, judge, report)
    if not report.verdicts and not report.tasks and not report.problems:
        report.problems.append(_describe_nothing(question.filenames, report.others))
    return report


def write(report: LintReport, output: str) -> None:
    """Writes the report to stdout, as `text` or `json`, and the problems to stderr."""
    if output == "json":
        from monopod.cli.lint.output import write_json

        write_json(report)
    elif report.verdicts or report.tasks:
        from monopod.cli.lint.output import write_text

        write_text(report)
    for problem in report.problems:
        click.echo(f"Error: {problem}", err=True)


@dataclass(frozen=True, slots=True)
class File:
    """What a file holds, as documents and sorted."""

    name: str
    documents: Sequence[object]
    found: Found


def _read_files(paths: Sequence[str], report: LintReport) -> Iterator[File]:
    """The files, each once, even where a folder that holds it is named too."""
    names: dict[str, None] = {}
    for path in paths:
        try:
            names |= dict.fromkeys(list_files(path))
        except UnreadableInput as problem:
            report.problems.append(problem.message)
    for name in names:
        try:
            documents = read_documents(name)
            yield File(name, documents, sort_documents(documents, name))
        except UnreadableInput as problem:
            report.problems.append(problem.message)


@dataclass(frozen=True, slots=True)
class Judge:
    """What every pod is judged by."""

    question: Question
    profiles: Sequence[Profile]
    prices: PriceList
    fetch_surroundings: Callable[[str], Surroundings]
    autoscalers: autoscaling.Autoscalers

    def judge(self, file: str, subject: Subject) -> Verdict:
        """Raises InvalidPod if the manifest can't be read, UnreadableInput if a SecurityGroupPolicy can't."""
        namespace = subject.namespace or self.question.namespace
        surroundings, creator = self.fetch_surroundings(namespace), subject.creator
        explanation = build_explanation(
            subject.source,
            subject.pod,
            namespace,
            self.profiles,
            username=creator,
            protected=self.question.protected,
            surroundings=surroundings,
        )
        decision, annotated = explanation.decision, self.autoscalers.annotate(explanation)
        if not isinstance(decision, Sandboxed) or explanation.refusal:
            return Verdict(file, annotated, subject.replicas, None)
        size, capacity = decision.size, decision.profile.capacity_provider
        rates = (self.prices, self.question.architecture, capacity)
        storage = provision_gib(size.need)
        hourly = self.prices.compute_hourly(self.question.architecture, size.row, storage, capacity)
        waste, cliff = compute_waste(size, *rates), compute_cliff(size, *rates)
        return Verdict(file, annotated, subject.replicas, hourly, waste, cliff)


def _judge_all(file: File, judge: Judge, report: LintReport) -> None:
    report.others.update(file.found.others)
    report.problems.extend(file.found.problems)
    report.tasks.extend(judge_definition(file.name, each, judge.prices) for each in file.found.definitions)
    if file.found.subjects and judge.question.profiles is None:
        if _NO_PROFILES not in report.problems:
            report.problems.append(_NO_PROFILES)
        return
    for subject in file.found.subjects:
        try:
            report.verdicts.append(judge.judge(file.name, subject))
        except InvalidPod as problem:
            report.problems.append(f"{show(file.name)}: {subject.describe(problem)}")
        except UnreadableInput as problem:
            if problem.message not in report.problems:
                report.problems.append(problem.message)


def _describe_nothing(filenames: Sequence[str], others: Counter[str]) -> str:
    where = ", ".join(show(name) for name in filenames)
    if not others:
        return f"{where}: there is nothing in it: no Kubernetes object at all."
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
    return f"{where}: no pod and no workload in it, only other kinds: {listed}."
