"""AWS's own models of its services, as botocore has them: which operations there are, and the shapes of what they take.

Only `botocore.loaders` and `botocore.model` are used. What is read and written by the shapes is in `codec`.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from botocore.loaders import Loader
from botocore.model import ServiceModel

Shape = Any
"""A `botocore.model.Shape`; botocore has no annotations."""

SERVICES: Final = ("ecs", "eks", "logs", "ssm", "sts")
"""Those whose requests are understood, if only to be refused in the form that their clients can read."""


class Protocol(StrEnum):
    """How a service's requests and answers are written."""

    JSON = "json"
    REST_JSON = "rest-json"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a service.

    Attributes:
        service: "eks".
        name: "CreateFargateProfile".
        method: the HTTP method.
        uri: the path with its labels in braces.
        input: the shape of what it takes; None: nothing.
        output: the shape of its answer; None: an empty one.
        output_wrapper: the element around the answer, where the protocol is query.
        errors: the codes that the model has for it.
    """

    service: str
    name: str
    method: str
    uri: str
    input: Shape
    output: Shape
    output_wrapper: str
    errors: frozenset[str]

    def choose_code(self, codes: Iterable[str], otherwise: str) -> str:
        """The first code that the operation's clients know, or another."""
        return next((code for code in codes if code in self.errors), otherwise)


@dataclass(frozen=True, slots=True)
class Model:
    """A service.

    Attributes:
        name: "eks".
        protocol: how it is spoken.
        signing_name: what signatures call it.
        target_prefix: what `X-Amz-Target` begins with; "" where the protocol has no such header.
        version: the version of its API.
        namespace: of its XML; "" where there is none.
        operations: by name.
        errors: the shapes of its errors, by their code.
        statuses: the HTTP statuses of its errors, by their code.
    """

    name: str
    protocol: Protocol
    signing_name: str
    target_prefix: str
    version: str
    namespace: str
    operations: Mapping[str, Operation]
    errors: Mapping[str, Shape]
    statuses: Mapping[str, int]


@functools.cache
def load_model(name: str) -> Model:
    """Reads a service's model; the shapes in it are made when they are used."""
    description = Loader().load_service_model(name, "service-2")
    service = ServiceModel(description, name)
    metadata = service.metadata
    return Model(
        name=name,
        protocol=Protocol(metadata["protocol"]),
        signing_name=service.signing_name,
        target_prefix=metadata.get("targetPrefix", ""),
        version=service.api_version,
        namespace=metadata.get("xmlNamespace", ""),
        operations={each: _build_operation(name, service.operation_model(each)) for each in service.operation_names},
        errors={shape.error_code: shape for shape in service.error_shapes},
        statuses={shape.error_code: _read_status(description["shapes"][shape.name]) for shape in service.error_shapes},
    )


def _read_status(shape: Mapping[str, Any]) -> int:
    stated = shape.get("error", {}).get("httpStatusCode")
    otherwise = HTTPStatus.INTERNAL_SERVER_ERROR if shape.get("fault") else HTTPStatus.BAD_REQUEST
    return int(stated or otherwise)


def _build_operation(service: str, model: Any) -> Operation:
    output = model.output_shape
    return Operation(
        service=service,
        name=model.name,
        method=model.http.get("method", "POST"),
        uri=model.http.get("requestUri", "/"),
        input=model.input_shape,
        output=output,
        output_wrapper=output.serialization.get("resultWrapper", "") if output else "",
        errors=frozenset(shape.error_code for shape in model.error_shapes),
    )
