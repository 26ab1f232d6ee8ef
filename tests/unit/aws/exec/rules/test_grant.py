import base64
import json
import random

import pytest

from monopod.aws.exec.rules.grant import SECONDS, Grant, UnknownToken, build_token, read_key, read_token

NOW = 1_700_000_000
SECRET = "wJalrXUtnFEMI"
GRANT = Grant("s-1", "MPODA", "prod", "0123", "app", ("sh", "-c", 'echo "ü"'), NOW + SECONDS)
TOKEN = build_token(GRANT, SECRET)


def test_a_token_is_good_for_what_was_granted() -> None:
    assert read_key(TOKEN) == "MPODA"
    assert read_token(TOKEN, SECRET, "s-1", NOW) == GRANT
    assert read_token(TOKEN, SECRET, "s-1", NOW + SECONDS - 1) == GRANT


@pytest.mark.parametrize(
    ("secret", "session", "now", "why"),
    [
        ("another", "s-1", NOW, "signature"),
        (SECRET, "s-2", NOW, "another session"),
        (SECRET, "s-1", NOW + SECONDS, "expired"),
        (SECRET, "s-1", NOW - 3600, "expired"),
    ],
    ids=["secret", "session", "late", "early"],
)
def test_a_token_is_good_for_nothing_else(secret: str, session: str, now: int, why: str) -> None:
    with pytest.raises(UnknownToken, match=why):
        read_token(TOKEN, secret, session, now)


def test_what_is_in_a_token_cannot_be_changed() -> None:
    content, _, signature = TOKEN.partition(".")
    told = json.loads(base64.urlsafe_b64decode(content))
    for member, other in (("task", "4567"), ("command", ["reboot"]), ("key", "MPODB"), ("expires", NOW + 300)):
        altered = base64.urlsafe_b64encode(json.dumps({**told, member: other}).encode()).decode()
        with pytest.raises(UnknownToken, match="signature"):
            read_token(f"{altered}.{signature}", SECRET, "s-1", NOW)


def test_no_altered_token_is_read_as_one() -> None:
    draws = random.Random(48)
    for _ in range(2000):
        altered = list(TOKEN)
        altered[draws.randrange(len(altered))] = chr(draws.choice([*range(32, 127), 0xE9, 0x2028, 0xD800]))
        if "".join(altered) == TOKEN:
            continue
        with pytest.raises(UnknownToken):
            read_token("".join(altered), SECRET, "s-1", NOW)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        "[" * 5000,
        '{"session":1,"key":"k","cluster":"c","task":"t","container":"c","command":[],"expires":1}',
        '{"session":"s","key":"k","cluster":"c","task":"t","container":"c","command":"sh","expires":1}',
        '{"session":"s","key":"k","cluster":"c","task":"t","container":"c","command":[1],"expires":1}',
        '{"session":"s","key":"k","cluster":"c","task":"t","container":"c","command":[],"expires":true}',
        '{"session":"s","key":"k","cluster":"c","task":"t","container":"c","command":[],"expires":1e999}',
    ],
)
def test_what_is_no_token_is_refused(content: str) -> None:
    for token in (content, base64.urlsafe_b64encode(content.encode()).decode(), content + "." * 20_000):
        with pytest.raises(UnknownToken):
            read_key(token)
