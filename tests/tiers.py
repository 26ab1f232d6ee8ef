"""Pytest plugin: every test belongs to the tier whose folder it is in, and a unit test that takes two minutes hangs."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TIERS = ("unit", "controlplane", "e2e", "chart", "project")
PARTS = {"attack": "controlplane"}
"""Folders beside the tiers' own, each with the tier that it is part of."""
UNIT_TIMEOUT_SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        folder = item.path.relative_to(TESTS).parts[0]
        tier = PARTS.get(folder, folder)
        if tier in TIERS:
            item.add_marker(tier)
        if tier == "unit" and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(UNIT_TIMEOUT_SECONDS))
