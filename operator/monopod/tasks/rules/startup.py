"""What containers wait for, how their health is checked, when they are restarted, and how they stop.

Source: ECS developer guide, container dependency, health check, timeouts and restart policies.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from monopod.tasks.rules.rule import Finding, note, refused, refused_untold
from monopod.tasks.rules.view import View, show

DEPENDENCY_UNKNOWN = refused(
    "DependencyUnknown",
    "Cannot depend on container + '{name}' because it does not exist",
    "Name a container of this task definition.",
)
DEPENDENCY_ESSENTIAL = refused(
    "DependencyEssential",
    "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
    'Write "essential": false at {name}: an essential container that ends is the end of the task.',
)
DEPENDENCY_WITHOUT_HEALTH_CHECK = refused(
    "DependencyWithoutHealthCheck",
    "A dependency container with HEALTHY condition must have health check configured",
    "Add a healthCheck to {name}, or wait for START.",
)
HEALTH_COMMAND_INVALID = refused_untold(
    "HealthCommandInvalid",
    "A health check's command begins with CMD or CMD-SHELL and goes on with what is run, or is NONE.",
    'Write ["CMD-SHELL", "curl -f http://localhost/ || exit 1"].',
)
HEALTH_TOO_LARGE = refused(
    "HealthCheckTooLarge",
    "Health check {field} must be less than or equal to the maximum allowed value {most}",
    "Lower it, or leave it out.",
)
HEALTH_TOO_SMALL = refused_untold(
    "HealthCheckTooSmall", "A health check's {field} is from {least} to {most}.", "Raise it, or leave it out."
)
START_TIMEOUT_TOO_SHORT = refused(
    "StartTimeoutTooShort",
    "Granular start timeout on container '{name}' must be at least 2 seconds.",
    "Raise startTimeout, or leave it out.",
)
STOP_TIMEOUT_TOO_SHORT = refused(
    "StopTimeoutTooShort",
    "Granular stop timeout on container '{name}' must be at least 2 seconds.",
    "Raise stopTimeout, or leave it out: the default is 30.",
)
STOP_TIMEOUT_TOO_LONG = refused(
    "StopTimeoutTooLong",
    "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds.",
    "Write at most 120.",
)
RESTART_PERIOD_OUT_OF_RANGE = refused(
    "RestartPeriodOutOfRange",
    "the 'restartAttemptPeriod' setting for container '{name}' must be between 60 and 1800",
    "Correct it, or leave it out: the default is 300.",
)
EXIT_CODES_INVALID = refused_untold(
    "IgnoredExitCodesInvalid", "A restart policy ignores at most 50 exit codes, from 0 to 255.", "Correct them."
)

COMPLETE_MUST_SUCCEED = note(
    "CompleteMustSucceed",
    "A container that others wait for by COMPLETE is an init container of the pod: if it fails, the task ends.",
    "Have {name} exit with 0 where its failure doesn't matter.",
)
RESTARTS_AT_ONCE = note(
    "RestartsAtOnce",
    "Containers are restarted by the kubelet: at once, then at growing intervals, whatever restartAttemptPeriod says.",
    "Leave it out.",
)
STOP_TIMEOUTS_DIFFER = note(
    "StopTimeoutsDiffer",
    "A pod's containers have one time to stop, the longest: {longest} s.",
    "Nothing to do, unless a container must be killed earlier than that.",
)

DEFAULT_STOP_TIMEOUT: Final = 30
_LONGEST_STOP: Final = 120
_SHORTEST: Final = 2
_HEALTH: Final = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
_MOST_CODES: Final = 50
_LARGEST_CODE: Final = 255


def check_startup(container: View, root: View) -> Iterator[Finding]:
    """One container's health check, timeouts, restart policy and dependencies."""
    by_name = _index(root)
    for dependency in container.children("dependsOn"):
        yield from _check_dependency(dependency, by_name)
    yield from _check_health(container.child("healthCheck"))
    yield from _check_timeouts(container)
    yield from _check_restarts(container)


def _index(root: View) -> Mapping[str, View]:
    return {each.text("name") or "": each for each in root.children("containerDefinitions")}


def _check_dependency(dependency: View, by_name: Mapping[str, View]) -> Iterator[Finding]:
    name, condition = dependency.text("containerName"), dependency.text("condition")
    if name is None:
        return
    target = by_name.get(name)
    if target is None:
        yield DEPENDENCY_UNKNOWN.at(dependency.path_of("containerName"), name=show(name))
        return
    path = dependency.path_of("condition")
    if condition in ("SUCCESS", "COMPLETE") and target.fields.get("essential") is not False:
        yield DEPENDENCY_ESSENTIAL.at(path, name=show(name))
    elif condition == "COMPLETE":
        yield COMPLETE_MUST_SUCCEED.at(path, name=show(name))
    elif condition == "HEALTHY" and not target.has("healthCheck"):
        yield DEPENDENCY_WITHOUT_HEALTH_CHECK.at(path, name=show(name))


def _check_health(check: View) -> Iterator[Finding]:
    command = check.fields.get("command")
    if isinstance(command, list):
        shell, rest = (command[0], command[1:]) if command else (None, [])
        if shell not in ("CMD", "CMD-SHELL", "NONE") or bool(rest) == (shell == "NONE"):
            yield HEALTH_COMMAND_INVALID.at(check.path_of("command"))
    for key, (least, most) in _HEALTH.items():
        number = check.number(key)
        if number is not None and number > most:
            yield HEALTH_TOO_LARGE.at(check.path_of(key), field=key, most=most)
        elif number is not None and number < least:
            yield HEALTH_TOO_SMALL.at(check.path_of(key), field=key, least=least, most=most)


def _check_timeouts(container: View) -> Iterator[Finding]:
    name = show(container.text("name") or "")
    start, stop = container.number("startTimeout"), container.number("stopTimeout")
    if start is not None and start < _SHORTEST:
        yield START_TIMEOUT_TOO_SHORT.at(container.path_of("startTimeout"), name=name)
    if stop is not None and stop < _SHORTEST:
        yield STOP_TIMEOUT_TOO_SHORT.at(container.path_of("stopTimeout"), name=name)
    elif stop is not None and stop > _LONGEST_STOP:
        yield STOP_TIMEOUT_TOO_LONG.at(container.path_of("stopTimeout"))


def _check_restarts(container: View) -> Iterator[Finding]:
    policy = container.child("restartPolicy")
    period, codes = policy.number("restartAttemptPeriod"), policy.numbers("ignoredExitCodes")
    if period is not None and not 60 <= period <= 1800:
        yield RESTART_PERIOD_OUT_OF_RANGE.at(
            policy.path_of("restartAttemptPeriod"), name=show(container.text("name") or "")
        )
    elif period is not None:
        yield RESTARTS_AT_ONCE.at(policy.path_of("restartAttemptPeriod"))
    if len(codes) > _MOST_CODES or any(not 0 <= code <= _LARGEST_CODE for _, code in codes):
        yield EXIT_CODES_INVALID.at(policy.path_of("ignoredExitCodes"))


def check_stop_timeouts(root: View) -> Iterator[Finding]:
    """The time that the containers have to stop."""
    timeouts = [each.number("stopTimeout") or DEFAULT_STOP_TIMEOUT for each in root.children("containerDefinitions")]
    if len(set(timeouts)) > 1:
        yield STOP_TIMEOUTS_DIFFER.at("containerDefinitions", longest=max(timeouts))
