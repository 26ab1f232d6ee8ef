"""A caller's requests carry the caller's name, those of the endpoint itself don't, and no request carries two names."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from kubernetes.aio.client import Configuration

from monopod.aws.access.impersonation import impersonate_with
from monopod.aws.wire.call import Caller
from monopod.kube.client.asynchronous import ApiClient

Names = list[tuple[list[str], list[str]]]


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[ApiClient, Names]]:
    names: Names = []

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        headers = request.headers
        names.append((headers.getall("Impersonate-User", []), headers.getall("Impersonate-Group", [])))
        return web.Response(text="" if "watch" in request.query else '{"items": []}')

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    api = ApiClient(configuration)
    try:
        yield api, names
    finally:
        await api.close()
        await runner.cleanup()


async def test_every_kind_of_request_is_made_in_the_callers_name() -> None:
    async with connected() as (api, names):
        asked = impersonate_with(api)(Caller("K", "ana", ("developers", "team a")))
        await asked.get("/x")
        await asked.create("/x", {})
        await asked.replace("/x", {})
        await asked.merge("/x", {})
        await asked.patch("/x", [])
        await asked.apply("/x", {})
        await asked.delete("/x", "uid")
        assert [item async for item in asked.list_pages("/x")] == []
        assert [event async for event in asked.watch("/x", "1")] == []
    assert names == [(["ana"], ["developers", "team a"])] * 9


async def test_no_ones_name_stays_behind() -> None:
    async with connected() as (api, names):
        impersonate = impersonate_with(api)
        ana, ben = impersonate(Caller("K", "ana", ("developers",))), impersonate(Caller("L", "ben"))
        await asyncio.gather(*(each.get("/x") for each in (ana, ben, api) for _ in range(10)))
    assert sorted(map(str, names)) == sorted(
        map(str, [(["ana"], ["developers"])] * 10 + [(["ben"], [])] * 10 + [([], [])] * 10)
    )
