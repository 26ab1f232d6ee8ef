"""A cluster full of profiles, for the benchmark and the tests: 1,000 of them, 1,000 namespaces, 300 on one of these."""

from typing import Any

from monopod.api.names import API_VERSION

Object = dict[str, Any]

PROFILES = 1000
NAMESPACES = 1000
CROWD = "crowd"
"""The namespace that 300 profiles of its own share."""
CROWDED = 300
TEAMS = 50
EVERYWHERE = 20
"""Profiles that reach every namespace."""


def build_namespaces() -> list[str]:
    """The names: CROWD, and those of teams, such as `team-07-0107`."""
    return [CROWD, *(_name_namespace(number) for number in range(NAMESPACES - 1))]


def build_profiles() -> list[Object]:
    """Profiles of all sorts: for one namespace, for a few, for a team's and for all; by values, patterns and keys."""
    return [build_profile(number) for number in range(PROFILES)]


def build_profile(number: int) -> Object:
    """One of them; those that reach every namespace go by the label `job`, the others by `app` (see `name_app`)."""
    if number < CROWDED:
        labels = {"app": name_app(number), "tier": "we?"}
        if number % 3 == 0:
            labels["cost-*"] = f"c{number}"
        selectors = [{"namespace": CROWD, "labels": labels}]
    elif number < CROWDED + EVERYWHERE:
        selectors = [{"namespace": "*", "labels": {"job": name_app(number)}}]
    elif number < CROWDED + EVERYWHERE + 2 * TEAMS:
        selectors = [{"namespace": f"team-{number % TEAMS:02}-*", "labels": {"app": f"{name_app(number)}*"}}]
    else:
        places = [_name_namespace((number * 7 + step) % (NAMESPACES - 1)) for step in range(3)]
        selectors = [{"namespace": place, "labels": {"app": name_app(number)}} for place in places]
    metadata = {"name": f"profile-{number:04}"}
    return {"apiVersion": API_VERSION, "kind": "FargateProfile", "metadata": metadata, "spec": {"selectors": selectors}}


def name_app(number: int) -> str:
    """The label's value of a profile's pods."""
    return f"app-{number:04}"


def _name_namespace(number: int) -> str:
    return f"team-{number % TEAMS:02}-{number:04}"
