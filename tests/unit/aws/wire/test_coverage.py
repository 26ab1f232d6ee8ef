"""Each operation of each service is in the table, once, and what is built is what is answered."""

import pytest

from monopod.aws.exec.sessions import Sessions
from monopod.aws.options import Account
from monopod.aws.process import build_services
from monopod.aws.wire.coverage import State, build_refusal, load_coverage, render
from monopod.aws.wire.models import SERVICES, load_model
from monopod.kube.clock import SYSTEM_CLOCK
from tests.unit.aws.exec.serving import Door
from tests.unit.fake_api import FakeApi


def test_every_operation_of_the_models_is_in_the_table() -> None:
    known = {(service, name) for service in SERVICES for name in load_model(service).operations}
    assert set(load_coverage()) == known


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_refused_is_named(service: str) -> None:
    model = load_model(service)
    for operation in model.operations.values():
        coverage = load_coverage()[service, operation.name]
        if coverage.state is not State.BUILT:
            assert build_refusal(model, operation).message.startswith(f"{operation.name} isn't ")


def test_every_reason_is_a_sentence() -> None:
    assert [each.reason for each in load_coverage().values() if not each.reason.endswith(".")] == []


def test_the_page_has_every_operation() -> None:
    page = render()
    assert all(f"`{name}`" in page for _, name in load_coverage())


def test_what_is_built_is_answered() -> None:
    door = Door(FakeApi())
    sessions = Sessions(lambda caller: door.api, door.start, door.find_key, SYSTEM_CLOCK)
    services = build_services(lambda caller: FakeApi(), Account("111122223333", "us-east-1", "prod"), sessions)
    answered = {(service.name, name) for service in services for name in service.handlers}
    assert answered == {key for key, each in load_coverage().items() if each.state is State.BUILT}
