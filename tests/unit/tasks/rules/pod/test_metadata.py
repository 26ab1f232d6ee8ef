from monopod.api.names import POLICY_LABEL
from monopod.tasks.rules.pod.metadata import build_metadata_policy, build_metadata_uri

METADATA = {"name": "0a" * 16, "namespace": "ecs-prod", "uid": "5f1c9a52-9c1f-4c0f-8d0e-0d0b0c0a0908"}


def test_a_task_is_asked_about_by_its_uid() -> None:
    uri = build_metadata_uri("http://10.0.0.1:51679/", METADATA)
    assert uri == f"http://10.0.0.1:51679/v4/ecs-prod/{METADATA['name']}/{METADATA['uid']}"


def test_only_the_endpoints_port_is_opened_and_only_to_tasks() -> None:
    policy = build_metadata_policy("ecs-prod", "monopod-system")
    assert policy["metadata"]["labels"] == {POLICY_LABEL: "tasks"}
    assert policy["spec"] == {
        "podSelector": {
            "matchExpressions": [
                {"key": "ecs.monopod.dev/task", "operator": "Exists"},
                {"key": "monopod.dev/profile", "operator": "Exists"},
            ]
        },
        "policyTypes": ["Egress"],
        "egress": [
            {
                "to": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monopod-system"}},
                        "podSelector": {
                            "matchExpressions": [{"key": "ecs.monopod.dev/metadata", "operator": "Exists"}]
                        },
                    }
                ],
                "ports": [{"port": 51679, "protocol": "TCP"}],
            }
        ],
    }
