"""Access keys are found, and forgotten when their Secret is gone; nobody's guesses cost the API server much."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from monopod.access_keys.rules.stored_key import StoredKey
from monopod.aws.access.keys import FRESH_SECONDS, RETRY_SECONDS, AccessKeys
from monopod.aws.wire.call import AwsError, Caller
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.objects.resources import SECRETS
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.running import settle

ID, SECRET = "MPODAAAAAAAAAAAAAAAA", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PATH = SECRETS.list_path("monopod-system")


def a_secret(key: StoredKey, name: str = "") -> dict[str, Any]:
    secret = key.build_secret("monopod-system")
    secret["data"] = {each: base64.b64encode(text.encode()).decode() for each, text in secret.pop("stringData").items()}
    secret["metadata"]["name"] = name or secret["metadata"]["name"]
    return secret


ANAS = StoredKey(ID, SECRET, "ana", ("developers",))


class Api(FakeApi):
    def __init__(self, *keys: StoredKey) -> None:
        super().__init__()
        self.lists[PATH] = [a_secret(key) for key in keys]
        self.reads = 0
        self.failure: Exception | None = None

    async def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        self.reads += 1
        assert query == {"fieldSelector": "type=monopod.dev/access-key"}
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        async for item in super().list_pages(path, query):
            yield item


async def test_a_key_stands_for_its_user() -> None:
    keys = AccessKeys(Api(ANAS), "monopod-system", FakeClock())
    found = await keys.find(ID)
    assert found is not None
    assert (found.caller, found.secret) == (Caller(ID, "ana", ("developers",)), SECRET)
    assert await keys.find("MPODBBBBBBBBBBBBBBBB") is None


async def test_a_deleted_key_signs_nothing_soon() -> None:
    api, clock = Api(ANAS), FakeClock()
    keys = AccessKeys(api, "monopod-system", clock)
    assert await keys.find(ID)
    api.lists[PATH] = []
    clock.step(FRESH_SECONDS - 0.1)
    assert await keys.find(ID)
    clock.step(0.2)
    assert await keys.find(ID) is None


async def test_a_new_key_is_good_after_a_moment_and_guesses_are_cheap() -> None:
    api, clock = Api(), FakeClock()
    keys = AccessKeys(api, "monopod-system", clock)
    assert await keys.find(ID) is None
    api.lists[PATH] = [a_secret(ANAS)]
    clock.step(0.1)
    asked = [asyncio.create_task(keys.find(each)) for each in [ID] + ["MPODBBBBBBBBBBBBBBBB"] * 100]
    await settle()
    assert api.reads == 1
    clock.step(RETRY_SECONDS)
    found = await asyncio.gather(*asked)
    assert found[0] is not None
    assert (found[1:], api.reads) == ([None] * 100, 2)


async def test_a_new_key_is_good_at_once_where_nobody_guesses() -> None:
    api, clock = Api(), FakeClock()
    keys = AccessKeys(api, "monopod-system", clock)
    assert await keys.find(ID) is None
    api.lists[PATH] = [a_secret(ANAS)]
    clock.step(RETRY_SECONDS)
    assert await keys.find(ID)


async def test_all_who_wait_are_told_by_one_list() -> None:
    api = Api(ANAS)
    keys = AccessKeys(api, "monopod-system", FakeClock())
    assert all(await asyncio.gather(*(keys.find(ID) for _ in range(50))))
    assert api.reads == 1


async def test_a_key_that_two_secrets_have_is_nobodys() -> None:
    api, clock = Api(ANAS), FakeClock()
    api.lists[PATH].append(a_secret(StoredKey(ID, "y" * 40, "root"), "another"))
    keys = AccessKeys(api, "monopod-system", clock)
    assert await keys.find(ID) is None
    del api.lists[PATH][1]
    clock.step(FRESH_SECONDS)
    assert await keys.find(ID)


async def test_a_secret_that_is_no_key_is_passed_over() -> None:
    api = Api(ANAS)
    other = a_secret(StoredKey("MPODBBBBBBBBBBBBBBBB", SECRET, "ben"))
    api.lists[PATH] += [{**other, "type": "Opaque"}, {**other, "data": None, "metadata": {"name": "empty"}}]
    keys = AccessKeys(api, "monopod-system", FakeClock())
    assert await keys.find(ID)
    assert await keys.find("MPODBBBBBBBBBBBBBBBB") is None


@pytest.mark.parametrize("failure", [ApiUnreachable("away"), ApiError(403, "Forbidden", "may not list secrets")])
async def test_what_cannot_be_read_is_our_trouble(failure: Exception) -> None:
    """That the endpoint may not read its keys isn't that the caller may not do something."""
    api, clock = Api(ANAS), FakeClock()
    keys = AccessKeys(api, "monopod-system", clock)
    assert await keys.find(ID)
    api.failure = failure
    clock.step(FRESH_SECONDS)
    with pytest.raises(AwsError) as raised:
        await keys.find(ID)
    assert (raised.value.code, raised.value.status) == ("ServiceUnavailableException", 503)
    api.failure = None
    clock.step(RETRY_SECONDS)
    assert await keys.find(ID)
