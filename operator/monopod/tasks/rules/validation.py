"""All that Fargate and Monopod object to in a task definition, at once."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from monopod.tasks.rules import environment, order, sizes, startup, task
from monopod.tasks.rules.checks import containers, linux, logs, network, volumes
from monopod.tasks.rules.form import parameters
from monopod.tasks.rules.rule import Finding, Rule
from monopod.tasks.rules.view import View

_MODULES: Final = (parameters, task, sizes, containers, network, linux, logs, startup, order, environment, volumes)

RULES: Final = tuple(each for module in _MODULES for each in vars(module).values() if isinstance(each, Rule))
"""Every rule, by subject."""


MOST_FINDINGS: Final = 1000
_MOST_JUDGED: Final = 10 * containers.MOST_CONTAINERS
"""Of containers. Where there are more, they aren't looked at one by one: whoever sent it may mean to exhaust us."""


def validate(definition: Mapping[str, Any]) -> tuple[Finding, ...]:
    """All findings: of the form, of the task, then container by container, then of the volumes.

    Any JSON will do: what is of the wrong type is found as such, and is as good as absent for all else.
    """
    # Once each: that containers need an execution role is found at every one of them, and its path is the task's.
    return tuple(dict.fromkeys(islice(_find_all(View(definition)), MOST_FINDINGS)))


def _find_all(root: View) -> Iterator[Finding]:
    found = root.children("containerDefinitions")
    yield from parameters.check_parameters(root)
    yield from task.check_task(root)
    yield from sizes.check_size(root)
    yield from sizes.check_sums(root)
    yield from containers.check_all(root)
    yield from network.check_ports(root)
    yield from startup.check_stop_timeouts(root)
    yield from linux.check_system_controls(root)
    if len(found) <= _MOST_JUDGED:
        yield from order.check_order(root)
        for container in found:
            yield from _check_container(container, root)
    yield from volumes.check_volumes(root)


def _check_container(container: View, root: View) -> Iterator[Finding]:
    yield from containers.check_container(container, root)
    yield from sizes.check_container_amounts(container, root)
    yield from network.check_network(container)
    yield from linux.check_linux(container)
    yield from logs.check_logs(container, root)
    yield from startup.check_startup(container, root)
    yield from environment.check_environment(container, root)
    yield from volumes.check_mounts(container, root)
