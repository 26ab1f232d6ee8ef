"""CEL's rules are compiled before the first test: on a busy machine that takes longer than a unit test may take."""

from monopod.cli.input.schema.kinds import find_faults, find_kind
from tests.controlplane.api.test_profile_validation import ACCEPTED_PROFILES

for _profile in ACCEPTED_PROFILES.values():
    _kind = find_kind(_profile)
    assert _kind is not None
    find_faults(_profile, _kind)
