"""A request that isn't as the model says is refused in AWS's words, and nothing that is sent breaks the reading."""

import json
import random
from typing import Any

import pytest
from botocore.model import ShapeResolver

from monopod.aws.wire.call import LONGEST_MESSAGE, AwsError
from monopod.aws.wire.codec.codec import read_params, write_error
from monopod.aws.wire.codec.constraints import describe, list_violations
from monopod.aws.wire.codec.form import read_form
from monopod.aws.wire.codec.paths import get_body_members
from monopod.aws.wire.codec.problems import MalformedRequest
from monopod.aws.wire.codec.tree import write_members
from monopod.aws.wire.message import HttpRequest
from monopod.aws.wire.models import SERVICES, load_model
from tests.unit.aws.wire.clients import build_request, read, send
from tests.unit.aws.wire.draws import Draw

PROFILE = {"fargateProfileName": "web", "podExecutionRoleArn": "arn:aws:iam::111122223333:role/pods"}
PROFILES = "/clusters/prod/fargate-profiles"
FORM = (("content-type", "application/x-www-form-urlencoded"),)


def _ask_eks(content: dict[str, Any] | bytes, query: str = "", path: str = PROFILES) -> dict[str, Any]:
    model = load_model("eks")
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_params(model, model.operations["CreateFargateProfile"], HttpRequest("POST", path, query, body=body))


