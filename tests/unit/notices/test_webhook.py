"""Notices reach a real server, once it can be reached, in their order; what can't be told is counted.

What becomes of those that the receiver fails at is in `test_failures.py`.
"""

import asyncio
import datetime
import json
from pathlib import Path

import pytest
import structlog

from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import NOTICES, RECONCILES
from monopod.notices import webhook as module
from monopod.notices.options import NoticeOptions
from monopod.notices.rules.notice import compute_id
from monopod.notices.webhook import LONGEST, Webhook
from tests.receiver import Receiver, build_tls
from tests.unit.fake_clock import FakeClock
from tests.unit.notices.builders import a_task, an_interruption
from tests.unit.running import PROBLEMS, running, settle


def count(kind: str, result: str) -> float:
    return float(NOTICES.labels(kind, result)._value.get())


def list_pods(receiver: Receiver) -> list[str]:
    return [body["data"]["pod"] for body in receiver.got]


def step_when_idle(hook: Webhook, clock: FakeClock) -> None:
    """Lets pass what a pause takes, but not while a receiver is waited for: a notice is given up after a day."""
    if not hook.controller.depth and not hook.controller._working:
        clock.step(61)


def watch_attempts(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows with each attempt to send."""
    attempts, read = list[None](), hook._read_target

    def read_counted() -> object:
        attempts.append(None)
        return read()

    monkeypatch.setattr(hook, "_read_target", read_counted)
    return attempts


async def test_notices_are_sent_in_their_order_and_each_once(receiver: Receiver) -> None:
    hook, before = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS), count("SpotInterruption", "sent")
    for name in ("web-1", "web-2", "web-1"):
        hook.send(an_interruption(name))
    async with running(hook.controller):
        await receiver.wait_for(lambda: len(receiver.got) == 2, "both")
        hook.send(an_interruption("web-1"))
        hook.send(an_interruption("web-3"))
        await receiver.wait_for(lambda: count("SpotInterruption", "sent") == before + 3, "the third")

    assert list_pods(receiver) == ["web-1", "web-2", "web-3"]
    assert receiver.seen[0]["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert "Authorization" not in receiver.seen[0]


async def test_without_a_url_nothing_waits() -> None:
    hook = Webhook(NoticeOptions(), PROBLEMS)
    hook.send(an_interruption())
    assert hook.controller.depth == 0


async def test_a_receiver_that_fails_is_asked_again_after_a_pause_that_new_notices_dont_shorten(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, ends = FakeClock(), RECONCILES.labels("notices", "ok")
    hook, before = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS, clock), ends._value.get()
    attempts = watch_attempts(hook, monkeypatch)
    receiver.status = 503
    async with running(hook.controller):
        hook.send(an_interruption("web-1"))
        await receiver.wait_for(lambda: ends._value.get() > before, "the first attempt's end")
        await settle()
        hook.send(an_interruption("web-2"))
        await settle()
        await asyncio.to_thread(attempts.copy)  # after what another attempt would have had a thread do first
        assert len(attempts) == 1
        receiver.status = 200
        clock.step(61)
        await receiver.wait_for(lambda: len(receiver.got) == 2, "both")
    assert sorted(list_pods(receiver)) == ["web-1", "web-2"]


async def test_a_receiver_that_restarts_gets_what_it_missed(receiver: Receiver) -> None:
    clock = FakeClock()
    hook = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS, clock)
    await receiver.stop()
    async with running(hook.controller):
        hook.send(an_interruption())
        for _ in range(3):
            await settle()
            clock.step(61)
        await receiver.start()

        def is_there() -> bool:
            step_when_idle(hook, clock)
            return bool(receiver.got)

        await receiver.wait_for(is_there, "the notice")


async def test_a_receiver_that_gives_no_answer_holds_up_no_one_and_is_sent_it_again(receiver: Receiver) -> None:
    clock = FakeClock()
    hook = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS, clock, request_seconds=0.5)
    receiver.answering.clear()
    async with running(hook.controller):
        hook.send(an_interruption())

        def is_asked_again() -> bool:
            step_when_idle(hook, clock)
            return len(receiver.seen) >= 2

        await receiver.wait_for(is_asked_again, "another attempt")
        receiver.answering.set()

        def is_there() -> bool:
            step_when_idle(hook, clock)
            return bool(receiver.got)

        await receiver.wait_for(is_there, "the notice")
    assert {body["id"] for body in receiver.got} == {compute_id(an_interruption())}


async def test_what_the_receiver_refuses_by_name_is_dropped_and_the_next_is_sent(receiver: Receiver) -> None:
    before = count("SpotInterruption", "refused")
    hook = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS)
    receiver.status = 422
    async with running(hook.controller):
        hook.send(an_interruption("web-1"))
        await receiver.wait_for(lambda: count("SpotInterruption", "refused") == before + 1, "the refusal")
        receiver.status = 200
        hook.send(an_interruption("web-2"))
        await receiver.wait_for(lambda: bool(receiver.got), "the next")
    assert list_pods(receiver) == ["web-2"]


async def test_a_redirection_isnt_followed(receiver: Receiver) -> None:
    receiver.status = 307
    with structlog.testing.capture_logs() as logged:
        problems = ProblemLog(structlog.stdlib.get_logger())
        hook = Webhook(NoticeOptions(webhook_url=receiver.url), problems, FakeClock())
        async with running(hook.controller):
            hook.send(an_interruption())
            await receiver.wait_for(lambda: bool(logged) or receiver.strays > 0, "a word of it")
    assert receiver.strays == 0


async def test_of_too_many_the_oldest_are_dropped_and_counted(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    before = count("SpotInterruption", "dropped")
    hook = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS)
    for name in ("web-1", "web-2", "web-3"):
        hook.send(an_interruption(name))
    async with running(hook.controller):
        await receiver.wait_for(lambda: len(receiver.got) == 2, "both")
    assert list_pods(receiver) == ["web-2", "web-3"]
    assert count("SpotInterruption", "dropped") == before + 1


async def test_one_that_was_dropped_is_no_finished_one_and_is_sent_once_there_is_room(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    before = count("SpotInterruption", "dropped"), count("SpotInterruption", "sent")
    with structlog.testing.capture_logs() as logged:
        hook = Webhook(NoticeOptions(webhook_url=receiver.url), ProblemLog(structlog.stdlib.get_logger()))
        for name in ("web-1", "web-2", "web-3", "web-1", "web-1"):
            hook.send(an_interruption(name))
        assert [line["trouble"] for line in logged] == ["more than 2 wait: the oldest are dropped, and counted"]
        async with running(hook.controller):
            await receiver.wait_for(lambda: hook.controller.depth == 0 and len(receiver.got) == 2, "both")
            assert count("SpotInterruption", "dropped") == before[0] + 1, "not each time that it is said again"
            hook.send(an_interruption("web-1"))
            await receiver.wait_for(lambda: count("SpotInterruption", "sent") == before[1] + 3, "the dropped one")
            hook.send(an_interruption("web-1"))
            await settle()
    assert list_pods(receiver) == ["web-2", "web-3", "web-1"]
    assert [line["subject"] for line in logged if line["event"] == "recovered"] == ["notices for the webhook"]


async def test_one_that_is_dropped_while_it_is_being_sent_is_sent_once(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    hook = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS)
    receiver.answering.clear()
    async with running(hook.controller):
        hook.send(an_interruption("web-1"))
        await receiver.wait_for(lambda: len(receiver.seen) == 1, "a request")
        hook.send(an_interruption("web-2"))
        receiver.answering.set()
        await receiver.wait_for(lambda: len(receiver.got) == 2, "both")
        hook.send(an_interruption("web-1"))
        await settle()
    assert list_pods(receiver) == ["web-1", "web-2"]


async def test_after_a_day_a_notice_is_given_up(receiver: Receiver) -> None:
    clock, before = FakeClock(), count("SpotInterruption", "expired")
    hook = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS, clock)
    hook.send(an_interruption("web-1"))
    clock.step(LONGEST / datetime.timedelta(seconds=1) + 1)
    hook.send(an_interruption("web-2"))
    async with running(hook.controller):
        await receiver.wait_for(lambda: bool(receiver.got), "the newer one")
    assert list_pods(receiver) == ["web-2"]
    assert count("SpotInterruption", "expired") == before + 1


async def test_a_receiver_behind_tls_is_checked_by_the_secrets_authority_and_gets_the_token(tmp_path: Path) -> None:
    context, authority = build_tls(tmp_path)
    receiver = Receiver(context)
    await receiver.start()
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    clock = FakeClock()
    hook = Webhook(NoticeOptions(webhook_url=receiver.url, webhook_secrets=secrets), PROBLEMS, clock)
    (secrets / "token").write_text("s3cret\n")
    async with running(hook.controller):
        hook.send(a_task())
        await receiver.wait_for(lambda: hook.controller.depth == 0, "an attempt")
        for _ in range(20):
            await settle()
        assert receiver.seen == []  # nobody known has signed its certificate
        (secrets / "ca.crt").write_text(authority.read_text())

        def is_there() -> bool:
            step_when_idle(hook, clock)
            return bool(receiver.got)

        await receiver.wait_for(is_there, "the notice")
    assert receiver.seen[0]["Authorization"] == "Bearer s3cret"
    await receiver.stop()


async def test_a_token_isnt_sent_in_plain_http(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    hook = Webhook(NoticeOptions(webhook_url=receiver.url, webhook_secrets=tmp_path), PROBLEMS, FakeClock())
    async with running(hook.controller):
        hook.send(an_interruption())
        for _ in range(20):
            await settle()
    assert receiver.seen == []


async def test_the_url_may_be_a_secret_itself(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(receiver.url)
    options = NoticeOptions(webhook_secrets=tmp_path, webhook_format="EventBridge")
    hook = Webhook(options, PROBLEMS)
    async with running(hook.controller):
        hook.send(an_interruption())
        await receiver.wait_for(lambda: bool(receiver.got), "the notice")
    assert receiver.got[0]["detail-type"] == "ECS Task State Change"
    assert receiver.seen[0]["Content-Type"] == "application/json; charset=utf-8"
    assert json.dumps(receiver.got[0]).isascii()


@pytest.mark.parametrize("status", [503, 422, 0], ids=["fails", "refuses", "is away"])
async def test_neither_url_nor_token_is_logged(status: int, tmp_path: Path) -> None:
    context, authority = build_tls(tmp_path)
    receiver = Receiver(context)
    await receiver.start()
    (tmp_path / "url").write_text(f"{receiver.url}?key=hush-hush")
    (tmp_path / "token").write_text("s3cret")
    (tmp_path / "ca.crt").write_text(authority.read_text())
    receiver.status = status
    if not status:
        await receiver.stop()
    with structlog.testing.capture_logs() as logged:
        problems = ProblemLog(structlog.stdlib.get_logger())
        hook = Webhook(NoticeOptions(webhook_secrets=tmp_path), problems, FakeClock())
        async with running(hook.controller):
            hook.send(an_interruption())
            await receiver.wait_for(lambda: bool(logged), "a word of it")
    await receiver.stop()
    assert "s3cret" not in str(logged)
    assert "hush" not in str(logged)
