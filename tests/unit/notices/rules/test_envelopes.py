"""Both envelopes say what happened, in the words of those who read them."""

import datetime
import json
import uuid
from dataclasses import replace

import pytest
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from monopod.notices.rules.envelopes import build_cloud_event, build_event_bridge_event
from monopod.notices.rules.notice import Notice, SpotInterruption, compute_id
from tests.unit.notices.builders import ORIGIN, a_task, a_termination, an_interruption

ALL: list[Notice] = [an_interruption(), a_termination(), a_task()]


@pytest.mark.parametrize("notice", ALL, ids=lambda notice: type(notice).__name__)
def test_an_id_is_a_uuid_and_the_same_in_both_envelopes(notice: Notice) -> None:
    cloud, aws = build_cloud_event(notice, ORIGIN), build_event_bridge_event(notice, ORIGIN)
    assert cloud["id"] == aws["id"] == str(uuid.UUID(cloud["id"]))
    assert json.loads(json.dumps([cloud, aws])) == [cloud, aws]


def test_the_same_interruption_has_the_same_id_whoever_finds_it() -> None:
    notice = an_interruption()
    later = replace(notice, cause="SpotNotice", ends=notice.ends + datetime.timedelta(seconds=1))
    assert compute_id(later) == compute_id(notice)
    assert compute_id(an_interruption("web-2")) != compute_id(notice)


def test_each_version_of_a_task_and_each_time_of_a_termination_is_another_notice() -> None:
    termination = a_termination()
    later = replace(termination, terminates=termination.terminates + datetime.timedelta(days=1))
    assert len({compute_id(each) for each in (a_task(3), a_task(4), termination, later)}) == 4


def test_a_cloud_event_has_the_required_attributes_and_says_which_pod() -> None:
    event = build_cloud_event(an_interruption(), ORIGIN)
    assert event["specversion"] == "1.0"
    assert event["source"] == "//monopod.dev/clusters/lab"
    assert event["type"] == "dev.monopod.pod.spot-interruption"
    assert event["subject"] == "namespaces/shop/pods/web-1"
    assert event["time"] == "2026-03-01T12:00:00.000Z"
    assert event["data"]["cause"] == "Preemption"
    assert event["data"]["terminationTime"] == "2026-03-01T12:02:00Z"


def test_a_scheduled_termination_has_exactly_the_fields_of_ekss_event() -> None:
    event = build_event_bridge_event(a_termination(), ORIGIN)
    assert [event["source"], event["detail-type"]] == ["aws.eks", "EKS Fargate Pod Scheduled Termination"]
    assert event["detail"] == {
        "clusterName": "lab",
        "fargateProfileName": "web",
        "podName": "web-1",
        "podNamespace": "shop",
        "evictErrorMessage": "Cannot evict pod as it would violate the pod's disruption budget.",
        "scheduledTerminationTime": "2026-03-04T12:00:00.832Z[UTC]",
    }


@pytest.mark.parametrize("notice", [an_interruption(), a_task()], ids=["pod", "task"])
def test_a_handler_of_fargate_spot_knows_an_interruption(notice: SpotInterruption) -> None:
    event = build_event_bridge_event(notice, ORIGIN)
    detail = event["detail"]
    assert [event["source"], event["detail-type"]] == ["aws.ecs", "ECS Task State Change"]
    assert [detail["stopCode"], detail["lastStatus"], detail["desiredStatus"]] == [
        "SpotInterruption", "RUNNING", "STOPPED",
    ]  # fmt: skip
    assert event["resources"] == [detail["taskArn"]]
    assert detail["taskArn"].startswith("arn:aws:ecs:eu-west-1:111122223333:task/")


def test_a_tasks_containers_have_their_arns() -> None:
    detail = build_event_bridge_event(a_task(), ORIGIN)["detail"]
    assert detail["containers"][0]["containerArn"].endswith(f":container/default/{'0' * 32}/c1")
    assert detail["taskDefinitionArn"].endswith(":task-definition/web:7")
    assert detail["version"] == 3


@pytest.mark.parametrize("notice", ALL, ids=lambda notice: type(notice).__name__)
def test_other_peoples_readers_understand_both_envelopes(notice: Notice) -> None:
    event = build_cloud_event(notice, ORIGIN)
    message = HTTPMessage({"content-type": "application/cloudevents+json"}, json.dumps(event).encode())
    read = from_http_event(message)
    assert [read.get_id(), read.get_type(), read.get_subject()] == [event["id"], event["type"], event["subject"]]
    assert read.get_data() == event["data"]

    aws = build_event_bridge_event(notice, ORIGIN)
    handled = EventBridgeEvent(aws)
    assert [handled.get_id, handled.detail_type, handled.source] == [aws["id"], aws["detail-type"], aws["source"]]
    assert [handled.detail, handled.resources] == [aws["detail"], aws["resources"]]
