"""Task definitions of every shape that nothing is against: orders, sizes, volumes, restarts."""

import random
from typing import Any

from monopod.api.ecs.names import ECS_CAPABILITIES
from monopod.pods.rules.selection import Selector
from monopod.pods.rules.size import SIZE_TABLE
from monopod.tasks.rules.pod.pod import TaskSettings
from monopod.tasks.rules.rule import Effect
from monopod.tasks.rules.validation import validate
from tests.unit.builders import a_profile
from tests.unit.tasks.definitions import ROLE

SETTINGS = TaskSettings("t", "ecs-prod", file_systems={"fs-1": {"nfs": {"server": "a", "path": "/"}}})
PROFILE = a_profile("ecs", Selector("ecs-*"), capabilities=ECS_CAPABILITIES)
TRACING = {"capabilities": {"add": ["SYS_PTRACE"], "drop": ["NET_RAW"]}}
HEALTH = {"command": ["CMD-SHELL", "true $(A)"], "interval": 5}


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def maybe(self, value: Any, chance: float = 0.5) -> Any:
        return value if self.random.random() < chance else None

    def make(self) -> dict[str, Any]:
        row = self.random.choice(SIZE_TABLE)
        names = [f"{self.random.choice(['c', 'C_', 'con-'])}{index}" for index in range(self.random.randrange(1, 7))]
        budget = row.memory_mib // len(names)
        containers = [self.make_container(name, names[:index], budget) for index, name in enumerate(names)]
        ended = {
            each["containerName"]
            for container in containers
            for each in container.get("dependsOn", [])
            if each["condition"] in ("SUCCESS", "COMPLETE")
        }
        for container in containers:
            container["essential"] = container["name"] not in ended
            if container["name"] in ended:
                container.pop("healthCheck", None)
                container.pop("restartPolicy", None)
        self.random.shuffle(containers)
        return {
            "family": "f",
            "cpu": str(row.cpu_millis * 1024 // 1000),
            "memory": str(row.memory_mib),
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": ROLE,
            "containerDefinitions": containers,
            "volumes": [{"name": "v_1"}, {"name": "v2", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
            **({"ephemeralStorage": {"sizeInGiB": self.random.randrange(21, 199)}} if self.maybe(1, 0.3) else {}),
            **({"pidMode": "task"} if self.maybe(1, 0.2) else {}),
        }

    def make_container(self, name: str, earlier: list[str], budget: int) -> dict[str, Any]:
        conditions = ["START", "HEALTHY", "SUCCESS", "COMPLETE"]
        waits = [each for each in earlier if self.random.random() < 0.4]
        fields = {
            "cpu": self.maybe(self.random.randrange(40)),
            "memory": self.maybe(budget),
            "memoryReservation": self.maybe(self.random.randrange(4, budget + 1)),
            "command": self.maybe(["a", "$$(B)", "$(C"]),
            "environment": self.maybe([{"name": "A.b", "value": "$(A)"}]),
            "secrets": self.maybe([{"name": "S", "valueFrom": "/a/B_c"}], 0.3),
            "user": self.maybe("10:20", 0.3),
            "healthCheck": self.maybe(HEALTH, 0.8),
            "restartPolicy": self.maybe({"enabled": True, "ignoredExitCodes": [0, 7]}, 0.3),
            "mountPoints": self.maybe([{"sourceVolume": "v_1", "containerPath": f"/{name}"}]),
            "volumesFrom": self.maybe([{"sourceContainer": earlier[0]}]) if earlier else None,
            "linuxParameters": self.maybe(
                {"tmpfs": [{"containerPath": "/m", "size": 8}], **(self.maybe(TRACING) or {})}, 0.4
            ),
            "stopTimeout": self.maybe(self.random.randrange(2, 121), 0.3),
            "dependsOn": [{"containerName": each, "condition": self.random.choice(conditions)} for each in waits],
        }
        return {"name": name, "image": "i:1", **{key: value for key, value in fields.items() if value is not None}}


def make_all(seeds: range) -> list[dict[str, Any]]:
    """Those of the definitions that nothing is against."""
    made = [Maker(seed).make() for seed in seeds]
    return [each for each in made if all(finding.rule.effect is Effect.NOTE for finding in validate(each))]
