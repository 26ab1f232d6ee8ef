"""What people ask the ledger, path by path. Answers are JSON; those that have no bound are lines of JSON, streamed.

    GET  /v1/cost       ?by=namespace|profile|workload|pod|label=KEY & since & until & namespace…
    GET  /v1/running    ?namespace…
    GET  /v1/receipt    ?namespace & pod|workload|uid… & since & until
    GET  /v1/lifetimes  ?granularity=lifetime|day|hour & since & until & namespace…      lines
    GET  /v1/focus      ?version=1.4|1.2 & granularity & since & until & namespace…      lines
                        ?dataset=billing-period & version=1.4 & since & until            lines
    GET  /v1/coverage   ?since & until
    POST /v1/verify                                                                      the whole cluster's reader
    GET  /v1/backup                                                                      the same; a SQLite file

Every answer has the span that it is about, its coverage and the prices. Nothing here writes to the cluster or to the
store.
"""

import asyncio
import functools
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from aiohttp import web

from monopod import __version__
from monopod.kube.clock import Clock
from monopod.ledger.server.access import USER, Access, Scope, build_error
from monopod.ledger.server.answers import MOST_ROWS, Ledger, TooManyRows, build_export_rows, build_focus_rows
from monopod.ledger.server.rules.question import InvalidQuestion, Question, Span, read_question
from monopod.ledger.store.answers import StoreUnavailableError
from monopod.usage.rules.charge_period import Granularity
from monopod.usage.rules.focus import build_billing_periods
from monopod.usage.rules.focus_columns import BILLING_PERIOD_COLUMNS, COLUMNS, Dataset, FocusVersion

Json = dict[str, Any]
Result = TypeVar("Result")
Choice = TypeVar("Choice", bound=StrEnum)

_READERS: Final = 4
_STREAMS: Final = 3
"""Exports at once, each in a thread of its own; whoever comes later waits."""
STREAM_SECONDS: Final = 1800.0
"""How long one may take: whoever stops reading holds a state of the database, which then grows."""
_BATCH: Final = 200
_CHUNK: Final = 1 << 16
_SPAN: Final = frozenset({"since", "until"})


