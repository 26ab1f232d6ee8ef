"""The pod of a task: its containers in their order, their fields, and nothing that anyone refuses."""

from typing import Any

import pytest

from monopod.cli.input.schema.kubernetes import compute_faults
from monopod.pods.rules.decision import Sandboxed, decide
from monopod.pods.rules.size import SIZE_TABLE, compute_pod_size, measure_need
from monopod.pods.rules.storage import provision_gib
from monopod.tasks.rules.pod.container import escape
from monopod.tasks.rules.pod.names import name_in_pod
from monopod.tasks.rules.pod.pod import METADATA_URI, TaskSettings, build_pod
from monopod.tasks.rules.pod.volumes import UnknownFileSystem
from monopod.tasks.rules.rule import Effect
from monopod.tasks.rules.validation import validate
from tests.unit.tasks.definitions import a_container, a_definition, with_container, with_containers
from tests.unit.tasks.made import PROFILE

TASK = TaskSettings("0a1b", "ecs-prod")
HEALTH = {"command": ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]}
LAYOUTS: dict[str, list[dict[str, Any]]] = {
    "nothing said": [a_container()],
    "all of it": [a_container(cpu="all", memory="all")],
    "all of it reserved": [a_container(memoryReservation="all", memory="all")],
    "a half each": [a_container(memory="half", cpu="half"), a_container("b", memory="half", cpu="half")],
    "a job before": [
        a_container(dependsOn=[{"containerName": "job", "condition": "SUCCESS"}], memory="half"),
        a_container("job", essential=False, memory="half", cpu="all"),
    ],
    "a sidecar before": [
        a_container(dependsOn=[{"containerName": "db", "condition": "HEALTHY"}], cpu="half"),
        a_container("db", healthCheck=HEALTH, memory="half", cpu="half"),
    ],
    "odd shares": [a_container(f"c{index}", cpu="tenth", memoryReservation="tenth") for index in range(10)],
}


def build(definition: Any, **settings: Any) -> Any:
    stuck = [finding for finding in validate(definition) if finding.rule.effect is not Effect.NOTE]
    assert stuck == []
    pod = build_pod(definition, TaskSettings("0a1b", "ecs-prod", **settings))
    assert compute_faults(pod) == []
    decision = decide(pod, "ecs-prod", [PROFILE])
    assert isinstance(decision, Sandboxed), decision
    return pod


def build_one(**fields: object) -> Any:
    """The only container of a task whose container has these fields."""
    (container,) = build(with_container(**fields))["spec"]["containers"]
    return container


def size_of(row: Any, layout: str, **fields: object) -> Any:
    units = row.cpu_millis * 1024 // 1000
    shares = {"all": 1, "half": 2, "tenth": 10}
    containers = [
        {
            key: (units if key == "cpu" else row.memory_mib) // shares[value] if value in shares else value
            for key, value in container.items()
            if isinstance(value, str)
        }
        | {key: value for key, value in container.items() if not isinstance(value, str)}
        for container in LAYOUTS[layout]
    ]
    return a_definition(cpu=str(units), memory=str(row.memory_mib), containerDefinitions=containers, **fields)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_size_comes_out_exactly_whatever_the_containers_say(layout: str) -> None:
    for row in SIZE_TABLE:
        need = measure_need(build_pod(size_of(row, layout), TASK))
        assert compute_pod_size(need) == row, (layout, row)


@pytest.mark.parametrize("gib", range(21, 199))
def test_ephemeral_storage_comes_out_exactly(gib: int) -> None:
    for layout in ("nothing said", "a job before"):
        pod = build_pod(size_of(SIZE_TABLE[0], layout, ephemeralStorage={"sizeInGiB": gib}), TASK)
        assert provision_gib(measure_need(pod)) == gib


def test_without_a_word_a_task_has_20_gib() -> None:
    assert provision_gib(measure_need(build(a_definition()))) == 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_api_server_and_fargate_take_the_pod(layout: str) -> None:
    for row in (SIZE_TABLE[0], SIZE_TABLE[20], SIZE_TABLE[-1]):
        pod = build_pod(size_of(row, layout), TASK)
        assert compute_faults(pod) == []
        assert isinstance(decide(pod, "ecs-prod", [PROFILE]), Sandboxed)


