"""The table of resources says what a real API server serves."""

import pytest

from tests.controlplane.server import Server
from tests.resources import RESOURCES


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_the_api_server_serves_each_resource_as_the_table_has_it(server: Server, kind: str) -> None:
    resource = RESOURCES[kind]
    served = {each["name"]: each for each in server.get(resource.group_path).expect_ok()["resources"]}
    found = served[resource.plural]
    assert (found["kind"], found["namespaced"]) == (kind, resource.namespaced)
    assert {f"{resource.plural}/{each}" for each in resource.subresources} <= served.keys()
