"""Where containers' output goes: log drivers, their options, and FireLens.

Source: ECS developer guide, log configuration and custom log routing.
"""

from collections.abc import Iterator
from typing import Final

from monopod.tasks.rules.rule import Finding, note, refused, unavailable
from monopod.tasks.rules.view import View, show

DRIVER_UNSUPPORTED = refused(
    "LogDriverUnsupported",
    "{driver} is not a valid log driver. Must be one of [awslogs,splunk,awsfirelens]",
    "Use awslogs.",
)
OPTIONS_MISSING = refused(
    "LogOptionsMissing", "Log driver awslogs requires options: {missing}", "Add them to logConfiguration.options."
)
STREAM_PREFIX_MISSING = refused(
    "LogStreamPrefixMissing",
    "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.",
    "Add it: streams are called PREFIX/CONTAINER/TASK.",
)
OPTIONS_UNKNOWN = refused(
    "LogOptionsUnknown",
    "Log driver awslogs disallows options: {unknown}",
    "Remove them; options of FireLens belong to the driver awsfirelens.",
)
ROLE_MISSING = refused(
    "ExecutionRoleMissingForLogs",
    "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
    "Add executionRoleArn.",
)
ROUTER_MISSING = refused(
    "LogRouterMissing",
    "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be specified.",
    "Add a container with firelensConfiguration.",
)
ROUTER_CONFIGURATION_IN_S3 = refused(
    "LogRouterConfigurationInS3",
    "Fargate launch type does not support FirelensConfiguration config file from 's3'",
    "Put the file into the image, and write config-file-type: file.",
)

DRIVER_UNAVAILABLE = unavailable(
    "LogDriverUnavailable",
    "Monopod has no log driver {driver}.",
    "Use awslogs: logs are then served from the containers' own.",
)
SECRET_OPTIONS = unavailable(
    "LogSecretOptions", "Monopod gives no secrets to log drivers.", "Leave secretOptions out: awslogs needs none."
)
ROUTER_UNAVAILABLE = unavailable(
    "LogRouterUnavailable",
    "Monopod routes no logs through FireLens.",
    "Leave firelensConfiguration out, and collect logs on the nodes.",
)
LINES_STAY_LINES = note(
    "LogLinesStayLines",
    "Several lines aren't joined to one event.",
    "Write one line per event, such as JSON.",
)

DRIVERS: Final = ("awslogs", "splunk", "awsfirelens")
_REQUIRED: Final = ("awslogs-region", "awslogs-group")
_MULTI_LINE: Final = ("awslogs-datetime-format", "awslogs-multiline-pattern")
_KNOWN: Final = frozenset(
    (
        *_REQUIRED,
        *_MULTI_LINE,
        *("awslogs-stream-prefix", "awslogs-create-group", "mode", "max-buffer-size"),
    )
)


def check_logs(container: View, root: View) -> Iterator[Finding]:
    """One container's driver and its options, and whether it routes the logs of others."""
    configuration = container.child("logConfiguration")
    driver, path = configuration.text("logDriver"), configuration.path_of("logDriver")
    if driver is not None and driver not in DRIVERS:
        yield DRIVER_UNSUPPORTED.at(path, driver=show(driver))
    elif driver == "awslogs":
        yield from _check_awslogs(configuration, root)
    elif driver is not None:
        routers = [each for each in root.children("containerDefinitions") if each.has("firelensConfiguration")]
        if driver == "awsfirelens" and not routers:
            yield ROUTER_MISSING.at(path)
        yield DRIVER_UNAVAILABLE.at(path, driver=driver)
    if configuration.has("secretOptions"):
        yield SECRET_OPTIONS.at(configuration.path_of("secretOptions"))
    if container.has("firelensConfiguration"):
        options = container.child("firelensConfiguration").child("options")
        if options.text("config-file-type") == "s3":
            yield ROUTER_CONFIGURATION_IN_S3.at(options.path_of("config-file-type"))
        yield ROUTER_UNAVAILABLE.at(container.path_of("firelensConfiguration"))


def _check_awslogs(configuration: View, root: View) -> Iterator[Finding]:
    options = configuration.child("options")
    if missing := [key for key in _REQUIRED if not options.has(key)]:
        yield OPTIONS_MISSING.at(options.path, missing=", ".join(missing))
    if not options.has("awslogs-stream-prefix"):
        yield STREAM_PREFIX_MISSING.at(options.path)
    if unknown := [show(key) for key in options.fields if key not in _KNOWN]:
        yield OPTIONS_UNKNOWN.at(options.path, unknown=", ".join(unknown))
    if not root.has("executionRoleArn"):
        yield ROLE_MISSING.at("executionRoleArn")
    if any(options.has(key) for key in _MULTI_LINE):
        yield LINES_STAY_LINES.at(options.path)
