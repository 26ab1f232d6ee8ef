"""An endpoint that listens, without TLS, with one access key; and AWS's own client for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import botocore.session
from botocore.config import Config

from monopod.aws.wire.call import AccessKey, Caller, Service
from monopod.aws.wire.endpoint import Endpoint, FindKey
from monopod.aws.wire.server import Server
from monopod.kube.clock import SYSTEM_CLOCK, Clock

KEY, SECRET, REGION = "MPODAAAAAAAAAAAAAAAA", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1"
ANA = Caller(KEY, "ana", ("developers",))


async def find_key(access_key_id: str) -> AccessKey | None:
    return AccessKey(ANA, SECRET) if access_key_id == KEY else None


@asynccontextmanager
async def serving(*services: Service, find: FindKey = find_key, clock: Clock = SYSTEM_CLOCK) -> AsyncIterator[str]:
    """Yields the URL."""
    server = Server(Endpoint(services, REGION, find, clock), "127.0.0.1", 0)
    await server.start(None)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


def build_client(url: str, service: str, *, key: str = KEY, secret: str = SECRET, region: str = REGION) -> Any:
    """botocore's client, which boto3 and the AWS CLI use, told not to ask again."""
    session = botocore.session.Session()
    session.set_config_variable("profile", None)
    config = Config(retries={"total_max_attempts": 1}, read_timeout=10, connect_timeout=10)
    return session.create_client(
        service,
        region_name=region,
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=config,
    )


async def ask(url: str, service: str, operation: str, credentials: dict[str, str] | None = None, **params: Any) -> Any:
    """What the client returns, or the error that it raises."""

    def call() -> Any:
        client = build_client(url, service, **(credentials or {}))
        method: Callable[..., Any] = getattr(client, operation)
        try:
            return method(**params)
        finally:
            client.close()

    return await asyncio.to_thread(call)
