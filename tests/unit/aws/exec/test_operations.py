"""ExecuteCommand and what follows it, by AWS's own client and by WebSockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from monopod.aws.exec import channels, sessions
from monopod.aws.exec.rules.claims import ANNOTATION
from monopod.aws.exec.rules.grant import Grant, build_token
from monopod.aws.wire import connections
from monopod.aws.wire.call import AwsError
from monopod.aws.wire.metrics import REGISTRY
from monopod.kube.client.api import ApiError, Json
from monopod.kube.client.exec import Ended, Exec
from monopod.kube.clock import SYSTEM_CLOCK, timeout
from tests.unit.aws.exec.asking import call, execute, get_terminal, open_again, opening, refused
from tests.unit.aws.exec.client import Client
from tests.unit.aws.exec.serving import (
    BOB,
    NAMESPACE,
    REVIEWS,
    TASK_ID,
    TASK_PATH,
    Door,
    TaskApi,
    a_container,
    a_task,
    serving,
)
from tests.unit.aws.wire.serving import ANA, KEY, SECRET, ask
from tests.unit.fake_clock import FakeClock

CLUSTER_PATH = "/apis/ecs.monopod.dev/v1beta1/ecsclusters/prod"


@asynccontextmanager
async def a_door(task: Json | None = None) -> AsyncIterator[Door]:
    async with serving(Door(TaskApi(task or a_task()))) as door:
        yield door


async def test_awss_own_client_reads_the_answers() -> None:
    async with a_door(a_task(a_container("My_App"))) as door:
        answer = await ask(
            door.url, "ecs", "execute_command", cluster="prod", task=TASK_ID, command="sh", interactive=True
        )
        assert answer["clusterArn"] == "arn:aws:ecs:us-east-1:111122223333:cluster/prod"
        assert answer["taskArn"] == f"arn:aws:ecs:us-east-1:111122223333:task/prod/{TASK_ID}"
        assert answer["containerArn"].endswith(f":container/prod/{TASK_ID}/id-of-My_App")
        assert (answer["containerName"], answer["interactive"]) == ("My_App", True)
        session = answer["session"]
        assert session["sessionId"].startswith("ecs-execute-command-")
        host = door.url.removeprefix("http://")
        assert session["streamUrl"].startswith(f"ws://{host}/v1/data-channel/{session['sessionId']}?")
        resumed = await ask(door.url, "ssm", "resume_session", SessionId=session["sessionId"])
        assert resumed["SessionId"] == session["sessionId"]


async def test_a_task_is_named_by_its_arn_too() -> None:
    async with a_door() as door:
        arn = f"arn:aws:ecs:us-east-1:111122223333:task/prod/{TASK_ID}"
        cluster = "arn:aws:ecs:us-east-1:111122223333:cluster/prod"
        assert (await execute(door, task=arn, cluster=cluster))["taskArn"] == arn


async def test_a_command_runs_in_the_callers_name_in_the_tasks_container() -> None:
    async with a_door() as door, opening((await execute(door))["session"]) as channel:
        (await get_terminal(door)).show(b"$ ")
        await channel.until_shown(b"$ ")
        assert door.started == [(ANA, Exec(NAMESPACE, TASK_ID, "app", ("sh", "-c", "exit 3")))]
        await channel.type(b"x\r")
        async with asyncio.timeout(15):
            await door.terminals[0].took.wait()
        door.terminals[0].show(Ended(3))
        assert await channel.until_over() == "The command ended with exit code 3."
        assert door.terminals[0].sizes == [(100, 30)]
        assert door.terminals[0].typed == b"x\r"
        assert door.terminals[0].is_closed


async def test_a_token_opens_one_session_whichever_replica_it_is_shown() -> None:
    api = TaskApi(a_task())
    async with serving(Door(api)) as one, serving(Door(api)) as other:
        session = (await execute(one))["session"]
        elsewhere = {**session, "streamUrl": session["streamUrl"].replace(one.url[7:], other.url[7:])}
        async with opening(elsewhere) as channel:  # another than the one that gave it
            (await get_terminal(other)).show(b"$")
            await channel.until_shown(b"$")
            for again in (session, elsewhere):
                assert await open_again(one, again) == "The session has begun already."
        assert len(one.started) + len(other.started) == 1


async def test_of_two_that_show_a_token_at_once_one_gets_the_session() -> None:
    api = TaskApi(a_task())
    async with serving(Door(api)) as one, serving(Door(api)) as other:
        session = (await execute(one))["session"]
        urls = [session["streamUrl"].replace(one.url[7:], each.url[7:]) for each in (one, other) for _ in range(5)]

        async def race(url: str) -> str | None:
            async with opening({**session, "streamUrl": url}) as channel:
                return await channel.until_over()

        runs = [asyncio.create_task(race(url)) for url in urls]
        waiting, told = set(runs), []
        while len(waiting) > 1:
            done, waiting = await asyncio.wait(waiting, timeout=15, return_when=asyncio.FIRST_COMPLETED)
            told += [each.result() for each in done]
        assert told == ["The session has begun already."] * 9
        winner = one if one.sessions and one.sessions.number else other
        (await get_terminal(winner)).show(Ended(0))
        assert [each.result() for each in (await asyncio.wait(waiting, timeout=15))[0]] == [""]
        assert len(one.started) + len(other.started) == 1


async def test_a_claim_that_meets_another_change_of_the_task_is_made_again() -> None:
    async with a_door() as door:
        api, conflicts = door.api, [1, 2]
        merge = api.merge

        async def meet(path: str, patch: Json) -> Json:
            if conflicts:
                conflicts.pop()
                raise ApiError(409, "Conflict", "changed")
            return await merge(path, patch)

        api.merge = meet  # type: ignore[method-assign]  # of this one only
        async with opening((await execute(door))["session"]):
            await get_terminal(door)
        assert not conflicts


@pytest.mark.parametrize("token", ["", "x", "e30=.x", "[" * 1000])
async def test_a_token_that_nobody_gave_opens_nothing(token: str) -> None:
    async with a_door() as door:
        session = (await execute(door))["session"]
        assert await open_again(door, session, token) == "This is no token."
        assert door.started == []


async def test_half_a_surrogate_in_a_token_is_refused_as_any_other_text() -> None:
    async with a_door() as door:
        session = (await execute(door))["session"]
        broken = session["tokenValue"][:-1] + "\ud800"
        assert await open_again(door, session, broken) == "The token's signature is wrong."
        async with opening(session) as channel:
            await get_terminal(door)
            assert await open_again(door, session, broken) == "The session has begun already."
            door.terminals[-1].show(Ended(0))
            assert await channel.until_over() == ""


async def test_a_token_opens_no_other_session() -> None:
    async with a_door() as door:
        one, other = [(await execute(door))["session"] for _ in range(2)]
        assert await open_again(door, one, other["tokenValue"]) == "The token is for another session."


async def test_a_token_is_good_for_a_minute() -> None:
    async with a_door() as door:
        session = (await execute(door))["session"]
        past = int(SYSTEM_CLOCK.now().timestamp()) - 1
        late = build_token(Grant(session["sessionId"], KEY, "prod", TASK_ID, "app", ("sh",), past), SECRET)
        assert await open_again(door, session, late) == "The token has expired."


async def test_a_token_of_a_deleted_key_opens_nothing() -> None:
    async with a_door() as door:
        session = (await execute(door))["session"]
        del door.keys[KEY]
        assert await open_again(door, session) == "The access key that the token was given to is gone."


async def test_a_token_opens_nothing_in_a_task_that_has_stopped_meanwhile() -> None:
    async with a_door() as door:
        session = (await execute(door))["session"]
        door.api.answers["get", TASK_PATH] = a_task(status="STOPPED")
        assert "The task is STOPPED" in str(await open_again(door, session))
        assert ANNOTATION not in str(door.api.requests)


async def test_who_may_not_change_the_task_is_told_so() -> None:
    async with a_door() as door:
        session = (await execute(door))["session"]

        async def forbid(path: str, patch: Json) -> Json:
            raise ApiError(403, "Forbidden", "ecstasks is forbidden")

        door.api.merge = forbid  # type: ignore[method-assign]  # of this one only
        assert await open_again(door, session) == "ecstasks is forbidden"


async def test_a_session_goes_on_over_a_new_connection() -> None:
    async with a_door() as door:
        session, client = (await execute(door))["session"], Client()
        async with opening(session, client) as channel:
            (await get_terminal(door)).show(b"1")
            await channel.until_shown(b"1")
        door.terminals[0].show(b"2")
        resumed = await call(door, "ResumeSession", SessionId=session["sessionId"])
        assert resumed["StreamUrl"] == session["streamUrl"]
        async with opening(session, client, resumed["TokenValue"]) as channel:
            await channel.until_shown(b"12")
            await channel.type(b"x")
            door.terminals[0].show(b"3", Ended(0))
            assert await channel.until_over() == ""
        assert bytes(client.shown) == b"123"
        assert len(door.started) == 1


async def test_a_session_is_resumed_once_by_each_token_and_by_its_user_only() -> None:
    async with a_door() as door:
        session, client = (await execute(door))["session"], Client()
        async with opening(session, client) as channel:
            (await get_terminal(door)).show(b"1")
            await channel.until_shown(b"1")
            assert "TokenValue" not in await call(door, "ResumeSession", BOB, SessionId=session["sessionId"])
            token = (await call(door, "ResumeSession", SessionId=session["sessionId"]))["TokenValue"]
            assert await open_again(door, session, token + "x") == "The session has begun already."
            assert await open_again(door, session, token) == "The session has begun already."


async def test_a_session_that_is_over_has_no_token_so_that_the_plugin_ends() -> None:
    async with a_door() as door:
        answer = await call(door, "ResumeSession", SessionId="ecs-execute-command-0")
        assert answer["SessionId"] == "ecs-execute-command-0"
        assert "TokenValue" not in answer


async def test_a_session_is_ended_by_its_user_only() -> None:
    async with a_door() as door:
        session = (await execute(door))["session"]
        async with opening(session) as channel:
            (await get_terminal(door)).show(b"$")
            await channel.until_shown(b"$")
            with pytest.raises(AwsError, match="DoesNotExist"):
                await call(door, "TerminateSession", BOB, SessionId=session["sessionId"])
            answer = await call(door, "TerminateSession", SessionId=session["sessionId"])
            assert answer["SessionId"] == session["sessionId"]
            assert await channel.until_over() == ""


async def test_an_endpoint_that_stops_says_so() -> None:
    async with a_door() as door, opening((await execute(door))["session"]) as channel:
        (await get_terminal(door)).show(b"$")
        await channel.until_shown(b"$")
        assert door.sessions
        stopping = asyncio.create_task(door.sessions.stop())
        assert await channel.until_over() == "The endpoint is being stopped."
        await stopping
        assert door.sessions.number == 0
        assert "too many sessions" in str(await open_again(door, (await execute(door))["session"]))


async def test_a_key_has_so_many_sessions_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_A_KEY", 1)
    async with a_door() as door, opening((await execute(door))["session"]) as channel:
        await get_terminal(door)
        assert "too many sessions" in str(await open_again(door, (await execute(door))["session"]))
        assert REGISTRY.get_sample_value("monopod_aws_exec_sessions") == 1
        door.terminals[0].show(Ended(0))
        assert await channel.until_over() == ""
        door.began.clear()
        async with opening((await execute(door))["session"]) as another:
            (await get_terminal(door)).show(Ended(0))
            assert await another.until_over() == ""


async def test_refusals_before_anything_is_granted() -> None:
    async with a_door() as door:
        assert await refused(door, interactive=False) == (
            "InvalidParameterException",
            "Interactive is the only mode supported currently.",
        )
        assert (await refused(door, command=" "))[0] == "InvalidParameterException"
        assert (await refused(door, task="x"))[0] == "InvalidParameterException"
        assert (await refused(door, container="db"))[0] == "InvalidParameterException"
        door.api.answers["create", REVIEWS] = {"status": {"allowed": False}}
        code, message = await refused(door)
        assert code == "AccessDeniedException"
        assert 'cannot get resource "pods/exec" in API group "" in the namespace "ecs-prod"' in message


async def test_a_task_that_does_not_exist_and_a_cluster_that_does_not() -> None:
    async with a_door() as door:
        assert (await refused(door, task="f" * 32))[0] == "ClusterNotFoundException"
        door.api.answers["get", CLUSTER_PATH] = {"metadata": {"name": "prod"}, "spec": {"active": True}}
        assert await refused(door, task="f" * 32) == (
            "InvalidParameterException",
            "The referenced task was not found.",
        )


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_no_websocket_opens_no_channel(method: str) -> None:
    async with a_door() as door, aiohttp.ClientSession() as http:
        url = f"{door.url}{channels.PATH}s-1"
        assert (await http.request(method, url)).status == 400


async def test_strangers_that_say_nothing_take_no_more_than_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MOST_OPENING", 3)
    clock = FakeClock()
    monkeypatch.setattr(channels, "timeout", lambda _, seconds: timeout(clock, seconds))
    async with a_door() as door, aiohttp.ClientSession() as http:
        url = f"{door.url}{channels.PATH}s-1"
        strangers = [await http.ws_connect(url) for _ in range(3)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(url)
        assert refusal.value.status == 503
        clock.step(channels.OPENING_SECONDS)
        for stranger in strangers:  # they are closed in the end
            client = Client()
            client.take(await stranger.receive_bytes(timeout=10))
            assert client.closed == "This is no token."
            await stranger.close()
        assert (await execute(door))["interactive"]


async def test_no_session_loses_its_connection_to_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    async with a_door() as door, opening((await execute(door))["session"]) as channel:
        terminal = await get_terminal(door)
        host, port = door.url.removeprefix("http://").split(":")
        strangers = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
        terminal.show(b"still there")
        await channel.until_shown(b"still there")
        for _, writer in strangers:
            writer.close()


async def test_what_cannot_be_read_ends_the_session() -> None:
    async with a_door() as door, opening((await execute(door))["session"]) as channel:
        (await get_terminal(door)).show(b"$")
        await channel.until_shown(b"$")
        await channel.socket.send_bytes(b"x" * 200)
        assert str(await channel.until_over()).startswith("The client sent what can't be read: ")
