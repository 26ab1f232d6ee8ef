import datetime
from typing import Any

import pytest

from monopod.aws.wire.codec.fitting import fit_members
from monopod.aws.wire.models import load_model

TASK = load_model("ecs").operations["DescribeTasks"].output.members["tasks"].member


@pytest.mark.parametrize(
    ("content", "fitted"),
    [
        ({"version": 3, "cpu": "256"}, {"version": 3, "cpu": "256"}),
        ({"version": True}, {}),
        ({"version": "3"}, {}),
        ({"version": 2**63}, {}),
        ({"cpu": 256}, {}),
        ({"enableExecuteCommand": "yes"}, {}),
        ({"enableExecuteCommand": False}, {"enableExecuteCommand": False}),
        ({"nobody": "knows"}, {}),
        ({"containers": {"name": "app"}}, {}),
        (
            {"containers": ["app", None, {"name": "app", "exitCode": 0, "id": "x"}]},
            {"containers": [{"name": "app", "exitCode": 0}]},
        ),
        ({"overrides": {"ephemeralStorage": []}}, {"overrides": {}}),
        ({"startedAt": "yesterday"}, {}),
        ({"startedAt": None}, {}),
    ],
)
def test_what_the_shape_has_not_is_left_out(content: dict[str, Any], fitted: dict[str, Any]) -> None:
    assert fit_members(TASK, content) == fitted


@pytest.mark.parametrize("text", ["2026-11-29T05:00:00Z", "2026-11-29T05:00:00", "2026-11-29T06:00:00+01:00"])
def test_times_are_read(text: str) -> None:
    moment = datetime.datetime(2026, 11, 29, 5, tzinfo=datetime.UTC)
    assert fit_members(TASK, {"startedAt": text}) == {"startedAt": moment}
