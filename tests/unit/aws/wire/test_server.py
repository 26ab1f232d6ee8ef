"""The endpoint as AWS's own client meets it, and as somebody does who means no good."""

import asyncio
import dataclasses
import hashlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from monopod.aws.options import Account
from monopod.aws.sts import operations as sts
from monopod.aws.wire import endpoint, server
from monopod.aws.wire.call import AccessKey, AwsError, Call, Params, Service
from monopod.aws.wire.message import HttpAnswer
from monopod.aws.wire.metrics import REQUESTS
from monopod.kube.clock import SYSTEM_CLOCK
from tests.unit.aws.wire.serving import ANA, KEY, REGION, SECRET, ask, find_key, serving

STS = sts.build_service(Account("111122223333", REGION, "prod"))
MIB = 1024 * 1024


async def describe_cluster(call: Call) -> Params:
    if call.params["name"] == "prod":
        return {"cluster": {"name": "prod", "status": "ACTIVE", "tags": {"asked by": call.caller.user}}}
    raise AwsError("ResourceNotFoundException", f"No cluster found for name: {call.params['name']}.")


async def fail(_: Call) -> Params:
    raise KeyError("a bug")


async def answer_nonsense(_: Call) -> Params:
    return {"nonsense": 1}


EKS = Service(
    "eks", {"DescribeCluster": describe_cluster, "ListClusters": fail, "ListFargateProfiles": answer_nonsense}
)


def read_error(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, str, int]:
    told = raised.value.response
    assert told["ResponseMetadata"]["RequestId"]
    return told["Error"]["Code"], told["Error"]["Message"], told["ResponseMetadata"]["HTTPStatusCode"]


async def test_a_client_is_answered() -> None:
    async with serving(EKS, STS) as url:
        assert (await ask(url, "eks", "describe_cluster", name="prod"))["cluster"]["tags"] == {"asked by": "ana"}
        identity = await ask(url, "sts", "get_caller_identity")
    assert identity["Arn"] == "arn:aws:iam::111122223333:user/ana"
    assert (identity["Account"], identity["UserId"]) == ("111122223333", "ana")


