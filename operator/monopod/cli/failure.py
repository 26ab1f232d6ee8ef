"""The ways in which a command fails: one sentence on stderr and an exit status that scripts can tell apart."""

import click


class UnreadableInput(click.ClickException):
    """What the user handed in can't be read or isn't what the command needs."""

    exit_code = 2


class ApiFailure(click.ClickException):
    """The cluster can't be reached or refused the request."""

    exit_code = 1


class NoCluster(click.ClickException):
    """The same, for a command whose status 1 says something about the cluster."""

    exit_code = 2
