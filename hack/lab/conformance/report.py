"""Compares two runs of Kubernetes' conformance tests, without a profile and with one, by what was expected.

The expected differences stand in conformance.yaml, each class with a reason.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

EXPECTED = Path(__file__).with_name("conformance.yaml")


@dataclass(frozen=True)
class SpecClass:
    """Specs that have something in common.

    Attributes:
        name: A word or two.
        reason: Why they fail with a profile, or aren't run.
        specs: Regular expressions of their names.
    """

    name: str
    reason: str
    specs: tuple[str, ...]

    def holds(self, spec: str) -> bool:
        """Tells whether a spec is one of them."""
        return any(re.search(pattern, spec) for pattern in self.specs)


@dataclass(frozen=True)
class Expectations:
    """What conformance.yaml says."""

    differences: tuple[SpecClass, ...]
    not_run: tuple[SpecClass, ...]


@dataclass(frozen=True)
class Comparison:
    """What two runs of the same specs gave.

    Attributes:
        specs: The number of specs that ran both times.
        passed_without: How many of them passed without a profile.
        passed_with: How many passed with one.
        expected: By class, those that only fail with a profile, as expected.
        unexpected: The others that only fail with a profile, and what they said.
        only_with: Those that only pass with a profile; most often a test that depends on timing.
        run_once: Those that ran one time only.
    """

    specs: int
    passed_without: int
    passed_with: int
    expected: Mapping[SpecClass, Sequence[str]]
    unexpected: Mapping[str, str]
    only_with: Sequence[str]
    run_once: Sequence[str]

    @property
    def as_expected(self) -> bool:
        """Whether specs ran, the same ones both times, and only those differ that may."""
        return bool(self.specs) and not self.unexpected and not self.run_once


def read_expectations(path: Path = EXPECTED) -> Expectations:
    """Reads the classes of specs that are expected to fail with a profile, and of those that aren't run."""
    raw = yaml.safe_load(path.read_text())
    return Expectations(tuple(_read_classes(raw["differences"])), tuple(_read_classes(raw["notRun"])))


def _read_classes(raw: Iterable[Mapping[str, Any]]) -> Iterator[SpecClass]:
    for each in raw:
        yield SpecClass(each["class"], each["reason"], tuple(each["specs"]))


def compare(without: Mapping[str, str], ours: Mapping[str, str], expected: Sequence[SpecClass]) -> Comparison:
    """Compares the runs.

    Args:
        without: Name and failure of each spec that ran without a profile; a failure of "" is a success.
        ours: The same, with a profile.
        expected: The classes of specs that are expected to fail with a profile; the first that holds a spec counts.
    """
    both = sorted(without.keys() & ours.keys())
    lost = {spec: ours[spec] for spec in both if ours[spec] and not without[spec]}
    classes = {spec: next((each for each in expected if each.holds(spec)), None) for spec in lost}
    return Comparison(
        specs=len(both),
        passed_without=sum(not without[spec] for spec in both),
        passed_with=sum(not ours[spec] for spec in both),
        expected={
            each: [spec for spec in lost if classes[spec] == each] for each in dict.fromkeys(classes.values()) if each
        },
        unexpected={spec: said for spec, said in lost.items() if classes[spec] is None},
        only_with=[spec for spec in both if without[spec] and not ours[spec]],
        run_once=sorted(without.keys() ^ ours.keys()),
    )


def render_comparison(comparison: Comparison) -> str:
    """What `make test-conformance` prints."""
    return "\n".join(_render_lines(comparison)) + "\n"


def _render_lines(found: Comparison) -> Iterator[str]:
    yield f"{found.specs} specs: {found.passed_without} passed without a profile, {found.passed_with} with one."
    for each, specs in found.expected.items():
        yield f"\nExpected to fail with a profile: {each.name} ({len(specs)}). {each.reason}"
        yield from (f"  {spec}" for spec in specs)
    if found.unexpected:
        yield f"\nUNEXPECTED: {len(found.unexpected)} fail only with a profile."
        yield from (f"  {spec}\n    {said.strip().splitlines()[0]}" for spec, said in found.unexpected.items())
    if found.only_with:
        yield "\nPassed only with a profile:"
        yield from (f"  {spec}" for spec in found.only_with)
    if found.run_once:
        yield "\nRan only once:"
        yield from (f"  {spec}" for spec in found.run_once)
