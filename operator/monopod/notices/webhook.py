"""Sends notices to people's own systems, one at a time, at least once.

    send ──► waiting ──► POST ── 2xx ─────────────► sent
               ▲  │        ├──── refused by name ─► given up, counted and logged
               │  │        └──── anything else ───► tried again, for a day; then given up, counted and logged
               │  │                ├── others were taken since it first failed: it pauses alone
               │  │                └── none was, or it is sent too many (429): all pause
               │  └── more than MOST_WAITING: the oldest is dropped, counted and logged
               └───── whoever has something to tell says it again: after a restart, and when it was dropped

Nothing is stored: who sends derives its notices from objects, and says them again as long as these show them. What was
sent, was given up or waits isn't taken twice, so saying it again costs nothing; what was dropped is taken again once
there is room. No one waits for the receiver. Those of one pod, or one task, keep their order; a notice that the
receiver fails at holds up no other's.
"""

import asyncio
import contextlib
import datetime
import functools
import json
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
import structlog

from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, WHOLE, After, Backoff, Controller, Incomplete, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import NOTICES, NOTICES_WAITING
from monopod.notices.options import NoticeOptions
from monopod.notices.rules.answer import Answer, find_target_problem, read_answer, read_retry_after
from monopod.notices.rules.envelopes import build_cloud_event, build_event_bridge_event
from monopod.notices.rules.notice import Notice, compute_id, name_kind
from monopod.notices.rules.turns import Waiting, find_next, list_heads

MOST_WAITING: Final = 1000
MOST_KNOWN: Final = 10_000
REQUEST_SECONDS: Final = 10.0
LONGEST: Final = datetime.timedelta(days=1)
"""How long a notice is tried, as EventBridge does."""

PAUSE_OF_ALL: Final = Backoff(first=1.0, longest=10.0)
"""How long nothing is sent to a receiver that has taken nothing since it failed, however many wait. It is short, for
one new notice may have to wait for it because of another that fails alone: a pod on Spot has two minutes."""

PAUSE_OF_ONE: Final = Backoff(first=1.0, longest=300.0)

_CONTENT_TYPES: Final = {
    "CloudEvents": "application/cloudevents+json; charset=utf-8",
    "EventBridge": "application/json; charset=utf-8",
}
_SUBJECT: Final = "webhook"
_QUEUE: Final = "notices for the webhook"

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    token: str
    context: ssl.SSLContext


