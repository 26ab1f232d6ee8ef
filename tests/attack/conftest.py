"""One cluster under attack: fake nodes, all controllers, Monopod with its operator, and people with ordinary rights.

The operator runs for the whole session: an attack that needs it stopped or alone stops it and starts it again. Each
test works in namespaces of its own, so that what one attacker breaks is no other's.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attack.people import Person, bind_role, grant
from tests.controlplane.operating.conftest import run_lab
from tests.controlplane.operating.lab import Lab, OperatorProcess, eventually
from tests.controlplane.operating.moving import create_namespace

FAKE_NODES = 2

CreateProfile = Callable[..., str]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The cluster, without an operator."""
    with run_lab("attack", tmp_path_factory.mktemp("attack"), fake_nodes=FAKE_NODES) as lab:
        yield lab


@pytest.fixture(scope="session")
def operator_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attack-operator") / "operator.log"


@pytest.fixture(scope="session")
def operator(lab: Lab, operator_log: Path) -> Iterator[OperatorProcess]:
    """The operator of the session."""
    # With a Lease that a busy machine keeps, also while a test holds the process: if it ended, so would all tests.
    process = OperatorProcess(lab.write_kubeconfig(), operator_log, "--lease-seconds", "120")
    yield process
    process.kill()


@pytest.fixture(scope="session")
def fargate(lab: Lab, operator: OperatorProcess) -> Iterator[str]:
    """A namespace that a profile takes as a whole, for tests that store nothing that another could meet."""
    name = "all-fargate"
    create_namespace(lab, name)
    lab.create_profile(name, name, subnets=["zone-a"])
    lab.becomes_active(name)
    eventually(lambda: lab.namespace_marks(name)[1])
    yield name
    lab.delete_profile(name)


@pytest.fixture
def namespace(lab: Lab) -> str:
    """A namespace that no other test uses; no profile reaches it yet."""
    name = f"attacked-{next(_numbers):03}"  # none of which begins like another: profiles have wildcards
    create_namespace(lab, name)
    return name


@pytest.fixture
def mallory(lab: Lab, namespace: str) -> Person:
    """A tenant: ClusterRole `admin` in the namespace."""
    return bind_role(lab, "mallory", "admin", namespace)


@pytest.fixture(scope="session")
def nina(lab: Lab) -> Person:
    """Somebody who may do anything to namespaces."""
    return grant(lab, "nina", "*", "namespaces")


@pytest.fixture
def oscar(lab: Lab, namespace: str) -> Person:
    """Somebody who may do anything in the namespace."""
    return bind_role(lab, "oscar", "cluster-admin", namespace)


@pytest.fixture
def profiles(lab: Lab, operator: OperatorProcess) -> Iterator[CreateProfile]:
    """Creates profiles, which are deleted at the end; nobody waits for what holds them."""
    created: list[str] = []

    def create(name: str, *namespaces: str, **spec: Any) -> str:
        created.append(name)
        lab.create_profile(name, *namespaces, **spec)
        return name

    yield create
    for name in created:
        lab.delete("FargateProfile", name)
