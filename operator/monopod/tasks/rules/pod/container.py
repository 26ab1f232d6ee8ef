"""A container of a task as one of its pod."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from monopod.tasks.rules.environment import read_secret
from monopod.tasks.rules.order import Place, Role, name_of
from monopod.tasks.rules.pod.names import name_in_pod
from monopod.tasks.rules.pod.resources import build_resources
from monopod.tasks.rules.view import View

Json = dict[str, Any]

_NEVER: Final = 2**31 - 1
"""As a probe's failureThreshold. A startup probe that fails restarts its container, which ECS never does; for how long
others wait for it is its startTimeout, which whoever runs the task keeps an eye on."""

_INTERVAL: Final = 30
_TIMEOUT: Final = 5
_RETRIES: Final = 3


def build_container(place: Place, root: View, mounts: Sequence[Json], *, is_first: bool) -> Json:
    """The container; empty fields are left out.

    Args:
        place: the container and its role in the pod.
        root: the task definition.
        mounts: what it mounts.
        is_first: whether it is the one that asks for the task's storage.
    """
    container = place.container
    fields: Json = {
        "name": name_in_pod(name_of(container)),
        "image": container.text("image"),
        # As Fargate does for each task; the cluster's default depends on the tag.
        "imagePullPolicy": "Always",
        "command": [escape(text) for _, text in container.texts("entryPoint")],
        "args": [escape(text) for _, text in container.texts("command")],
        "workingDir": container.text("workingDirectory"),
        "env": list(_build_env(container)),
        "ports": list(_build_ports(container)),
        "resources": build_resources(container, root, is_first=is_first),
        "volumeMounts": list(mounts),
        "securityContext": _build_security(container),
        "tty": container.is_true("pseudoTerminal"),
        "stdin": container.is_true("interactive"),
        **_build_probes(place),
        **_build_restarts(place),
    }
    return {key: value for key, value in fields.items() if value}


def escape(text: str) -> str:
    """A text that Kubernetes reads as it stands: it would replace `$(NAME)` by a variable, and `$$` by `$`."""
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def _build_env(container: View) -> Iterator[Json]:
    for variable in container.children("environment"):
        yield {"name": variable.text("name"), "value": escape(variable.text("value") or "")}
    for secret in container.children("secrets"):
        reference = read_secret(secret.text("valueFrom") or "")
        if reference:
            source = {"secretKeyRef": {"name": reference.name, "key": reference.key}}
            yield {"name": secret.text("name"), "valueFrom": source}


def _build_ports(container: View) -> Iterator[Json]:
    """Single ports. A port of a pod opens nothing and closes nothing, so ranges needn't be listed."""
    for mapping in container.children("portMappings"):
        port = mapping.number("containerPort")
        if port is not None:
            yield {"containerPort": port, "protocol": (mapping.text("protocol") or "tcp").upper()}


def _build_security(container: View) -> Json:
    user, _, group = (container.text("user") or "").partition(":")
    asked = container.child("linuxParameters").child("capabilities")
    capabilities = {key: names for key in ("add", "drop") if (names := [name for _, name in asked.texts(key)])}
    security: Json = {}
    if user:
        security["runAsUser"] = int(user)
    if group:
        security["runAsGroup"] = int(group)
    if container.is_true("readonlyRootFilesystem"):
        security["readOnlyRootFilesystem"] = True
    if capabilities:
        security["capabilities"] = capabilities
    return security


def _build_probes(place: Place) -> Json:
    """Readiness is a container's health; and a sidecar that must be healthy has started when it is."""
    check = place.container.child("healthCheck")
    kind, *rest = [escape(text) for _, text in check.texts("command")] or [""]
    if place.role is Role.JOB or kind not in ("CMD", "CMD-SHELL"):
        return {}
    probe = {
        "exec": {"command": rest if kind == "CMD" else ["/bin/sh", "-c", *rest]},
        "periodSeconds": _get(check, "interval", _INTERVAL),
        "timeoutSeconds": _get(check, "timeout", _TIMEOUT),
    }
    probes: Json = {"readinessProbe": {**probe, "failureThreshold": _get(check, "retries", _RETRIES)}}
    if place.must_be_healthy:
        probes["startupProbe"] = {**probe, "failureThreshold": _NEVER}
    return probes


def _get(fields: View, key: str, default: int) -> int:
    number = fields.number(key)
    return default if number is None else number


def _build_restarts(place: Place) -> Json:
    policy = place.container.child("restartPolicy")
    if place.role is Role.SIDECAR:
        return {"restartPolicy": "Always"}
    if place.role is Role.JOB or not policy.is_true("enabled"):
        return {}
    ignored = sorted({code for _, code in policy.numbers("ignoredExitCodes")})
    if not ignored:
        return {"restartPolicy": "Always"}
    rule: Mapping[str, Any] = {"action": "Restart", "exitCodes": {"operator": "NotIn", "values": ignored}}
    return {"restartPolicy": "Never", "restartPolicyRules": [rule]}