REFUSALS: dict[str, tuple[str, str, dict[str, Any], str, str, int]] = {
    "what isn't there": (
        "eks", "describe_cluster", {"name": "x"},
        "ResourceNotFoundException", "No cluster found for name: x.", 404,
    ),
    "what breaks a constraint": (
        "eks", "list_fargate_profiles", {"clusterName": "prod", "maxResults": 101},
        "InvalidParameterException", "Member must have value less than or equal to 100", 400,
    ),
    "what never will be": (
        "eks", "list_nodegroups", {"clusterName": "prod"},
        "InvalidRequestException", "ListNodegroups isn't part of Monopod: Pods of Fargate profiles need no worker", 400,
    ),
    "what isn't built yet": (
        "ecs", "list_services", {}, "UnsupportedFeatureException", "ListServices isn't built yet: Services", 400,
    ),
    "logs that aren't served": (
        "logs", "describe_queries", {}, "InvalidOperationException", "DescribeQueries isn't part of Monopod: ", 400,
    ),
    "roles": (
        "sts", "assume_role", {"RoleArn": "arn:aws:iam::1:role/abcdefgh", "RoleSessionName": "ab"},
        "InvalidAction", "AssumeRole isn't part of Monopod: An access key stands for a user of Kubernetes", 400,
    ),
    "a bug": ("eks", "list_clusters", {}, "InternalFailure", "its log has it by the request's id", 500),
    "an answer that isn't in the model": (
        "eks", "list_fargate_profiles", {"clusterName": "prod"},
        "InternalFailure", "its log has it by the request's id", 500,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_says_why(case: str) -> None:
    service, operation, params, code, message, status = REFUSALS[case]
    async with serving(EKS, STS) as url:
        with pytest.raises(ClientError) as raised:
            await ask(url, service, operation, **params)
    told, words, number = read_error(raised)
    assert (told, number) == (code, status)
    assert message in words


STRANGERS: dict[str, tuple[dict[str, str], str, str]] = {
    "another key": ({"key": "MPODBBBBBBBBBBBBBBBB"}, "UnrecognizedClientException", "InvalidClientTokenId"),
    "another secret": ({"secret": "x" * 40}, "InvalidSignatureException", "SignatureDoesNotMatch"),
    "another region": ({"region": "eu-west-1"}, "InvalidSignatureException", "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize("who", STRANGERS)
async def test_a_stranger_is_told_nothing(who: str) -> None:
    credentials, code, query_code = STRANGERS[who]
    async with serving(EKS, STS) as url:
        for service, operation, expected in (
            ("eks", "list_nodegroups", code),
            ("ecs", "list_clusters", code),
            ("sts", "get_caller_identity", query_code),
        ):
            params = {"clusterName": "prod"} if operation == "list_nodegroups" else {}
            with pytest.raises(ClientError) as raised:
                await ask(url, service, operation, credentials, **params)
            assert read_error(raised)[0] == expected


async def test_trouble_with_keys_is_ours_and_no_strangers() -> None:
    async def find(_: str) -> AccessKey | None:
        raise AwsError("ServiceUnavailableException", "The access keys can't be read now.", status=503)

    async with serving(EKS, find=find) as url:
        with pytest.raises(ClientError) as raised:
            await ask(url, "eks", "list_clusters")
    assert read_error(raised) == ("ServiceUnavailableException", "The access keys can't be read now.", 503)


async def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: Call) -> Params:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(endpoint, "HANDLER_SECONDS", 0.05)
    async with serving(Service("eks", {"ListClusters": hang})) as url:
        with pytest.raises(ClientError) as raised:
            await ask(url, "eks", "list_clusters")
    code, message, status = read_error(raised)
    assert (code, status) == ("ServiceUnavailableException", 503)
    assert message == "ListClusters took too long; what it began may have been done."


def sign(url: str, body: bytes, key: str = KEY, headers: dict[str, str] | None = None) -> dict[str, str]:
    """The headers of a signed request to ECS."""
    target = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListTasks", **(headers or {})}
    request = AWSRequest("POST", f"{url}/", target, body)
    SigV4Auth(Credentials(key, SECRET), "ecs", REGION).add_auth(request)
    return dict(request.headers)


async def post(url: str, headers: dict[str, str], body: Any, path: str = "/") -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session,
        session.post(f"{url}{path}", data=body, headers=headers) as answer,
    ):
        assert answer.headers["x-amzn-RequestId"]
        return answer.status, await answer.json(content_type=None)


async def drip(size: int, pause: float = 0.0) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536
        await asyncio.sleep(pause)


@pytest.mark.parametrize("stated", [True, False], ids=["with its length", "in chunks"])
async def test_a_body_of_64_mib_is_not_read(stated: bool) -> None:
    async with serving() as url:
        body: Any = io.BytesIO(b" " * (64 * MIB)) if stated else drip(64 * MIB)
        try:
            status, told = await post(url, sign(url, b""), body)
        except aiohttp.ClientError:  # it closed the connection while we still sent, which is as good
            return
    assert (status, told["__type"]) == (413, "RequestEntityTooLargeException")


async def test_the_largest_body_is_read() -> None:
    body = b"{" + b" " * (MIB - 2) + b"}"
    async with serving() as url:
        status, told = await post(url, sign(url, body), body)
    assert (status, told["__type"]) == (400, "UnsupportedFeatureException")


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.1)
    async with serving() as url:
        status, told = await post(url, sign(url, b""), drip(MIB // 2, pause=0.1))
    assert (status, told["__type"]) == (400, "RequestTimeoutException")


async def test_nobodys_body_is_waited_for() -> None:
    """An unknown key, no signature: there is an answer before the first byte of the body."""
    async with serving() as url:
        unknown = sign(url, b"", "MPODBBBBBBBBBBBBBBBB")
        assert "UnrecognizedClientException" in await begin(url, unknown)
        assert "MissingAuthenticationTokenException" in await begin(url, {})


async def test_a_body_that_breaks_off_is_no_failure_of_ours() -> None:
    answered = asyncio.Event()

    class Seen(endpoint.Endpoint):
        async def answer(self, *asked: Any) -> HttpAnswer:
            answers.append(await super().answer(*asked))
            answered.set()
            return answers[-1]

    answers: list[HttpAnswer] = []
    served = server.Server(Seen((), REGION, find_key, SYSTEM_CLOCK), "127.0.0.1", 0)
    await served.start(None)
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        headers = {**sign("http://monopod", b"{}"), "Host": "monopod", "Content-Length": "2"}
        lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        writer.close()
        async with asyncio.timeout(10):
            await answered.wait()
    finally:
        await served.stop()
    assert b"SerializationException" in answers[0].body


async def begin(url: str, headers: dict[str, str]) -> str:
    """The answer to a head whose body never comes."""
    host = url.removeprefix("http://")
    lines = ["POST / HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    reader, writer = await asyncio.open_connection(*host.split(":"))
    writer.write("\r\n".join([*lines, "Content-Length: 1000000", "", ""]).encode())
    try:
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
            return (await reader.read(1000)).decode()
    finally:
        writer.close()


async def test_more_than_can_be_read_at_once_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_ACTIVE", 0)
    async with serving() as url:
        status, told = await post(url, sign(url, b"{}"), b"{}")
    assert (status, told["__type"]) == (400, "ThrottlingException")


async def test_who_knows_a_keys_id_takes_no_more_places_than_that_key_has(monkeypatch: pytest.MonkeyPatch) -> None:
    other = "MPODBBBBBBBBBBBBBBBB"

    async def find(access_key_id: str) -> AccessKey | None:
        return AccessKey(ANA, SECRET) if access_key_id in (KEY, other) else None

    monkeypatch.setattr(server, "MOST_OF_A_KEY", 1)
    async with serving(find=find) as url:
        host = url.removeprefix("http://")
        head = "\r\n".join(["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in sign(url, b"{}").items())])
        _, writer = await asyncio.open_connection(*host.split(":"))
        writer.write(f"{head}\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n".encode())
        try:
            async with asyncio.timeout(10):
                while (await post(url, sign(url, b"{}"), b"{}"))[1]["__type"] != "ThrottlingException":
                    pass
            _, told = await post(url, sign(url, b"{}", other), b"{}")
        finally:
            writer.close()
    assert told["__type"] == "UnsupportedFeatureException"


async def test_nothing_is_unpacked() -> None:
    body = b"\x1f\x8b" + b"\x00" * 100
    async with serving() as url:
        status, told = await post(url, {**sign(url, body), "Content-Encoding": "gzip"}, body)
    assert (status, told["__type"]) == (400, "SerializationException")


async def test_deep_json_is_refused() -> None:
    body = b'{"cluster":' + b"[" * 500_000
    calls = []

    async def list_tasks(call: Call) -> Params:
        calls.append(call)
        return {}

    async with serving(Service("ecs", {"ListTasks": list_tasks})) as url:
        status, told = await post(url, sign(url, body), body)
    assert (status, told["__type"], calls) == (400, "SerializationException", [])


async def test_large_bodies_are_read_beside_others_and_few_at_once() -> None:
    begun, ends = asyncio.Event(), asyncio.Event()
    large = json.dumps({"cluster": "x" * (2 * endpoint.LARGE_BODY)}).encode()
    active, most = 0, 0

    async def list_tasks(call: Call) -> Params:
        nonlocal active, most
        if len(call.params["cluster"]) == 1:
            return {}
        active += 1
        most = max(most, active)
        begun.set()
        await ends.wait()
        active -= 1
        return {}

    async with serving(Service("ecs", {"ListTasks": list_tasks})) as url:
        asked = [asyncio.create_task(post(url, sign(url, large), large)) for _ in range(5)]
        await begun.wait()
        small = b'{"cluster": "x"}'
        assert await post(url, sign(url, small), small) == (200, {})
        ends.set()
        assert await asyncio.gather(*asked) == [(200, {})] * 5
    assert most <= endpoint.MOST_LARGE


async def test_large_bodies_of_a_key_hold_up_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    other, begun, ends = "MPODBBBBBBBBBBBBBBBB", asyncio.Semaphore(0), asyncio.Event()
    large = json.dumps({"cluster": "x" * (2 * endpoint.LARGE_BODY)}).encode()

    async def find(access_key_id: str) -> AccessKey | None:
        return AccessKey(dataclasses.replace(ANA, access_key_id=access_key_id), SECRET)

    async def list_tasks(call: Call) -> Params:
        if call.caller.access_key_id == KEY:
            begun.release()
            await ends.wait()
        return {}

    async with serving(Service("ecs", {"ListTasks": list_tasks}), find=find) as url:
        asked = [asyncio.create_task(post(url, sign(url, large), large)) for _ in range(5)]
        for _ in range(endpoint.MOST_LARGE):
            await begun.acquire()
        assert await post(url, sign(url, large, other), large) == (200, {})
        monkeypatch.setattr(endpoint, "MOST_LARGE_OF_ALL", endpoint.MOST_LARGE)
        _, told = await post(url, sign(url, large, other), large)
        assert told["__type"] == "ThrottlingException"
        ends.set()
        assert await asyncio.gather(*asked) == [(200, {})] * 5


async def test_a_large_form_is_refused_before_it_is_read() -> None:
    body = b"Action=GetCallerIdentity&Version=2011-06-15&x=" + b"%41" * 40_000
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with serving(STS) as url:
        request = AWSRequest("POST", f"{url}/", form, body)
        SigV4Auth(Credentials(KEY, SECRET), "sts", REGION).add_auth(request)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/", data=body, headers=dict(request.headers)) as answer,
        ):
            assert answer.status == 413
            assert "<Code>RequestEntityTooLargeException</Code>" in await answer.text()


async def test_a_body_that_was_swapped_is_refused() -> None:
    async with serving() as url:
        signed = sign(url, b'{"maxResults": 1}')
        hashed = sign(url, b"{}", headers={"X-Amz-Content-SHA256": hashlib.sha256(b"{}").hexdigest()})
        for headers in (signed, hashed, sign(url, b"{}", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})):
            status, told = await post(url, headers, b'{"maxResults": 2}')
            assert (status, told["__type"]) == (400, "InvalidSignatureException")


async def test_what_is_no_http_breaks_nothing() -> None:
    async with serving(EKS) as url:
        port = int(url.rpartition(":")[2])
        for noise in (b"GET http://[ HTTP/1.1\r\n\r\n", b"\x00" * 100, b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(noise)
            async with asyncio.timeout(10):
                told = await reader.read()
            writer.close()
            status, _, body = told.partition(b"\r\n\r\n")
            assert status.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 40"))
            assert b"x-amzn-RequestId: " in status
            assert json.loads(body)["__type"] in ("SerializationException", "MissingAuthenticationTokenException")
        assert (await ask(url, "eks", "describe_cluster", name="prod"))["cluster"]["name"] == "prod"


async def test_requests_are_counted() -> None:
    labels = {"service": "eks", "operation": "DescribeCluster", "code": "ok"}
    before = REQUESTS.labels(**labels)._value.get()
    async with serving(EKS) as url:
        await ask(url, "eks", "describe_cluster", name="prod")
    assert REQUESTS.labels(**labels)._value.get() == before + 1


def test_a_key_does_not_show_its_secret() -> None:
    assert SECRET not in repr(AccessKey(ANA, SECRET))
