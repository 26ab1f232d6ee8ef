"""Every operation of every service is found by what botocore sends, and by nothing else."""

import dataclasses

import pytest

from monopod.aws.wire.call import AwsError
from monopod.aws.wire.message import HttpRequest
from monopod.aws.wire.models import SERVICES, load_model
from monopod.aws.wire.routing import Router
from tests.unit.aws.wire.clients import build_request, send
from tests.unit.aws.wire.draws import Draw, list_operations

ROUTER = Router(map(load_model, SERVICES))


@pytest.mark.parametrize("service", SERVICES)
def test_what_botocore_sends_is_found(service: str) -> None:
    for seed, operation in enumerate(list_operations(load_model(service))):
        request = send(build_request(service, operation.name, Draw(seed, 0.2).draw_members(operation.input)))
        model = ROUTER.choose_model(dataclasses.replace(request, body=b""))
        assert model.name == service, operation.name
        assert ROUTER.choose_operation(model, request) == operation


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("GET", "/"),
        HttpRequest("GET", ""),
        HttpRequest("GET", "*"),
        HttpRequest("GET", "http://elsewhere.example/clusters"),
        HttpRequest("PATCH", "/clusters"),
        HttpRequest("GET", "/clusters//fargate-profiles"),
        HttpRequest("GET", "/clusters/a/fargate-profiles/b/c"),
        HttpRequest("POST", "/service/ecs/operation/RunTask", headers=(("smithy-protocol", "rpc-v2-cbor"),)),
        HttpRequest("POST", "/", headers=(("x-amz-target", "AmazonEC2ContainerServiceV20141113.Nothing"),)),
        HttpRequest("POST", "/", headers=(("x-amz-target", "Nothing.ListClusters"),)),
        HttpRequest("GET", "/", headers=(("x-amz-target", "AmazonEC2ContainerServiceV20141113.ListClusters"),)),
        HttpRequest("POST", "/x", headers=(("x-amz-target", "AmazonEC2ContainerServiceV20141113.ListClusters"),)),
        HttpRequest("POST", "/", headers=(("content-type", "application/x-www-form-urlencoded"),)),
        HttpRequest(
            "POST",
            "/",
            headers=(("content-type", "application/x-www-form-urlencoded"),),
            body=b"Action=GetCallerIdentity&Version=2010-05-08",
        ),
        HttpRequest(
            "GET",
            "/",
            headers=(("content-type", "application/x-www-form-urlencoded"),),
            body=b"Action=GetCallerIdentity&Version=2011-06-15",
        ),
    ],
    ids=lambda request: f"{request.method} {request.path} {dict(request.headers)} {request.body!r}",
)
def test_what_is_no_operation_is_not_found(request_: HttpRequest) -> None:
    with pytest.raises(AwsError, match="UnknownOperationException"):
        ROUTER.choose_operation(ROUTER.choose_model(request_), request_)


def test_a_form_that_is_none_is_refused() -> None:
    form = (("content-type", "application/x-www-form-urlencoded"),)
    for body in (b"\xff", b"Action=%ff", b"Action=a&Action=b"):
        request = HttpRequest("POST", "/", headers=form, body=body)
        with pytest.raises(AwsError, match="SerializationException"):
            ROUTER.choose_operation(ROUTER.choose_model(request), request)
