"""Which of the living profiles are published: those that fit into admission's bounds, and what they get."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from monopod.api.names import PATTERNS_CONFIGMAP
from monopod.pods.rules.selection import Profile
from monopod.profiles.caches import Caches
from monopod.selectors.capacity import Allocation, CapacityRequest, CompiledSelectors, Registration
from monopod.selectors.compile import compile_profile, compute_allocation, match_old_selectors, read_patterns


class Allocator:
    """Remembers the result until a profile, or what is published, changes."""

    def __init__(self, caches: Caches, system_namespace: str, protected: frozenset[str]) -> None:
        self._caches = caches
        self._system_namespace = system_namespace
        self._protected = protected
        self._compiled: dict[Profile, CompiledSelectors] = {}
        self._claims: list[CapacityRequest] = []
        self._allocation = Allocation({}, {})

    def allocate(
        self, profiles: Sequence[Profile], resources: Mapping[str, Mapping[str, Any]], published: Collection[str]
    ) -> Allocation:
        """Gives the profiles their compiled selectors.

        Args:
            profiles: those that would be published if all fitted.
            resources: the profiles as the API server has them.
            published: those that have been published, by what their status says. What the ConfigMap for new namespaces
                holds has been, too.
        """
        data = self._caches.patterns.find(self._system_namespace, PATTERNS_CONFIGMAP) or {}
        lines = read_patterns(data)
        self._compiled = {each: self._compiled.get(each) or compile_profile(each) for each in profiles}
        requests = []
        for profile, compiled in self._compiled.items():
            registration = Registration.from_resource(resources[profile.name])
            old = match_old_selectors(compiled, lines[profile.name]) if profile.name in lines else None
            requests.append(CapacityRequest(registration, compiled, old is not None or profile.name in published, old))
        if requests != self._claims:
            self._claims, self._allocation = requests, compute_allocation(requests, self._protected)
        return self._allocation