CASES: dict[str, tuple[dict[str, Any] | bytes, str, str]] = {
    "no JSON": (b"{", "SerializationException", "The body isn't JSON"),
    "no UTF-8": (b'{"fargateProfileName": "\xff"}', "SerializationException", "The body isn't JSON"),
    "a list": (b"[]", "SerializationException", "The body isn't a JSON object."),
    "a million brackets": (b'{"tags":' + b"[" * 1_000_000, "SerializationException", "The body is nested too deeply."),
    "a million objects": (b'{"a":' * 200_000, "SerializationException", "The body is nested too deeply."),
    "a number of a million digits": (b'{"tags": ' + b"1" * 1_000_000 + b"}", "SerializationException", "isn't JSON"),
    "no number": (b'{"tags": NaN}', "SerializationException", "NaN is no JSON."),
    "twice": (
        b'{"subnets": [], "subnets": ["a"]}',
        "SerializationException",
        "'subnets' is there twice in one object.",
    ),
    "twice, at the end of many": (
        b"{" + b",".join(b'"a%d":0' % number for number in (*range(80_000), 79_999)) + b"}",
        "SerializationException",
        "'a79999' is there twice in one object.",
    ),
    "half a character": (
        b'{"fargateProfileName": "\\ud800"}',
        "SerializationException",
        "fargateProfileName: the text has a surrogate without its other half.",
    ),
    "a number for a text": (
        {"fargateProfileName": 7},
        "SerializationException",
        "fargateProfileName: NUMBER_VALUE can't be converted to a String.",
    ),
    "a truth for a text": (
        {**PROFILE, "subnets": [True]},
        "SerializationException",
        "subnets[0]: TRUE_VALUE can't be converted to a String.",
    ),
    "a text for a list": (
        {**PROFILE, "subnets": "a"},
        "SerializationException",
        "subnets: STRING_VALUE can't be converted to a list.",
    ),
    "null in a list": (
        {**PROFILE, "subnets": [None]},
        "SerializationException",
        "subnets[0]: null can't be in a list or a map.",
    ),
    "unknown": (
        {**PROFILE, "nodeRole": "x"},
        "InvalidParameterException",
        "'nodeRole' isn't a member of CreateFargateProfile that is known here, and would be lost.",
    ),
    "unknown, and null": (
        {**PROFILE, "nodeRole": None},
        "InvalidParameterException",
        "'nodeRole' isn't a member of CreateFargateProfile that is known here, and would be lost.",
    ),
    "unknown, inside": (
        {**PROFILE, "selectors": [{"namespace": "a", "Labels": {}}]},
        "InvalidParameterException",
        "'selectors[0].Labels' isn't a member of CreateFargateProfile that is known here, and would be lost.",
    ),
    "missing": (
        {"fargateProfileName": "web"},
        "InvalidParameterException",
        "1 validation error detected: Value null at 'podExecutionRoleArn' failed to satisfy constraint: "
        "Member must not be null",
    ),
    "all at once": (
        {"tags": {"": "x" * 257}},
        "InvalidParameterException",
        "4 validation errors detected: Value null at 'fargateProfileName' failed to satisfy constraint: "
        "Member must not be null; Value null at 'podExecutionRoleArn' failed to satisfy constraint: "
        "Member must not be null; Value '' at 'tags.key' failed to satisfy constraint: "
        f"Member must have length greater than or equal to 1; Value '{'x' * 256}' at 'tags..member' failed to satisfy "
        "constraint: Member must have length less than or equal to 256",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said(case: str) -> None:
    content, code, message = CASES[case]
    with pytest.raises(AwsError) as refused:
        _ask_eks(content)
    assert refused.value.code == code
    assert message in refused.value.message


def test_null_is_as_good_as_absent() -> None:
    assert _ask_eks({**PROFILE, "tags": None}) == {**PROFILE, "clusterName": "prod"}


@pytest.mark.parametrize(
    ("operation", "path", "query", "message"),
    [
        ("ListFargateProfiles", PROFILES, "maxResults=0", "Member must have value greater than or equal to 1"),
        ("ListFargateProfiles", PROFILES, "maxResults=101", "Member must have value less than or equal to 100"),
        ("ListFargateProfiles", PROFILES, "maxResults=ten", "maxResults: 'ten' is no integer."),
        ("ListFargateProfiles", PROFILES, "maxResults=%D9%A3", "maxResults: '٣' is no integer."),
        ("ListFargateProfiles", PROFILES, "maxResults=1&maxResults=2", "maxResults: it is there twice."),
        ("ListFargateProfiles", PROFILES, "maxResults=" + "9" * 5000, "is no integer."),
        ("ListFargateProfiles", PROFILES, "max=1", "'max' isn't a member"),
        ("ListFargateProfiles", PROFILES, "nextToken=%ff", "The query string can't be read"),
        ("ListFargateProfiles", PROFILES, "&".join(f"a{n}=1" for n in range(3000)), "The query string can't be read"),
        ("ListFargateProfiles", "/clusters/%ff/fargate-profiles", "", "The path isn't UTF-8."),
    ],
)
def test_what_is_wrong_in_the_address_is_said(operation: str, path: str, query: str, message: str) -> None:
    model = load_model("eks")
    with pytest.raises(AwsError) as refused:
        read_params(model, model.operations[operation], HttpRequest("GET", path, query))
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("RoleArn=a&RoleArn=b", "A field is there twice."),
        ("Tags=a&Tags.member.1.Key=b", "it is a value, and has members too."),
        ("Tags.member.2.Key=b", "Tags: an item of the list is missing."),
        ("Tags.member.x.Key=b", "Tags: items of a list are numbered from 1."),
        ("Tags.item.1.Key=b", "'Tags.item' isn't a member"),
        ("RoleArn.x=b", "RoleArn: it is a value, and was sent with members."),
        (".".join("a" * 100) + "=1", "nested too deeply"),
        ("&".join(f"a{n}=1" for n in range(3000)), "The form can't be read"),
        ("DurationSeconds=1e3", "DurationSeconds: '1e3' is no integer."),
        ("RoleArn=%ff", "The form can't be read"),
        ("", "2 validation errors detected"),
    ],
)
def test_what_is_wrong_in_a_form_is_said(body: str, message: str) -> None:
    model = load_model("sts")
    request = HttpRequest("POST", "/", headers=FORM, body=f"Action=AssumeRole&Version=2011-06-15&{body}".encode())
    with pytest.raises(AwsError) as refused:
        read_params(model, model.operations["AssumeRole"], request)
    assert message in refused.value.message


