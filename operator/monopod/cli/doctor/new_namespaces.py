"""What `doctor` says of namespaces to come: whether the API server marks one that a profile reaches when it is created.

The mark makes the first pods of a new namespace sandboxed, before the operator has seen it. A policy writes it from the
parameters that it is bound to. An API server (seen with 1.36.3) that has seen all bindings of Monopod's policies go,
and come again, may find no parameters any more until it is restarted, and then marks nothing. No object tells that; a
dry run of a namespace does, and creates none.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from monopod.api.names import KUBE_SYSTEM, NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, NewNamespace, Unread, read_profiles, unread
from monopod.cli.failure import describe_refusal
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, ServerTrouble
from monopod.kube.objects.names import is_dns_label
from monopod.kube.objects.resources import NAMESPACES
from monopod.pods.rules.selection import is_wildcard, matches_pattern

_MOST: Final = 5
"""Names that are tried: of one that exists already a dry run tells nothing."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reached:
    """The name of a namespace that there may not be yet, and the profile that reaches it."""

    name: str
    profile: str


def try_new_namespace(cluster: Cluster, facts: Facts) -> NewNamespace | Unread | None:
    """What becomes of a new namespace that an active profile reaches; None if all that they name exist.

    Raises:
        ApiUnreachable: the API server can't be reached.
    """
    for reached in islice(find_reached(facts, lambda: secrets.token_hex(3)), _MOST):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": reached.name}}
        try:
            created = cluster.create(NAMESPACES.list_path(), namespace, dry_run=True)
        except ApiError as error:
            if error.status == HTTPStatus.CONFLICT:
                continue
            if error.causes:  # a policy's refusal has one, that of RBAC has none
                return NewNamespace(reached.name, reached.profile, refusal=error.causes[0].message)
            return Unread(describe_refusal(error))
        except ServerTrouble as trouble:
            return Unread(describe_refusal(trouble))
        labels = created["metadata"].get("labels") or {}
        return NewNamespace(reached.name, reached.profile, labels.get(NAMESPACE_LABEL) == NAMESPACE_LABEL_VALUE)
    return None


def find_reached(facts: Facts, make_word: Callable[[], str]) -> Iterator[Reached]:
    """Names that active profiles reach: first those made for a wildcard, which no one else has."""
    active = set[str]()
    for resource in () if isinstance(facts.profiles, Unread) else facts.profiles:
        is_active = (resource.get("status") or {}).get("phase") == "ACTIVE"
        if is_active and "deletionTimestamp" not in resource["metadata"]:
            active.add(resource["metadata"]["name"])
    patterns = [
        (selector.namespace, profile.name)
        for profile in read_profiles(facts)
        if profile.name in active
        for selector in profile.selectors
    ]
    for pattern, profile in sorted(patterns, key=lambda each: not is_wildcard(each[0])):
        name = pattern.replace("*", f"doctor-{make_word()}").replace("?", "x")
        if is_dns_label(name) and name not in (KUBE_SYSTEM, facts.namespace) and matches_pattern(pattern, name):
            yield Reached(name, profile)


def check_new_namespaces(facts: Facts) -> Iterator[Finding]:
    """Whether the first pods of a new namespace would be sandboxed."""
    check = Check.NEW_NAMESPACES
    match facts.new_namespace:
        case None:
            return
        case Unread() as fact:
            yield unread(check, "Whether new namespaces are marked", fact)
        case NewNamespace(is_marked=True) as tried:
            message = f"New namespaces that profiles reach are marked: a dry run of {tried.name} was ({tried.profile})."
            yield Finding(check, Level.OK, message)
        case NewNamespace() as tried:
            what = f"was refused: {tried.refusal}" if tried.refusal else "came back without its mark."
            message = (
                f"A dry run of namespace {tried.name}, which profile {tried.profile} reaches, {what} The first pods of "
                "such a namespace run unsandboxed, or it can't be created."
            )
            action = (
                "If the check AdmissionPolicies finds nothing, restart kube-apiserver: one that has seen all bindings "
                "of Monopod's policies deleted may have lost their parameters."
            )
            yield Finding(check, Level.PROBLEM, message, action)
