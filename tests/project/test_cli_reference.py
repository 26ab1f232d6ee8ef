"""The reference of the command line names every command, option and word that scripts meet."""

import re

import click
import pytest

from monopod.cli.commands import fargate
from monopod.cli.doctor.diagnosis import Check, Level
from monopod.cli.explain.explanation import Outcome
from monopod.cli.interrupt.command import Outcome as Interruption
from monopod.cli.isolation.findings import GroupState, Identity
from monopod.cli.plan.forecast import Fate
from monopod.cli.rollout.state import State
from monopod.pods.rules.exemptions import Skip
from monopod.pods.rules.selection import LabelDiffers, LabelMissing, NamespaceDiffers, NamespaceProtected
from monopod.tasks.rules.rule import Effect
from tests.project.repository import ROOT

REFERENCE = (ROOT / "docs/reference/cli.md").read_text()
OPTIONS = {
    f"{name} {option}"
    for name, command in fargate.commands.items()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in parameter.opts
}
FACTS = (NamespaceDiffers, NamespaceProtected, LabelMissing, LabelDiffers)
WORDS = dict.fromkeys(
    [
        *Skip,
        *Outcome,
        *Check,
        *Level,
        *GroupState,
        *Identity,
        *State,
        *Fate,
        *Effect,
        *Interruption,
        *(fact.__name__ for fact in FACTS),
    ]
)


@pytest.mark.parametrize("command", fargate.commands)
def test_every_command_has_a_section(command: str) -> None:
    assert f"\n## kubectl fargate {command}\n" in REFERENCE


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_every_option_is_in_the_table_of_its_command(option: str) -> None:
    command, flag = option.split()
    section = REFERENCE.split(f"\n## kubectl fargate {command}\n")[1].split("\n## ")[0]
    assert re.search(rf"^\|.*`{flag}`", section, re.MULTILINE)


@pytest.mark.parametrize("word", [str(word) for word in WORDS])
def test_every_word_of_the_json_output_is_explained(word: str) -> None:
    assert f"| `{word}` |" in REFERENCE