def test_a_key_that_a_form_has_twice_is_refused() -> None:
    """No operation that is served has a map in a form, so the shape is made up."""
    shapes = {
        "Input": {"type": "structure", "members": {"Tags": {"shape": "Map"}}},
        "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
        "Text": {"type": "string"},
    }
    shape = ShapeResolver(shapes).get_shape_by_name("Input")
    fields = {f"Tags.entry.{number}.{part}": "a" for number in (1, 2) for part in ("key", "value")}
    assert read_form(shape, {**fields, "Tags.entry.2.key": "b"}) == {"Tags": {"a": "a", "b": "a"}}
    with pytest.raises(MalformedRequest, match="Tags: a key is there twice"):
        read_form(shape, fields)


JUNK: list[Any] = [None, True, 0, -1, 1e300, 2**70, "", "x" * 3000, "\x00", [], [[]], [None], {}, {"a": {"b": None}}]


def _spoil(chance: random.Random, value: Any) -> Any:
    """Something in it is something else."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        spoilt = dict(value)
        key = chance.choice(list(spoilt))
        match chance.randrange(4):
            case 0:
                del spoilt[key]
            case 1:
                spoilt[chance.choice(["unknown", "", "é" * 500, key.upper()])] = chance.choice(JUNK)
            case _:
                spoilt[key] = _spoil(chance, spoilt[key])
        return spoilt
    if isinstance(value, list) and value and chance.random() < 0.8:
        return [*value[:-1], _spoil(chance, value[-1])]
    return chance.choice(JUNK)


def _read(service: str, operation: str, request: HttpRequest) -> dict[str, Any] | AwsError:
    model = load_model(service)
    try:
        return read_params(model, model.operations[operation], request)
    except AwsError as error:
        return error


def _remove_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _remove_nulls(each) for key, each in value.items() if each is not None}
    return [_remove_nulls(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("service", ["ecs", "eks", "logs"])
def test_a_spoilt_request_is_refused_or_understood_in_full(service: str) -> None:
    model, chance = load_model(service), random.Random(7)
    refusals = 0
    for seed, operation in enumerate([each for each in model.operations.values() if each.input] * 4):
        request = send(build_request(service, operation.name, Draw(seed, 0.6).draw_members(operation.input)))
        content = json.loads(request.body or b"{}")
        spoilt = _spoil(chance, content) if content else {"unknown": 1}
        body = json.dumps(spoilt).encode()
        spoilt_request = HttpRequest(request.method, request.path, request.query, request.headers, body)
        outcome = _read(service, operation.name, spoilt_request)
        if isinstance(outcome, AwsError):
            refusals += 1
            told = read(service, operation.name, write_error(model, outcome, "the-request"))
            assert told["Error"] == {"Code": outcome.code, "Message": outcome.message}
            assert told["ResponseMetadata"]["HTTPStatusCode"] < 500
        else:
            in_body = {name for name, _ in get_body_members(operation).values()}
            kept = {name: value for name, value in outcome.items() if name in in_body}
            assert write_members(operation.input, kept) == _remove_nulls(spoilt)
    assert refusals > 100


@pytest.mark.parametrize("service", SERVICES)
def test_noise_is_refused(service: str) -> None:
    model, chance = load_model(service), random.Random(11)
    operations = [each for each in model.operations.values() if each.input]
    for _ in range(500):
        operation = chance.choice(operations)
        body = chance.choice(
            [chance.randbytes(chance.randrange(200)), bytes(chance.choices(b'{}[]":,0aN\\.&=%', k=60))]
        )
        path = operation.uri.replace("{", "").replace("}", "")
        query = bytes(chance.choices(b"&=%+;a1", k=chance.randrange(9))).decode()
        outcome = _read(service, operation.name, HttpRequest(operation.method, path, query, (), body))
        assert not isinstance(outcome, AwsError) or write_error(model, outcome, "the-request").status < 500


@pytest.mark.parametrize(
    ("service", "code", "status", "told"),
    [
        ("eks", "ResourceNotFoundException", 404, "ResourceNotFoundException"),
        ("eks", "ResourceInUseException", 409, "ResourceInUseException"),
        ("eks", "AccessDeniedException", 403, "AccessDeniedException"),
        ("ecs", "ClusterNotFoundException", 400, "ClusterNotFoundException"),
        ("ecs", "ServerException", 500, "ServerException"),
        ("ecs", "InvalidSignatureException", 400, "InvalidSignatureException"),
        ("sts", "InvalidSignatureException", 403, "SignatureDoesNotMatch"),
        ("sts", "AccessDeniedException", 403, "AccessDenied"),
    ],
)
def test_an_error_has_its_services_code_and_status(service: str, code: str, status: int, told: str) -> None:
    answer = write_error(load_model(service), AwsError(code, "<No> & é.", status=403), "the-request")
    assert answer.status == status
    error = read(service, "ListTagsForResource" if service != "sts" else "GetCallerIdentity", answer)["Error"]
    assert (error["Code"], error["Message"]) == (told, "<No> & é.")


def test_a_message_that_repeats_what_was_sent_is_bounded() -> None:
    error = AwsError("InvalidParameterException", f"No subnet {'é' * 100_000}.")
    answer = write_error(load_model("ecs"), error, "the-request")
    told = read("ecs", "RunTask", answer)["Error"]["Message"]
    assert told.startswith("No subnet é")
    assert (len(told), told[-1]) == (LONGEST_MESSAGE + 1, "…")


def test_an_errors_further_members_are_sent() -> None:
    error = AwsError("ResourceNotFoundException", "No cluster found.", {"clusterName": "prod"})
    assert json.loads(write_error(load_model("eks"), error, "the-request").body)["clusterName"] == "prod"


@pytest.mark.parametrize(
    ("service", "operation", "params", "message"),
    [
        (
            "ecs",
            "RunTask",
            {"taskDefinition": "a", "launchType": "fargate"},
            "Value 'fargate' at 'launchType' failed to satisfy constraint: Member must satisfy enum value set: [EC2, ",
        ),
        (
            "ecs",
            "RunTask",
            {"taskDefinition": "a", "tags": [{"key": "a"}, {"key": "b\x00"}]},
            "at 'tags.2.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: ([",
        ),
        (
            "ecs",
            "RunTask",
            {"taskDefinition": "a", "capacityProviderStrategy": [{"capacityProvider": "a", "weight": 1001}]},
            "Value '1001' at 'capacityProviderStrategy.1.member.weight' failed to satisfy constraint: "
            "Member must have value less than or equal to 1000",
        ),
        (
            "logs",
            "DescribeLogGroups",
            {"logGroupNamePrefix": "a b"},
            "Value 'a b' at 'logGroupNamePrefix' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
        ),
        (
            "logs",
            "DescribeLogGroups",
            {"logGroupNamePrefix": ""},
            "Value '' at 'logGroupNamePrefix' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            "logs",
            "TagResource",
            {"resourceArn": "a", "tags": {str(number): "" for number in range(51)}},
            "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50",
        ),
        (
            "eks",
            "DescribeFargateProfile",
            {"clusterName": "c"},
            "Value null at 'fargateProfileName' failed to satisfy constraint: Member must not be null",
        ),
    ],
)
def test_every_kind_of_constraint_is_told(service: str, operation: str, params: dict[str, Any], message: str) -> None:
    shape = load_model(service).operations[operation].input
    assert message in describe(list_violations(shape, params))


@pytest.mark.parametrize(
    ("count", "message"),
    [
        ("true", "count: TRUE_VALUE can't be converted to integer."),
        ("1.0", "count: NUMBER_VALUE can't be converted to integer."),
        ('"1"', "count: STRING_VALUE can't be converted to integer."),
        ("[1]", "count: START_ARRAY can't be converted to integer."),
        ("2147483648", "count: 2147483648 is no integer."),
        ("-2147483649", "count: -2147483649 is no integer."),
    ],
)
def test_a_number_is_one_of_its_type(count: str, message: str) -> None:
    model = load_model("ecs")
    body = f'{{"taskDefinition": "a", "count": {count}}}'.encode()
    with pytest.raises(AwsError) as refused:
        read_params(model, model.operations["RunTask"], HttpRequest("POST", "/", body=body))
    assert (refused.value.code, refused.value.message) == ("SerializationException", message)
