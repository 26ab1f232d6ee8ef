"""The sessions of this replica, and how one begins.

    ExecuteCommand, any replica ──► grant: a token      a channel is opened, any replica ──► the token is checked, the
    task is read again, the session is claimed ──► begun ──► the client's connection breaks off ──► ResumeSession,
    this replica: a token ──► the channel is opened again

A session is in the memory of the replica that the channel was opened at, because the command's streams are. Another
replica doesn't know it: it can neither resume nor end it.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from monopod.aws.access.failures import fetch_existing, is_conflict
from monopod.aws.access.impersonation import ApiFor
from monopod.aws.ecs.failures import translating
from monopod.aws.exec.connection import Connection
from monopod.aws.exec.rules.claims import AlreadyClaimed, TooManyClaims, build_claim
from monopod.aws.exec.rules.grant import SECONDS, Grant, UnknownToken, build_token, is_equal, read_key, read_token
from monopod.aws.exec.rules.request import choose_target, miss_task
from monopod.aws.exec.session import Session, Terminal
from monopod.aws.wire.call import AccessKey, AwsError, Caller
from monopod.aws.wire.endpoint import FindKey
from monopod.aws.wire.metrics import EXEC_SESSIONS
from monopod.kube.client.api import ApiError, Json
from monopod.kube.client.exec import Exec
from monopod.kube.clock import Clock
from monopod.kube.objects.resources import ECS_TASKS
from monopod.tasks.rules.names import compute_namespace

MOST_SESSIONS: Final = 100
MOST_OF_A_KEY: Final = 20
_ATTEMPTS: Final = 5
_STOPPING_SECONDS: Final = 3.0

logger = structlog.stdlib.get_logger(__name__)


StartExec = Callable[[Caller, Exec], Awaitable[Terminal]]
"""Starts a command in a caller's name.

Raises:
    ApiError: the API server refuses.
    ApiUnreachable: it doesn't answer.
"""


class Refused(Exception):
    """A channel that isn't opened; the message is for the client."""


@dataclass(slots=True)
class _Running:
    session: Session
    caller: Caller
    task: asyncio.Task[None] | None = None
    resumption: str = ""
    resumable_until: float = field(default=0.0)


