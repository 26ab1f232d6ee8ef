"""Runs a command of hack/'s: what goes wrong with a cluster is said in its own words, without a traceback."""

import sys

import click

from lab.progress import say
from lab.services import NotReady
from lab.shell import CommandFailed


def run_command(command: click.Command, name: str) -> None:
    """Runs a click command under its script's name; exits with 1 if a cluster or a program failed it."""
    try:
        command(prog_name=name)
    except (CommandFailed, NotReady) as error:
        say(f"{name}: {error}")
        sys.exit(1)
