"""The server that tasks ask about themselves: plain HTTP, as the agent's, on a port that only tasks' pods reach.

What isn't answered is 404, whatever the reason, so that no one learns which tasks there are.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from monopod.aws.metadata.kubelets import Kubelets
from monopod.aws.metadata.rules.caller import Part, read_address, read_path
from monopod.aws.metadata.rules.document import build_answer
from monopod.aws.metadata.rules.summary import Use
from monopod.aws.metadata.task_records import TaskRecords
from monopod.aws.options import Account
from monopod.aws.wire.metrics import METADATA_REQUESTS
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.clock import Clock
from monopod.kube.logs import ProblemLog

MOST_ACTIVE: Final = 200
MOST_ACTIVE_OF_ONE: Final = 20
"""For one address: answers may wait for a record, and no one is to take all places with that."""

MOST_A_SECOND: Final = 60
"""Requests of one address. The agent takes as many at once, and 40 a second after that."""

ANSWER_SECONDS: Final = 15.0
IDLE_SECONDS: Final = 15.0
SHUTDOWN_SECONDS: Final = 2.0
_LONGEST_LINE: Final = 1024
_LONGEST_HEADER: Final = 4096
_MOST_HEADERS: Final = 32

logger = structlog.stdlib.get_logger(__name__)


class MetadataServer:
    """Serves tasks' metadata.

    Args:
        records: finds tasks.
        account: what stands in ARNs.
        clock: tells the time.
        host: where to listen.
        port: where to listen; 0 takes a free one.
        kubelets: finds what tasks use; without them it isn't told.
    """

    def __init__(
        self,
        records: TaskRecords,
        account: Account,
        clock: Clock,
        host: str,
        port: int,
        kubelets: Kubelets | None = None,
    ) -> None:
        self._records = records
        self._account = account
        self._clock = clock
        self._host = host
        self._kubelets = kubelets
        self.port = port
        """The port; after `start` the one that it got."""
        self._active: Counter[str] = Counter()
        self._second = 0
        self._asked: Counter[str] = Counter()
        self._problems = ProblemLog(logger)
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Listens.

        Raises:
            OSError: the port is taken.
        """
        server = web.Server(
            self._answer,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=0,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Closes everything."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._kubelets:
            await self._kubelets.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        source = read_address(request.remote or "")
        if self._are_too_many(source) or self._is_too_often(source):
            return _respond(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        self._active[source] += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await self._find_answer(request, source)
            self._problems.clear("metadata")
        except (ApiError, ApiUnreachable, TimeoutError) as trouble:
            self._problems.report("metadata", str(trouble) or type(trouble).__name__)
            response = _respond(HTTPStatus.INTERNAL_SERVER_ERROR, "the task's record can't be read now")
        finally:
            self._active[source] -= 1
            if not self._active[source]:
                del self._active[source]
        return response

    async def _find_answer(self, request: web.BaseRequest, source: str) -> web.Response:
        question = read_path(request.raw_path) if request.method == "GET" else None
        records = await self._records.find(question, source) if question else None
        if question is None or records is None or question.index >= len(records.containers):
            return _respond(HTTPStatus.NOT_FOUND, "there is nothing, or not for who asks")
        uses: Mapping[str, Use] = {}
        if self._kubelets and question.part in (Part.STATS, Part.TASK_STATS):
            uses = await self._kubelets.find(records.node, records.pod)
        return _respond(HTTPStatus.OK, build_answer(records, question.part, question.index, self._account, uses))

    def _are_too_many(self, source: str) -> bool:
        return self._active.total() >= MOST_ACTIVE or self._active[source] >= MOST_ACTIVE_OF_ONE

    def _is_too_often(self, source: str) -> bool:
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second = second
            self._asked.clear()
        self._asked[source] += 1
        return self._asked[source] > MOST_A_SECOND


def _respond(status: HTTPStatus, content: object) -> web.Response:
    METADATA_REQUESTS.labels(str(int(status))).inc()
    response = web.Response(
        body=json.dumps(content, separators=(",", ":")).encode(),
        status=status,
        headers={"Content-Type": "application/json", "Server": "monopod", "Cache-Control": "no-store"},
    )
    if status is not HTTPStatus.OK:
        response.force_close()
    return response
