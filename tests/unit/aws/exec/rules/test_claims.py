import pytest

from monopod.aws.exec.rules.claims import ANNOTATION, MOST_CLAIMS, AlreadyClaimed, TooManyClaims, build_claim
from monopod.kube.client.api import Json

NOW = 1_700_000_000


def a_task(annotation: str | None = None) -> Json:
    annotations = {} if annotation is None else {"annotations": {ANNOTATION: annotation}}
    return {"metadata": {"name": "t", "resourceVersion": "7", **annotations}}


def claim(annotation: str | None, session: str = "s-1", now: int = NOW) -> str:
    patch = build_claim(a_task(annotation), session, now + 60, now)
    assert patch["metadata"]["resourceVersion"] == "7"
    return str(patch["metadata"]["annotations"][ANNOTATION])


def test_a_session_begins_once() -> None:
    first = claim(None)
    assert first == f"s-1={NOW + 60}"
    with pytest.raises(AlreadyClaimed):
        claim(first)
    assert claim(first, "s-2") == f"s-1={NOW + 60} s-2={NOW + 60}"


def test_a_session_is_remembered_for_longer_than_its_token_is_good_whatever_the_clocks_say() -> None:
    first = claim(None)
    with pytest.raises(AlreadyClaimed):
        claim(first, now=NOW + 10_000)
    assert "s-1" in claim(first, "s-2", NOW + 60 + 599)
    assert "s-1" not in claim(first, "s-2", NOW + 60 + 600)


def test_there_is_a_bound() -> None:
    full = " ".join(f"x{number}={NOW}" for number in range(MOST_CLAIMS))
    with pytest.raises(TooManyClaims):
        claim(full)
    assert claim(full, now=NOW + 601) == f"s-1={NOW + 661}"


@pytest.mark.parametrize("annotation", ["", "rubbish", "a=b =3 x=-1 y=1e5", "=" * 50, "z=" + "9" * 4000])
def test_what_others_wrote_there_is_dropped(annotation: str) -> None:
    assert claim(annotation).split()[-1] == f"s-1={NOW + 60}"
