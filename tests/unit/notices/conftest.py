from collections.abc import AsyncIterator

import pytest_asyncio

from tests.receiver import Receiver


@pytest_asyncio.fixture(loop_scope="function")
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    await found.start()
    yield found
    await found.stop()
