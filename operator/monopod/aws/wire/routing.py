"""Which operation of which service a request is for: one port serves all of them.

    X-Amz-Target: Prefix.Operation ──► JSON    form with Action= ──► query    anything else ──► REST: method and path

The service follows from a request's head alone, so that its signature's scope can be checked before the body is read.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from monopod.aws.wire.call import AwsError
from monopod.aws.wire.codec.form import parse_form
from monopod.aws.wire.codec.paths import get_label
from monopod.aws.wire.codec.problems import MalformedRequest
from monopod.aws.wire.message import HttpRequest
from monopod.aws.wire.models import Model, Operation, Protocol

FORM: Final = "application/x-www-form-urlencoded"
LARGEST_FORM: Final = 65_536
"""In bytes. Forms are read on the loop, and no operation that is served by one needs more."""

_TARGET: Final = "x-amz-target"


class Router:
    """Finds operations.

    Args:
        models: the services; one of them speaks REST-JSON, one the query protocol.
    """

    def __init__(self, models: Iterable[Model]) -> None:
        models = tuple(models)
        self._by_target = {model.target_prefix: model for model in models if model.protocol is Protocol.JSON}
        (self._rest,) = (model for model in models if model.protocol is Protocol.REST_JSON)
        (self._query,) = (model for model in models if model.protocol is Protocol.QUERY)
        self._templates: dict[tuple[str, int], list[tuple[list[str], Operation]]] = {}
        for operation in self._rest.operations.values():
            segments = operation.uri.split("/")
            self._templates.setdefault((operation.method, len(segments)), []).append((segments, operation))
        for found in self._templates.values():  # what is said literally goes before a label
            found.sort(key=lambda each: [bool(get_label(segment)) for segment in each[0]])

    def choose_model(self, request: HttpRequest) -> Model:
        """The service that a request is for, or at least one whose clients can read the answer; by the head alone."""
        target = request.get_header(_TARGET)
        if target:
            return self._by_target.get(target.partition(".")[0]) or next(iter(self._by_target.values()))
        content_type = request.get_header("content-type").partition(";")[0].strip().lower()
        return self._query if content_type == FORM else self._rest

    def choose_operation(self, model: Model, request: HttpRequest) -> Operation:
        """The operation that a request to a service is for.

        Raises:
            AwsError: there is no such operation.
        """
        match model.protocol:
            case Protocol.JSON:
                found = self._choose_by_target(model, request)
            case Protocol.QUERY:
                return self._choose_by_action(model, request)
            case Protocol.REST_JSON:
                found = self._choose_by_path(request)
        if found is None:
            raise AwsError("UnknownOperationException", "No such operation.", status=HTTPStatus.NOT_FOUND)
        return found

    def _choose_by_target(self, model: Model, request: HttpRequest) -> Operation | None:
        prefix, _, name = request.get_header(_TARGET).partition(".")
        is_there = request.method == "POST" and request.path == "/" and prefix == model.target_prefix
        return model.operations.get(name) if is_there else None

    def _choose_by_action(self, model: Model, request: HttpRequest) -> Operation:
        if len(request.body) > LARGEST_FORM:
            message = f"The form is larger than {LARGEST_FORM:,} bytes."
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise AwsError("RequestEntityTooLargeException", message, status=status)
        try:
            fields = parse_form(request.body.decode())
        except (MalformedRequest, UnicodeDecodeError) as error:
            raise AwsError("SerializationException", str(error)) from None
        action, version = fields.get("Action", ""), fields.get("Version", "")
        found = model.operations.get(action)
        if found is None or version != model.version or request.method != "POST" or request.path != "/":
            message = f"Could not find operation {action[:100]} for version {version[:100]}"
            raise AwsError("UnknownOperationException", message)
        return found

    def _choose_by_path(self, request: HttpRequest) -> Operation | None:
        given = request.path.split("/")
        for segments, operation in self._templates.get((request.method, len(given)), ()):
            if all(_fits(template, segment) for template, segment in zip(segments, given, strict=True)):
                return operation
        return None


def _fits(template: str, segment: str) -> bool:
    return bool(segment) if get_label(template) else template == segment
