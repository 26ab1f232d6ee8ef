"""The ways in which a command fails: one sentence on stderr and an exit status that scripts can tell apart."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import click

from monopod.kube.client.api import ApiError, ApiUnreachable, ServerTrouble, Unconfigured
from monopod.kube.objects.text import to_line

UNWRITABLE: Final = 2
"""The exit status where the output can't be written."""


def drop_output() -> None:
    """Has what is left of the output go nowhere, where Python would complain at its end that it can't be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class UnreadableInput(click.ClickException):
    """What the user handed in can't be read or isn't what the command needs."""

    exit_code = 2


class ApiFailure(click.ClickException):
    """The cluster can't be reached, refused the request, or hasn't what the command is about."""

    exit_code = 1


class Missing(ApiFailure):
    """What the command is about isn't there, or is going. Asking again would hear the same."""


class NoCluster(click.ClickException):
    """The same, for a command whose status 1 says something about the cluster."""

    exit_code = 2


@contextmanager
def told_as(kind: type[click.ClickException]) -> Iterator[None]:
    """What the API server or the way to it raises becomes an error of this kind, which click tells and ends with."""
    try:
        yield
    except ApiFailure as failure:
        if isinstance(failure, kind):
            raise
        raise kind(failure.message) from None
    except (ApiError, ApiUnreachable, Unconfigured) as failure:
        raise kind(describe(failure)) from None


def describe(failure: ApiError | ApiUnreachable | Unconfigured | ApiFailure) -> str:
    """What went wrong, as sentences that say what to do about it."""
    match failure:
        case ApiFailure():
            return failure.message
        case ApiError() | ServerTrouble():
            return " ".join(filter(None, (describe_refusal(failure), _advise(failure))))
        case ApiUnreachable():
            return f"{to_line(failure)} {_advise_on_connection(failure.__cause__)}"
        case Unconfigured():
            return f"{to_line(failure)} --kubeconfig FILE and --context NAME name another."


def describe_refusal(failure: ApiError | ServerTrouble) -> str:
    """The same without what to do, where something else says it."""
    return f"The API server refused: {describe_answer(failure)}"


def describe_answer(failure: ApiError | ServerTrouble) -> str:
    """What the API server says, on one line."""
    return to_line(failure.message)


def _advise(failure: ApiError | ServerTrouble) -> str:
    if isinstance(failure, ServerTrouble):
        return "Try again in a moment."
    if failure.status == HTTPStatus.UNAUTHORIZED:
        return "Log in again, so that the kubeconfig's credentials are valid, or name another context with --context."
    if failure.is_unserved:
        return "The cluster doesn't serve this; `kubectl fargate doctor` says what it lacks."
    if failure.status == HTTPStatus.FORBIDDEN and failure.reason:
        return "`kubectl auth can-i --list` shows your rights."
    return ""


def _advise_on_connection(cause: BaseException | None) -> str:
    import urllib3

    match cause:
        case urllib3.exceptions.SSLError():
            return "See that the kubeconfig has this cluster's certificate-authority-data, and the server's own name."
        # A connection that is refused counts as a kind of timeout there.
        case urllib3.exceptions.TimeoutError() if not isinstance(cause, urllib3.exceptions.NewConnectionError):
            return "See that the network lets you through: a VPN, a firewall, a proxy."
        case _:
            return "See that the kubeconfig names the right server, and that it runs."
