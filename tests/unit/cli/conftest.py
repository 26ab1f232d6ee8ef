"""CEL's rules are compiled before the first test: on a busy machine that takes longer than a unit test may take."""

from monopod.cli.input.schema.kinds import compute_faults, get_kind
from tests.controlplane.api.test_profile_validation import ACCEPTED_PROFILES

for _profile in ACCEPTED_PROFILES.values():
    _kind = get_kind(_profile)
    assert _kind is not None
    compute_faults(_profile, _kind)
