"""Each protocol of AWS's as two functions: a request becomes checked members, members or an error become an answer.

    HttpRequest ──read──► members ──constraints──► Params │ AwsError          Params │ AwsError ──write──► HttpAnswer

rpc-v2-cbor, which none of the services here speaks yet, would be one more `Codec`: its values are trees like JSON's.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Protocol

from monopod.aws.wire.call import AwsError, Params
from monopod.aws.wire.codec import form, paths, tree, xml_text
from monopod.aws.wire.codec.constraints import describe, list_violations
from monopod.aws.wire.codec.problems import MalformedRequest, UnknownMember
from monopod.aws.wire.message import HttpAnswer, HttpRequest
from monopod.aws.wire.models import Model, Operation
from monopod.aws.wire.models import Protocol as ProtocolName

INVALID: Final = (
    "InvalidParameterException",
    "ValidationException",
    "InvalidRequestException",
    "BadRequestException",
    "ClientException",
)
"""What services call a request that isn't as the model says, the more exact words first."""

UNSUPPORTED: Final = ("UnsupportedFeatureException", *INVALID)


class Codec(Protocol):
    """How one protocol is read and written."""

    def read(self, operation: Operation, request: HttpRequest) -> Params:
        """The members that were sent.

        Raises:
            MalformedRequest: it isn't what the protocol says.
            UnknownMember: a member has no place in the model.
        """
        ...

    def write(self, model: Model, operation: Operation, params: Params, request_id: str) -> HttpAnswer:
        """An answer.

        Raises:
            KeyError: a member has no place in the model.
        """
        ...

    def write_error(self, model: Model, error: AwsError, request_id: str) -> HttpAnswer:
        """An error."""
        ...


class JsonCodec:
    """JSON 1.1: everything is in the body, and every error of the caller's is 400."""

    content_type = "application/x-amz-json-1.1"

    def read(self, operation: Operation, request: HttpRequest) -> Params:
        """The members that were sent."""
        if request.query:
            raise MalformedRequest("There is a query string, and nothing reads it.")
        members = {} if operation.input is None else tree.get_members(operation.input)
        return tree.read_members(members, tree.parse_object(request.body))

    def write(self, model: Model, operation: Operation, params: Params, request_id: str) -> HttpAnswer:
        """An answer."""
        content = tree.write_members(operation.output, params) if operation.output else {}
        return HttpAnswer(HTTPStatus.OK, self.content_type, tree.dump(content))

    def write_error(self, model: Model, error: AwsError, request_id: str) -> HttpAnswer:
        """An error."""
        status = model.statuses.get(error.code, _flatten(error.status))
        return _build_error(model, error, status, self.content_type)


class RestJsonCodec(JsonCodec):
    """REST-JSON: what a request is about is in the path, the rest in the query string and the body."""

    content_type = "application/json"

    def read(self, operation: Operation, request: HttpRequest) -> Params:
        """The members that were sent."""
        content = tree.read_members(paths.get_body_members(operation), tree.parse_object(request.body))
        return {**content, **paths.read_locations(operation, request)}

    def write_error(self, model: Model, error: AwsError, request_id: str) -> HttpAnswer:
        """An error."""
        return _build_error(model, error, model.statuses.get(error.code, error.status), self.content_type)


class QueryCodec:
    """The query protocol: a form is asked, XML is answered."""

    content_type = "text/xml"

    def read(self, operation: Operation, request: HttpRequest) -> Params:
        """The members that were sent."""
        if request.query:
            raise MalformedRequest("There is a query string, and nothing reads it.")
        fields = form.parse_form(request.body.decode())
        return form.read_form(operation.input, {k: v for k, v in fields.items() if k not in ("Action", "Version")})

    def write(self, model: Model, operation: Operation, params: Params, request_id: str) -> HttpAnswer:
        """An answer."""
        content = xml_text.write_members(operation.output, params) if operation.output else ""
        if operation.output_wrapper:
            content = xml_text.write_element(operation.output_wrapper, content)
        metadata = xml_text.write_element("ResponseMetadata", xml_text.write_element("RequestId", request_id))
        return self._build(HTTPStatus.OK, f"{operation.name}Response", model.namespace, content + metadata)

    def write_error(self, model: Model, error: AwsError, request_id: str) -> HttpAnswer:
        """An error."""
        code = QUERY_CODES.get(error.code, error.code)
        status = model.statuses.get(code, error.status)
        told = {
            "Type": "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver",
            "Code": code,
            "Message": error.message,
        }
        elements = "".join(xml_text.write_element(key, xml_text.write_text(value)) for key, value in told.items())
        content = xml_text.write_element("Error", elements) + xml_text.write_element("RequestId", request_id)
        return self._build(status, "ErrorResponse", model.namespace, content)

    def _build(self, status: int, root: str, namespace: str, content: str) -> HttpAnswer:
        text = f'<{root} xmlns="{namespace}">{content}</{root}>'
        return HttpAnswer(status, self.content_type, text.encode())


QUERY_CODES: Final[Mapping[str, str]] = {
    "AccessDeniedException": "AccessDenied",
    "IncompleteSignatureException": "IncompleteSignature",
    "InternalFailure": "InternalFailure",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "SerializationException": "MalformedInput",
    "ServiceUnavailableException": "ServiceUnavailable",
    "ThrottlingException": "Throttling",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ValidationException": "ValidationError",
}
"""What the query protocol's services call the errors that every service has."""

CODECS: Final[Mapping[ProtocolName, Codec]] = {
    ProtocolName.JSON: JsonCodec(),
    ProtocolName.REST_JSON: RestJsonCodec(),
    ProtocolName.QUERY: QueryCodec(),
}


def read_params(model: Model, operation: Operation, request: HttpRequest) -> Params:
    """What an operation is asked, checked against all that the model demands.

    Raises:
        AwsError: it isn't as the model says; the message names the member.
    """
    try:
        params = CODECS[model.protocol].read(operation, request)
    except (MalformedRequest, UnicodeDecodeError) as error:
        raise AwsError("SerializationException", str(error)) from None
    except UnknownMember as error:
        code = operation.choose_code(UNSUPPORTED, "ValidationException")
        message = f"{error.path[:200]!r} isn't a member of {operation.name} that is known here, and would be lost."
        raise AwsError(code, message) from None
    if operation.input is None:
        return params
    if violations := list_violations(operation.input, params):
        raise AwsError(operation.choose_code(INVALID, "ValidationException"), describe(violations))
    return params


def write_answer(model: Model, operation: Operation, params: Params, request_id: str) -> HttpAnswer:
    """An answer as the operation's clients read it.

    Raises:
        KeyError: a member has no place in the model.
    """
    return CODECS[model.protocol].write(model, operation, params, request_id)


def write_error(model: Model, error: AwsError, request_id: str) -> HttpAnswer:
    """An error as the service's clients read it."""
    return CODECS[model.protocol].write_error(model, error, request_id)


def _flatten(status: int) -> int:
    is_callers = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.BAD_REQUEST if is_callers and status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE else status


def _build_error(model: Model, error: AwsError, status: int, content_type: str) -> HttpAnswer:
    shape = model.errors.get(error.code)
    fields = tree.write_members(shape, error.fields) if shape and error.fields else {}
    # An error that isn't in the model has no members: how they are written wouldn't be known.
    body = tree.dump({"__type": error.code, "message": error.message, **fields})
    return HttpAnswer(status, content_type, body, {"x-amzn-ErrorType": error.code})
