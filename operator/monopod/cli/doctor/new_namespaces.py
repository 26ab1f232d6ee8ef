"""What `doctor` says of namespaces to come: whether the API server marks one that a profile reaches when it is created.

The mark makes the first pods of a new namespace sandboxed, before the operator has seen it. A policy writes it, and the
compiled selectors with it, from a ConfigMap, its parameter. An API server of Kubernetes 1.36 that has seen these
policies go, and come again, follows no ConfigMap until it is restarted (kubernetes/kubernetes#133827), and then marks
nothing. No object tells that; a dry run of a namespace does, and creates none. Where profiles name no namespace that
could be tried, one with a forged mark is, which the policy has to take away.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from monopod.api.names import (
    KUBE_SYSTEM,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    PATTERNS_CONFIGMAP,
    SELECTORS_ANNOTATION,
)
from monopod.cli.doctor.diagnosis import (
    Check,
    Facts,
    Finding,
    Level,
    NewNamespace,
    Unread,
    list_missing_policies,
    read_profiles,
    unread,
)
from monopod.cli.failure import describe_refusal
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, ServerTrouble
from monopod.kube.objects.names import is_dns_label
from monopod.kube.objects.resources import NAMESPACES
from monopod.pods.rules.selection import is_wildcard, matches_pattern
from monopod.selectors.compile import compile_profile, has_selector_of

_MOST: Final = 5
"""Names that are tried: of one that exists already a dry run tells nothing."""

_MARK: Final = {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE}
_ISSUE: Final = "https://github.com/kubernetes/kubernetes/issues/133827"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reached:
    """The name of a namespace that there may not be yet, and the profile that reaches it; "" if none is to."""

    name: str
    profile: str


def try_new_namespace(cluster: Cluster, facts: Facts) -> NewNamespace | Unread | None:
    """What becomes of a new namespace; None without Monopod's policies, of which another check tells.

    Raises:
        ApiUnreachable: the API server can't be reached.
    """
    if list_missing_policies(facts):
        return None
    reached_first = islice(find_reached(facts, lambda: secrets.token_hex(3)), _MOST)
    for reached in (*reached_first, Reached(f"monopod-doctor-{secrets.token_hex(3)}", "")):
        metadata = {"name": reached.name, "labels": {} if reached.profile else _MARK}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
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
        return NewNamespace(reached.name, reached.profile, _is_right(created["metadata"], reached.profile))
    return None


def _is_right(metadata: Json, profile: str) -> bool:
    """Whether mark and selectors are those that the policies write."""
    is_marked = (metadata.get("labels") or {}).get(NAMESPACE_LABEL) == NAMESPACE_LABEL_VALUE
    selectors = (metadata.get("annotations") or {}).get(SELECTORS_ANNOTATION, "")
    return is_marked and has_selector_of(selectors, profile) if profile else is_marked == bool(selectors)


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
        for selector in compile_profile(profile)
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
        case NewNamespace(is_right=True) as tried:
            message = (
                f"New namespaces that profiles reach are marked: a dry run of {tried.name} was ({tried.profile})."
                if tried.profile
                else f"New namespaces are looked at: a dry run of {tried.name} lost the mark that it must not have."
            )
            yield Finding(check, Level.OK, message)
        case NewNamespace() as tried:
            about = f"which profile {tried.profile} reaches" if tried.profile else "with a mark that it must not have"
            what = "came back without the profile's mark and selectors." if tried.profile else "kept it."
            message = (
                f"A dry run of namespace {tried.name}, {about}, "
                f"{f'was refused: {tried.refusal}' if tried.refusal else what} The first pods of new namespaces that "
                "profiles reach run unsandboxed, or these can't be created."
            )
            action = (
                "If the check AdmissionPolicies finds nothing, and there is a ConfigMap "
                f"{PATTERNS_CONFIGMAP} in namespace {facts.namespace}, restart the API servers: one of Kubernetes "
                f"1.36 that lost Monopod's policies, as by an uninstallation, follows no ConfigMap since ({_ISSUE})."
            )
            yield Finding(check, Level.PROBLEM, message, action)