def test_the_smallest_pod_says_what_every_task_needs() -> None:
    assert build(a_definition()) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "0a1b", "namespace": "ecs-prod"},
        "spec": {
            "restartPolicy": "Never",
            "resources": {
                "requests": {"cpu": "250m", "memory": "256Mi"},
                "limits": {"cpu": "250m", "memory": "256Mi"},
            },
            "containers": [
                {
                    "name": "app",
                    "image": "nginx:1.29",
                    "imagePullPolicy": "Always",
                    "resources": {"requests": {"cpu": "0m", "memory": "0Mi"}},
                }
            ],
            "terminationGracePeriodSeconds": 30,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
        },
    }


def test_a_container_has_what_its_definition_says() -> None:
    container = build_one(
        entryPoint=["/entry"],
        command=["run", "--now"],
        workingDirectory="/srv",
        user="1000:2000",
        readonlyRootFilesystem=True,
        pseudoTerminal=True,
        interactive=True,
        environment=[{"name": "A", "value": "x"}, {"name": "EMPTY"}],
        portMappings=[{"containerPort": 80}, {"containerPort": 53, "hostPort": 53, "protocol": "udp"}],
        linuxParameters={"capabilities": {"add": ["SYS_PTRACE"], "drop": ["NET_RAW"]}},
        cpu=128,
        memory=256,
        memoryReservation=64,
    )
    assert container == {
        "name": "app",
        "image": "nginx:1.29",
        "imagePullPolicy": "Always",
        "command": ["/entry"],
        "args": ["run", "--now"],
        "workingDir": "/srv",
        "env": [{"name": "A", "value": "x"}, {"name": "EMPTY", "value": ""}],
        "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}],
        "resources": {"requests": {"cpu": "125m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "runAsUser": 1000,
            "runAsGroup": 2000,
            "readOnlyRootFilesystem": True,
            "capabilities": {"add": ["SYS_PTRACE"], "drop": ["NET_RAW"]},
        },
        "tty": True,
        "stdin": True,
    }


@pytest.mark.parametrize(
    ("source", "name", "key"),
    [
        ("arn:aws:secretsmanager:us-east-1:012345678901:secret:db-a1B2c3", "db", "value"),
        ("arn:aws:secretsmanager:us-east-1:012345678901:secret:prod/db-a1B2c3:password::", "prod.db", "password"),
        ("arn:aws:secretsmanager:us-east-1:012345678901:secret:db", "db", "value"),
        ("arn:aws:ssm:us-east-1:012345678901:parameter/prod/Db_Url", "prod.db-url", "value"),
        ("/prod/token", "prod.token", "value"),
        ("token", "token", "value"),
    ],
)
def test_a_secret_is_a_key_of_a_kubernetes_secret(source: str, name: str, key: str) -> None:
    container = build_one(secrets=[{"name": "S", "valueFrom": source}])
    assert container["env"] == [{"name": "S", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]


def expand(text: str, variables: dict[str, str]) -> str:
    """As Kubernetes does (third_party/forked/golang/expansion): `$(NAME)` is a variable, `$$` is `$`."""
    out, cursor = "", 0
    while cursor < len(text):
        rest = text[cursor + 1 :]
        if text[cursor] != "$" or not rest:
            out, cursor = out + text[cursor], cursor + 1
        elif rest[0] == "$":
            out, cursor = out + "$", cursor + 2
        elif rest[0] == "(" and ")" in rest:
            name = rest[1 : rest.index(")")]
            out, cursor = out + variables.get(name, f"$({name})"), cursor + 2 + len(name) + 1
        else:
            out, cursor = out + "$" + rest[0], cursor + 2
    return out


@pytest.mark.parametrize(
    "text",
    ["", "$", "$$", "$HOME", "$(A)", "$$(A)", "$$$(A)", "echo $$; $(A) $((1+1))", "a$", "$(", "$)", "$$$", "$(B"],
)
def test_what_kubernetes_would_replace_stays_as_it_was(text: str) -> None:
    assert expand(escape(text), {"A": "replaced"}) == text
    container = build_one(command=[text], environment=[{"name": "A", "value": text}])
    assert expand(container["args"][0], {"A": "replaced"}) == text
    assert expand(container["env"][0]["value"], {"A": "replaced"}) == text


def test_a_health_check_is_the_containers_readiness() -> None:
    check = {"command": ["CMD", "/check", "$(A)"], "interval": 10, "timeout": 3, "retries": 5}
    assert build_one(healthCheck=check)["readinessProbe"] == {
        "exec": {"command": ["/check", "$$(A)"]},
        "periodSeconds": 10,
        "timeoutSeconds": 3,
        "failureThreshold": 5,
    }
    assert build_one(healthCheck=HEALTH)["readinessProbe"] == {
        "exec": {"command": ["/bin/sh", "-c", "curl -f http://localhost/ || exit 1"]},
        "periodSeconds": 30,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }
    assert "readinessProbe" not in build_one(healthCheck={"command": ["NONE"]})


def waiting(name: str, **conditions: str) -> dict[str, Any]:
    return a_container(name, dependsOn=[{"containerName": on, "condition": each} for on, each in conditions.items()])


def test_what_ends_first_is_an_init_container_and_what_must_be_healthy_a_sidecar() -> None:
    spec = build(
        with_containers(
            waiting("app", db="HEALTHY", job="SUCCESS"),
            waiting("job", cache="START") | {"essential": False},
            a_container("db", healthCheck=HEALTH),
            a_container("cache"),
            a_container("other"),
        )
    )["spec"]
    assert [(each["name"], each.get("restartPolicy")) for each in spec["initContainers"]] == [
        ("db", "Always"),
        ("cache", "Always"),
        ("job", None),
    ]
    assert [each["name"] for each in spec["containers"]] == ["other", "app"]
    assert spec["initContainers"][0]["startupProbe"] == {
        **spec["initContainers"][0]["readinessProbe"],
        "failureThreshold": 2**31 - 1,
    }
    assert "startupProbe" not in spec["initContainers"][1]


def test_containers_that_wait_for_a_start_are_started_later() -> None:
    spec = build(with_containers(waiting("a", b="START"), waiting("b", c="START"), a_container("c")))["spec"]
    assert [each["name"] for each in spec["containers"]] == ["c", "b", "a"]
    assert "initContainers" not in spec


def test_restarts_are_those_of_the_container() -> None:
    assert build_one(restartPolicy={"enabled": True})["restartPolicy"] == "Always"
    container = build_one(restartPolicy={"enabled": True, "ignoredExitCodes": [3, 0, 3]})
    assert (container["restartPolicy"], container["restartPolicyRules"]) == (
        "Never",
        [{"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [0, 3]}}],
    )
    assert "restartPolicy" not in build_one(restartPolicy={"enabled": False, "ignoredExitCodes": [3]})


def test_volumes_are_directories_memory_and_what_the_installation_names() -> None:
    definition = with_containers(
        a_container(
            mountPoints=[
                {"sourceVolume": "Scratch_1", "containerPath": "/scratch"},
                {"sourceVolume": "files", "containerPath": "/files", "readOnly": True},
            ],
            linuxParameters={"tmpfs": [{"containerPath": "/memory", "size": 64}]},
        ),
        a_container("b", volumesFrom=[{"sourceContainer": "app", "readOnly": True}]),
    )
    definition["volumes"] = [
        {"name": "Scratch_1"},
        {"name": "files", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/exports/a"}},
    ]
    export = {"nfs": {"server": "10.0.0.1", "path": "/"}}
    spec = build(definition, file_systems={"fs-1": export})["spec"]
    scratch, memory = name_in_pod("Scratch_1"), spec["volumes"][2]["name"]
    assert spec["volumes"] == [
        {"name": scratch, "emptyDir": {}},
        {"name": "files", **export},
        {"name": memory, "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
    ]
    files = {"name": "files", "mountPath": "/files", "subPath": "exports/a", "readOnly": True}
    assert spec["containers"][0]["volumeMounts"] == [
        {"name": scratch, "mountPath": "/scratch"},
        files,
        {"name": memory, "mountPath": "/memory"},
    ]
    assert spec["containers"][1]["volumeMounts"] == [
        {"name": scratch, "mountPath": "/scratch", "readOnly": True},
        files,
    ]
    with pytest.raises(UnknownFileSystem) as problem:
        build_pod(definition, TASK)
    assert (problem.value.path, problem.value.id) == ("volumes[1].efsVolumeConfiguration.fileSystemId", "fs-1")


def test_volumes_from_each_other_end() -> None:
    definition = with_containers(
        a_container(volumesFrom=[{"sourceContainer": "b"}]),
        a_container(
            "b", volumesFrom=[{"sourceContainer": "app"}], mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}]
        ),
    )
    first, _ = build(definition | {"volumes": [{"name": "v"}]})["spec"]["containers"]
    assert [mount["mountPath"] for mount in first["volumeMounts"]] == ["/v"]


def test_the_pod_has_what_concerns_all_containers() -> None:
    controls = [{"namespace": "net.ipv4.tcp_syncookies", "value": "1"}]
    definition = with_containers(a_container(stopTimeout=90, systemControls=controls), a_container("b"))
    definition |= {"pidMode": "task", "runtimePlatform": {"cpuArchitecture": "ARM64"}}
    pod = build(definition, groups=("web", "db"), zones=("a", "b"), labels={"l": "1"}, annotations={"n": "2"})
    assert pod["metadata"] == {
        "name": "0a1b",
        "namespace": "ecs-prod",
        "labels": {"l": "1"},
        "annotations": {"n": "2", "monopod.dev/security-groups": "web,db"},
    }
    spec = pod["spec"]
    assert spec["terminationGracePeriodSeconds"] == 90
    assert spec["shareProcessNamespace"] is True
    assert spec["securityContext"] == {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]},
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]},
    ]


