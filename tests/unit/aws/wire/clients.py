"""What AWS's own clients send and read: botocore's, which boto3 and the AWS CLI are made of."""

import functools
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest, create_request_object, prepare_request_dict
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from monopod.aws.wire.message import HttpAnswer, HttpRequest

ENDPOINT = "https://monopod.example:8443"


@functools.cache
def load(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def build_request(service: str, operation: str, params: dict[str, Any]) -> AWSRequest:
    """A request as botocore makes it, not signed yet."""
    model = load(service)
    serializer = create_serializer(model.metadata["protocol"], include_validation=False)
    serialized = serializer.serialize_to_request(params, model.operation_model(operation))
    prepare_request_dict(serialized, ENDPOINT, context={})
    return create_request_object(serialized)


def send(request: AWSRequest) -> HttpRequest:
    """The request as a server gets it."""
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    body = prepared.body or b""
    headers = [
        (key.lower(), value if isinstance(value, str) else value.decode()) for key, value in prepared.headers.items()
    ]
    headers.append(("host", ENDPOINT.removeprefix("https://")))
    return HttpRequest(
        prepared.method, url.path, url.query, tuple(headers), body.encode() if isinstance(body, str) else body
    )


def read(service: str, operation: str, answer: HttpAnswer) -> dict[str, Any]:
    """What botocore reads in an answer."""
    model = load(service)
    headers = {"content-type": answer.content_type, **{key.lower(): value for key, value in answer.headers.items()}}
    told = {"status_code": answer.status, "headers": headers, "body": answer.body}
    parser = create_parser(model.metadata["protocol"])
    found: dict[str, Any] = parser.parse(told, model.operation_model(operation).output_shape)
    return found