class People:
    """Answers people.

    Args:
        ledger: what answers are made from.
        access: knows who may see what.
        clock: tells the time.
        scratch: the folder for a copy of the database while it is sent, on the database's own volume.
    """

    def __init__(self, ledger: Ledger, access: Access, clock: Clock, scratch: Path | None = None) -> None:
        self._ledger = ledger
        self._access = access
        self._clock = clock
        self._scratch = scratch
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="answers")
        self._streams = asyncio.Semaphore(_STREAMS)

    def build_application(self) -> web.Application:
        """All paths, behind the check of who asks."""
        application = web.Application(middlewares=[self._access.build_middleware(), _tell_trouble])
        application.on_response_prepare.append(_tell_version)
        router = application.router
        router.add_get("/v1/cost", self._answer_cost)
        router.add_get("/v1/running", self._answer_running)
        router.add_get("/v1/receipt", self._answer_receipt)
        router.add_get("/v1/lifetimes", self._answer_lifetimes)
        router.add_get("/v1/focus", self._answer_focus)
        router.add_get("/v1/coverage", self._answer_coverage)
        router.add_post("/v1/verify", self._answer_verify)
        router.add_get("/v1/backup", self._answer_backup)
        return application

    def close(self) -> None:
        """Ends the threads once they have answered; what waits is not answered any more."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def _answer_cost(self, request: web.Request) -> web.StreamResponse:
        now, question, scope = await self._read(request, _SPAN | {"by", "namespace"})
        return _answer(await self._run(self._ledger.answer_cost, question, scope.namespaces, now))

    async def _answer_running(self, request: web.Request) -> web.StreamResponse:
        now, _, scope = await self._read(request, frozenset({"namespace"}))
        return _answer(await self._run(self._ledger.answer_running, scope.namespaces, now))

    async def _answer_receipt(self, request: web.Request) -> web.StreamResponse:
        if len(request.query.getall("namespace", [])) != 1:
            raise InvalidQuestion("namespace", "A receipt is of one namespace: give namespace once.")
        allowed = _SPAN | {"namespace", "pod", "workload", "uid"}
        now, question, _ = await self._read(request, allowed, since="1970-01-01")
        if bool(question.name) == bool(question.workload):
            raise InvalidQuestion("pod", "A receipt is of one pod or one workload: give either pod or workload.")
        return _answer(await self._run(self._ledger.answer_receipt, question, now))

    async def _answer_coverage(self, request: web.Request) -> web.StreamResponse:
        now = self._get_now()
        # That nobody watched for a while is no tenant's secret: it is in every answer.
        question = read_question(list(request.query.items()), _SPAN, now)
        return _answer(await self._run(self._ledger.answer_coverage, question.span))

    async def _answer_verify(self, request: web.Request) -> web.StreamResponse:
        read_question(list(request.query.items()), frozenset(), self._get_now())
        await self._access.require_cluster(request[USER])
        return _answer(await self._run(self._ledger.answer_verify))

    async def _answer_lifetimes(self, request: web.Request) -> web.StreamResponse:
        granularity = _read_choice(request, "granularity", Granularity, Granularity.LIFETIME)
        now, question, scope = await self._read(request, _SPAN | {"namespace", "granularity"})
        head = {**await self._run(self._ledger.describe, question.span), "granularity": granularity}

        def build() -> Iterator[Json]:
            for lifetime in self._ledger.iterate(question.span, scope.namespaces):
                yield from build_export_rows(lifetime, self._ledger, question.span, granularity, now)

        async with self._streams, asyncio.timeout(STREAM_SECONDS):
            return await _stream(request, head, build())

    async def _answer_focus(self, request: web.Request) -> web.StreamResponse:
        granularity = _read_choice(request, "granularity", Granularity, Granularity.DAY)
        version = _read_choice(request, "version", FocusVersion, FocusVersion.V1_4)
        dataset = _read_choice(request, "dataset", Dataset, Dataset.COSTS)
        allowed = _SPAN | {"namespace", "granularity", "version", "dataset"}
        now, question, scope = await self._read(request, allowed)
        if dataset is Dataset.BILLING_PERIODS:
            return await self._answer_billing_periods(request, question.span, version, now)
        export = self._ledger.build_export(question.span, version, granularity, now)
        described = await self._run(self._ledger.describe, question.span)
        head = {**described, "granularity": granularity, "version": version, "columns": list(COLUMNS[version])}

        def build() -> Iterator[Json]:
            for lifetime in self._ledger.iterate(question.span, scope.namespaces):
                yield from build_focus_rows(lifetime, export)

        async with self._streams, asyncio.timeout(STREAM_SECONDS):
            return await _stream(request, head, build())

    async def _answer_billing_periods(
        self, request: web.Request, span: Span, version: FocusVersion, now: int
    ) -> web.StreamResponse:
        if version is not FocusVersion.V1_4:
            raise InvalidQuestion("dataset", f"dataset {Dataset.BILLING_PERIODS} is of FOCUS 1.4, not {version}.")
        described = await self._run(self._ledger.describe, span)
        head = {**described, "version": version, "columns": list(BILLING_PERIOD_COLUMNS)}
        rows = build_billing_periods(span.since // 1000, -(-span.until // 1000), now // 1000)
        return await _stream(request, head, (dict(row) for row in rows))

    async def _answer_backup(self, request: web.Request) -> web.StreamResponse:
        read_question(list(request.query.items()), frozenset(), self._get_now())
        await self._access.require_cluster(request[USER])
        async with self._streams, asyncio.timeout(STREAM_SECONDS):
            with tempfile.TemporaryDirectory(prefix="backup-", dir=self._scratch) as folder:
                path = Path(folder) / "ledger.db"
                await self._run(self._ledger.store.backup, path)
                response = web.StreamResponse(headers={"Content-Type": "application/vnd.sqlite3"})
                await response.prepare(request)
                with path.open("rb") as file:
                    while chunk := await self._run(file.read, _CHUNK):
                        await response.write(chunk)
                await response.write_eof()
                return response

    async def _read(
        self, request: web.Request, allowed: frozenset[str], since: str = ""
    ) -> tuple[int, Question, Scope]:
        """Reads a question, and what its answer may tell of; `since` is what it is about if it doesn't say."""
        now, query = self._get_now(), list(request.query.items())
        if since and "since" not in request.query:
            query.append(("since", since))
        question = read_question(query, allowed, now)

        async def list_namespaces() -> frozenset[str]:
            return await self._run(self._ledger.list_namespaces, question.span, now)

        return now, question, await self._access.compute_scope(request[USER], question.namespaces, list_namespaces)

    async def _run(self, function: Callable[..., Result], *arguments: object) -> Result:
        call = functools.partial(function, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    def _get_now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _read_choice(request: web.Request, name: str, choices: type[Choice], default: Choice) -> Choice:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        return choices(text)
    except ValueError:
        raise InvalidQuestion(name, f"{name} must be one of {', '.join(choices)}, not {text!r}.") from None


@web.middleware
async def _tell_trouble(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except StoreUnavailableError as trouble:
        return build_error(503, "StoreUnavailable", f"The ledger can't read its database: {trouble}")
    except TooManyRows as refused:
        advice = f"The answer has more than {MOST_ROWS} rows: ask for fewer namespaces, or export lifetimes instead."
        message = str(refused) or advice
        return build_error(400, "TooManyRows", message, parameter="by")
    return response


async def _tell_version(_: web.Request, response: web.StreamResponse) -> None:
    # A command of another release says by it why it doesn't understand the answer.
    response.headers["Server"] = f"monopod-ledger/{__version__}"


def _answer(content: Json) -> web.Response:
    return web.json_response(content, headers={"Cache-Control": "no-store"})


async def _stream(request: web.Request, head: Json, rows: Iterator[Json]) -> web.StreamResponse:
    """Sends lines, the first of which tells of the whole, and the last one that it is the last, with their number.

    All rows are read in one thread, which holds one state of the database meanwhile.
    """
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
    loop, count, is_begun = asyncio.get_running_loop(), 0, False

    def take() -> list[Json]:
        return list(islice(rows, _BATCH))

    with ThreadPoolExecutor(1, thread_name_prefix="export") as thread:
        try:
            while batch := await loop.run_in_executor(thread, take):
                if not is_begun:
                    await response.prepare(request)
                    await response.write(_to_line(head))
                    is_begun = True
                await response.write(b"".join(map(_to_line, batch)))
                count += len(batch)
        finally:
            await loop.run_in_executor(thread, _close, rows)
    if not is_begun:
        await response.prepare(request)
        await response.write(_to_line(head))
    await response.write(_to_line({"end": count}))
    await response.write_eof()
    return response


def _close(rows: Iterator[Json]) -> None:
    close = getattr(rows, "close", None)
    if close is not None:
        close()


def _to_line(row: Json) -> bytes:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