@pytest.mark.parametrize("name", ["app", "a-1", "App", "my_app", "a" * 255, "_", "-a", "a-", "A" * 63])
def test_a_name_that_is_none_in_a_pod_becomes_one(name: str) -> None:
    built = name_in_pod(name)
    assert len(built) <= 63
    assert name_in_pod(built) == built
    (container,) = build(with_containers(a_container(name)))["spec"]["containers"]
    assert container["name"] == built


def test_no_two_names_become_one() -> None:
    names = ["app", "App", "APP", "a_b", "a-b", "a--b", "a__b", "_", "__"]
    assert len({name_in_pod(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param(a_definition(cpu="32 vCPU", memory="244 GB"), id="too large"),
        pytest.param(a_definition(cpu=None), id="no size"),
        pytest.param(with_containers(waiting("a", b="START"), waiting("b", a="START")), id="a circle"),
    ],
)
def test_what_would_not_run_has_no_pod(definition: Any) -> None:
    with pytest.raises(ValueError, match="validate it first"):
        build_pod(definition, TASK)


def test_each_container_finds_its_metadata_by_its_place_in_the_definition() -> None:
    job = {"dependsOn": [{"containerName": "job", "condition": "SUCCESS"}]}
    environment = [{"name": "A", "value": "1"}, {"name": METADATA_URI, "value": "http://elsewhere"}]
    app, first = a_container("app", environment=environment, **job), a_container("job", essential=False)
    spec = build(with_containers(app, first), metadata_uri="http://10.0.0.1/v4/x")["spec"]
    (container,), (init,) = spec["containers"], spec["initContainers"]
    assert container["env"] == [
        {"name": "A", "value": "1"},
        {"name": METADATA_URI, "value": "http://10.0.0.1/v4/x/0"},
    ]
    assert init["env"] == [{"name": METADATA_URI, "value": "http://10.0.0.1/v4/x/1"}]


def test_without_a_metadata_endpoint_nothing_is_said_of_one() -> None:
    assert "env" not in build_one()
