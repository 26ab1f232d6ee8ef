"""What a Secret must hold to be an access key, and whom none may stand for."""

import base64
from typing import Any

import pytest

from monopod.access_keys.rules.stored_key import SECRET_TYPE, InvalidKey, StoredKey

ID, SECRET = "MPODAAAAAAAAAAAAAAAA", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = StoredKey(ID, SECRET, "ana@example.com", ("developers", "team a"))


def a_secret(**fields: str | None) -> dict[str, Any]:
    """The Secret as the API server keeps it."""
    built = KEY.build_secret("monopod-system")
    texts = {**built.pop("stringData"), **fields}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items() if text is not None}
    return {**built, "data": data}


def test_what_is_written_is_read() -> None:
    assert StoredKey.from_resource(a_secret()) == KEY
    assert a_secret()["metadata"] == {"name": "access-key-mpodaaaaaaaaaaaaaaaa", "namespace": "monopod-system"}
    assert a_secret()["type"] == SECRET_TYPE


def test_a_file_that_ends_in_a_line_break_is_read() -> None:
    """As `kubectl create secret --from-file` makes one."""
    secret = a_secret(accessKeyId=f"{ID}\n", secretAccessKey=f"{SECRET}\n", user="ana@example.com\n", groups="a\n\nb\n")
    assert StoredKey.from_resource(secret) == StoredKey(ID, SECRET, "ana@example.com", ("a", "b"))


def test_groups_may_be_missing() -> None:
    assert StoredKey.from_resource(a_secret(groups=None)).groups == ()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"accessKeyId": None}, "It has no accessKeyId."),
        ({"secretAccessKey": None}, "It has no secretAccessKey."),
        ({"user": None}, "It has no user."),
        ({"accessKeyId": "short"}, "accessKeyId must be"),
        ({"accessKeyId": ID.lower()}, "accessKeyId must be"),
        ({"secretAccessKey": "short"}, "secretAccessKey must be"),
        ({"secretAccessKey": "é" * 20}, "secretAccessKey must be"),
        ({"user": ""}, "'' is no name of a user."),
        ({"user": " ana"}, "' ana' is no name of a user."),
        ({"user": "a\r\nImpersonate-Group: system:masters"}, "is no name of a user."),
        ({"user": "x" * 513}, "is no name of a user."),
        ({"user": "system:admin"}, "'system:admin' is a user of Kubernetes' own; no access key may stand for it."),
        ({"user": "system:serviceaccount:kube-system:default"}, "of Kubernetes' own"),
        ({"groups": "developers\nsystem:masters"}, "'system:masters' is a group of Kubernetes' own"),
        ({"groups": "a\tb"}, "is no name of a group."),
        ({"groups": "\n".join(f"g{number}" for number in range(101))}, "at most 100 groups"),
    ],
)
def test_what_is_no_key_is_none(fields: dict[str, str | None], message: str) -> None:
    with pytest.raises(InvalidKey) as invalid:
        StoredKey.from_resource(a_secret(**fields))
    assert message in str(invalid.value)
    assert SECRET not in str(invalid.value)


def test_what_is_no_text_is_none() -> None:
    for garbage in ("%", base64.b64encode(b"\xff").decode()):
        secret = a_secret()
        secret["data"]["user"] = garbage
        with pytest.raises(InvalidKey, match="Its user is no text"):
            StoredKey.from_resource(secret)


def test_a_key_does_not_show_its_secret() -> None:
    assert SECRET not in repr(KEY)
