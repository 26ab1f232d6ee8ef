"""The ways in which a command fails: one sentence on stderr and an exit status that scripts can tell apart."""

import os
import sys
from typing import Final

import click

UNWRITABLE: Final = 2
"""The exit status where the output can't be written."""


def drop_output() -> None:
    """Has what is left of the output go nowhere, where Python would complain at its end that it can't be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class UnreadableInput(click.ClickException):
    """What the user handed in can't be read or isn't what the command needs."""

    exit_code = 2


class ApiFailure(click.ClickException):
    """The cluster can't be reached or refused the request."""

    exit_code = 1


class NoCluster(click.ClickException):
    """The same, for a command whose status 1 says something about the cluster."""

    exit_code = 2