class Webhook:
    """Sends notices.

    Args:
        options: where to, and in which form; without a URL nothing is sent.
        problems: the log of problems.
        clock: tells the time.
        request_seconds: how long an answer is waited for.
    """

    def __init__(
        self,
        options: NoticeOptions,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._options = options
        self._problems = problems
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=request_seconds)
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()
        self._finished: OrderedDict[str, None] = OrderedDict()
        """The ids of notices that were sent or given up."""
        self._dropped: OrderedDict[str, None] = OrderedDict()
        """The ids of those that there was no room for."""
        self._taken = 0
        """How many notices the receiver has taken, or refused by name."""
        self._failures = 0
        """How often it has failed since it last took one, by notices that may not fail alone."""
        self._resumes_at = 0.0
        # A URL or a Secret that can't be used: new notices don't have it read more often.
        backoff = Backoff(first=1.0, longest=60.0, is_firm=True)
        self.controller: Controller[str] = Controller(
            "notices", self._reconcile, problems, backoff=backoff, clock=clock
        )
        NOTICES_WAITING.set_function(lambda: len(self._waiting))

    def send(self, notice: Notice) -> None:
        """Has a notice sent in its turn, unless it was sent, waits already, or was dropped and there is no room yet."""
        if not self._options.webhook_url and not self._options.webhook_secrets:
            return
        key = compute_id(notice)
        is_full = len(self._waiting) >= MOST_WAITING
        if key in self._waiting or key in self._finished or (is_full and key in self._dropped):
            return
        self._dropped.pop(key, None)
        if is_full:
            self._drop(next(iter(self._waiting)))
        self._waiting[key] = Waiting(notice, self._clock.now())
        self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        self._give_up_old_ones()
        while self._find_next():
            await self._send_until_one_fails()
        if len(self._waiting) < MOST_WAITING:
            self._problems.clear(_QUEUE)
        heads = list_heads(self._waiting).values()
        if not heads:
            return DONE
        due = max(self._resumes_at, min(head.due for head in heads))
        return After(max(0.0, due - self._clock.monotonic()))

    def _give_up_old_ones(self) -> None:
        oldest = self._clock.now() - LONGEST
        for key, waiting in list(self._waiting.items()):
            if waiting.since < oldest:
                logger.warning("a notice is given up after a day", kind=name_kind(waiting.notice), id=key)
                self._finish(key, "expired")

    def _find_next(self) -> str | None:
        now = self._clock.monotonic()
        return find_next(self._waiting, now) if now >= self._resumes_at else None

    async def _send_until_one_fails(self) -> None:
        """After a failure the Secret is read again: its token may have been renewed."""
        target = await asyncio.to_thread(self._read_target)
        connector = aiohttp.TCPConnector(ssl=target.context)
        async with aiohttp.ClientSession(connector=connector, timeout=self._timeout) as session:
            while (key := self._find_next()) and await self._deliver(session, target, key):
                self.controller.note_progress()

    async def _deliver(self, session: aiohttp.ClientSession, target: _Target, key: str) -> bool:
        """Sends one; returns False if it has to be tried again."""
        waiting = self._waiting[key]
        headers = {"Content-Type": _CONTENT_TYPES[self._options.webhook_format], "User-Agent": "monopod"}
        if target.token:
            headers["Authorization"] = f"Bearer {target.token}"
        body = json.dumps(self._build(waiting.notice), separators=(",", ":")).encode()
        try:
            async with session.post(target.url, data=body, headers=headers, allow_redirects=False) as response:
                status, wish = response.status, response.headers.get("Retry-After", "")
        except (aiohttp.InvalidURL, ValueError):
            raise self._report("the webhook's URL or token can't be sent") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._note_failure(key, waiting, str(error)[:300] or type(error).__name__)
            return False
        match read_answer(status):
            case Answer.TAKEN:
                self._finish(key, "sent")
            case Answer.REFUSED:
                logger.warning("the webhook refuses a notice", status=status, kind=name_kind(waiting.notice), id=key)
                self._finish(key, "refused")
            case Answer.TROUBLED:
                asked = read_retry_after(wish, self._clock.now())
                is_too_many = status == HTTPStatus.TOO_MANY_REQUESTS
                self._note_failure(key, waiting, f"the receiver answers {status}", asked, is_of_all=is_too_many)
                return False
        self._taken += 1
        self._failures = 0
        self._problems.clear(_SUBJECT)
        return True

    def _note_failure(
        self, key: str, waiting: Waiting, problem: str, asked: float = 0.0, *, is_of_all: bool = False
    ) -> None:
        """Pauses the notice if others were taken since it first failed, else the receiver, for as long as it asks."""
        now = self._clock.monotonic()
        waiting.failures += 1
        if waiting.taken_before is None:
            waiting.taken_before = self._taken
        if waiting.taken_before < self._taken and not is_of_all:
            if not waiting.due:
                kind = name_kind(waiting.notice)
                logger.warning("a notice fails that others don't wait for", trouble=problem, kind=kind, id=key)
            waiting.due = now + max(asked, PAUSE_OF_ONE.after(waiting.failures))
            return
        self._failures += 1
        self._resumes_at = now + max(asked, PAUSE_OF_ALL.after(self._failures))
        self._problems.report(_SUBJECT, problem)

    def _build(self, notice: Notice) -> dict[str, object]:
        is_aws = self._options.webhook_format == "EventBridge"
        return (build_event_bridge_event if is_aws else build_cloud_event)(notice, self._options.notice_origin)

    def _finish(self, key: str, result: str) -> None:
        """Also of one that was dropped while it was being sent: it was counted as dropped, and isn't sent again."""
        if waiting := self._waiting.pop(key, None):
            NOTICES.labels(name_kind(waiting.notice), result).inc()
        _remember(self._finished, key)
        self._dropped.pop(key, None)

    def _drop(self, key: str) -> None:
        NOTICES.labels(name_kind(self._waiting.pop(key).notice), "dropped").inc()
        _remember(self._dropped, key)
        self._problems.report(_QUEUE, f"more than {MOST_WAITING} wait: the oldest are dropped, and counted")

    def _report(self, problem: str) -> Incomplete:
        self._problems.report(_SUBJECT, problem)
        return Incomplete()

    def _read_target(self) -> _Target:
        """The receiver, as the mounted Secret has it now.

        Raises:
            Incomplete: it can't be used.
        """
        folder, url, token, authority = self._options.webhook_secrets, self._options.webhook_url, "", ""
        if folder:
            url, token = _read(folder / "url") or url, _read(folder / "token")
            authority = _read(folder / "ca.crt")
        try:
            context = _build_context(authority)
        except (ssl.SSLError, ValueError):
            raise self._report("ca.crt in the webhook's Secret is no certificate") from None
        if problem := find_target_problem(url, has_token=bool(token)):
            raise self._report(problem)
        return _Target(url, token, context)


@functools.lru_cache(maxsize=1)
def _build_context(authority: str) -> ssl.SSLContext:
    """Kept, for to read the image's authorities takes longer than to send a notice."""
    return ssl.create_default_context(cadata=authority or None)


def _remember(ids: OrderedDict[str, None], key: str) -> None:
    ids[key] = None
    if len(ids) > MOST_KNOWN:
        ids.popitem(last=False)


def _read(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip()
    return ""