class Sessions:
    """Begins sessions, and has those that run here.

    Args:
        apis: the API server in a caller's name.
        start: starts commands.
        find_key: finds access keys.
        clock: tells the time.
    """

    def __init__(self, apis: ApiFor, start: StartExec, find_key: FindKey, clock: Clock) -> None:
        self._apis = apis
        self._start = start
        self._find_key = find_key
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._places: Counter[str] = Counter()
        self._is_stopping = False

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self._running)

    async def grant(
        self, caller: Caller, cluster: str, task: str, container: str, command: tuple[str, ...]
    ) -> tuple[str, str]:
        """A session's id and the token that opens it.

        Raises:
            AwsError: the caller's key is gone.
        """
        key = await self._find_key(caller.access_key_id)
        if key is None:
            raise AwsError("AccessDeniedException", "The access key is gone.")
        session = f"ecs-execute-command-{secrets.token_hex(9)[1:]}"
        expires = int(self._clock.now().timestamp()) + SECONDS
        return session, build_token(
            Grant(session, caller.access_key_id, cluster, task, container, command, expires), key.secret
        )

    async def open(self, id: str, token: str, connection: Connection) -> Session:  # noqa: A002 as in AWS's API
        """Begins a session, or goes on with it over another connection.

        Raises:
            Refused: the token isn't good for it, or it can't be.
        """
        if running := self._running.get(id):
            self._check_resumption(running, token)
            running.session.attach(connection)
            return running.session
        key, grant = await self._check(id, token)
        if self._is_stopping or self._places.total() >= MOST_SESSIONS or self._places[grant.key] >= MOST_OF_A_KEY:
            raise Refused("There are too many sessions. Try again later.")
        self._places[grant.key] += 1
        try:
            wanted = await self._claim(key.caller, grant)
            session = self._build(key.caller, grant, wanted)
        except BaseException:
            self._leave_place(grant.key)
            raise
        session.attach(connection)
        running = _Running(session, key.caller)
        self._running[id] = running
        running.task = asyncio.create_task(self._run(running, grant), name=f"session {id}")
        return session

    def resume(self, caller: Caller, id: str) -> str:  # noqa: A002 as in AWS's API
        """A token by which a caller's session goes on over another connection; "" if it isn't here."""
        running = self._find(caller, id)
        if running is None:
            return ""
        running.resumption = secrets.token_urlsafe(32)
        running.resumable_until = self._clock.monotonic() + SECONDS
        return running.resumption

    def terminate(self, caller: Caller, id: str) -> bool:  # noqa: A002 as in AWS's API
        """Ends a caller's session; False if it isn't here."""
        running = self._find(caller, id)
        if running is None:
            return False
        running.session.end("")
        return True

    async def stop(self) -> None:
        """Ends all sessions; clients have a moment to hear of it."""
        self._is_stopping = True
        tasks = [running.task for running in self._running.values() if running.task]
        for running in self._running.values():
            running.session.end("The endpoint is being stopped.", is_urgent=True)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOPPING_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _find(self, caller: Caller, id: str) -> _Running | None:  # noqa: A002 as in AWS's API
        running = self._running.get(id)
        return running if running and running.caller.user == caller.user else None

    def _check_resumption(self, running: _Running, token: str) -> None:
        expected, running.resumption = running.resumption, ""
        is_in_time = self._clock.monotonic() < running.resumable_until
        if not expected or not is_in_time or not is_equal(token, expected):
            raise Refused("The session has begun already.")

    async def _check(self, id: str, token: str) -> tuple[AccessKey, Grant]:  # noqa: A002 as in AWS's API
        try:
            key = await self._find_key(read_key(token))
            if key is None:
                raise UnknownToken("The access key that the token was given to is gone.")
            return key, read_token(token, key.secret, id, self._clock.now().timestamp())
        except UnknownToken as unknown:
            raise Refused(str(unknown)) from None
        except AwsError as error:
            raise Refused(error.message) from None

    async def _claim(self, caller: Caller, grant: Grant) -> Exec:
        """Claims the session for this replica; what is to run."""
        api = self._apis(caller)
        try:
            for _ in range(_ATTEMPTS):
                task = await self.fetch_task(caller, grant.cluster, grant.task)
                if task is None:
                    raise miss_task()
                target = choose_target(task, grant.container)
                patch = build_claim(task, grant.session, grant.expires, self._clock.now().timestamp())
                namespace = compute_namespace(grant.cluster)
                with translating():
                    try:
                        await api.merge(ECS_TASKS.path(grant.task, namespace), patch)
                    except ApiError as error:
                        if not is_conflict(error):
                            raise
                        continue
                return Exec(namespace, target.pod, target.container_in_pod, grant.command)
        except AwsError as error:
            raise Refused(error.message) from None
        except AlreadyClaimed:
            raise Refused("The session has begun already.") from None
        except TooManyClaims:
            pass
        raise Refused("Too many sessions of this task begin at once. Try again later.")

    async def fetch_task(self, caller: Caller, cluster: str, task: str) -> Json | None:
        """A task, as a caller may see it; None if it doesn't exist.

        Raises:
            AwsError: the caller may not, or the API server can't be asked.
        """
        with translating():
            return await fetch_existing(self._apis(caller), ECS_TASKS.path(task, compute_namespace(cluster)))

    def _build(self, caller: Caller, grant: Grant, wanted: Exec) -> Session:
        async def start() -> Terminal:
            return await self._start(caller, wanted)

        async def may_go_on() -> bool:
            try:
                key = await self._find_key(grant.key)
            except AwsError:  # not known now: the next look tells
                return True
            return key is not None and key.caller == caller

        return Session(grant.session, start, may_go_on, self._clock)

    async def _run(self, running: _Running, grant: Grant) -> None:
        told = {"session": grant.session, "user": running.caller.user, "cluster": grant.cluster, "task": grant.task}
        logger.info("a session began", container=grant.container, **told)
        EXEC_SESSIONS.inc()
        try:
            await running.session.run()
        finally:
            EXEC_SESSIONS.dec()
            del self._running[grant.session]
            self._leave_place(grant.key)
            logger.info("a session ended", **told)

    def _leave_place(self, key: str) -> None:
        self._places[key] -= 1
        if not self._places[key]:
            del self._places[key]
