import re

import pytest

from monopod.api import names

KEYS = {name: value for name, value in vars(names).items() if name.endswith(("_LABEL", "_ANNOTATION", "_GATE"))}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_every_mark_is_a_valid_key(key: str) -> None:
    assert re.fullmatch(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9][\w.-]{0,61}[A-Za-z0-9]", key)


def test_labels_of_our_own_are_in_our_group() -> None:
    ours = [value for name, value in KEYS.items() if name.endswith("_LABEL") and not name.startswith("EKS_")]
    assert all(value.startswith(f"{names.GROUP}/") for value in ours)
