"""The core of both clients: what answers mean, which page is next, and what is sent again."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from monopod.kube.client.api import AnswerTooLong, ApiError, ApiUnreachable, Cause, Json, ServerTrouble
from monopod.kube.client.request import (
    LONGEST_MESSAGE,
    LONGEST_PAUSE_SECONDS,
    MOST_RETRIES,
    Pages,
    build_apply,
    build_create,
    build_delete,
    build_merge,
    build_patch,
    build_read,
    build_replace,
    check_answer,
    compute_pause,
    read_answer,
    read_event,
)

READ = build_read("/x")


def a_status(status: int, reason: str = "", **fields: Any) -> bytes:
    return json.dumps({"kind": "Status", "code": status, "reason": reason, "message": "no", **fields}).encode()


def refused(status: int, content: bytes, retry_after: str | None = None) -> ApiError | ServerTrouble:
    with pytest.raises((ApiError, ServerTrouble)) as caught:
        read_answer(READ, status, content, retry_after)
    assert isinstance(caught.value, ApiError | ServerTrouble)
    return caught.value


@pytest.mark.parametrize(
    ("request_", "method", "target", "content_type"),
    [
        (build_read("/x", {"fieldSelector": "a=b,c=d"}), "GET", "/x?fieldSelector=a%3Db%2Cc%3Dd", "application/json"),
        (build_create("/x", {}), "POST", "/x?fieldManager=monopod", "application/json"),
        (build_create("/x", {}, dry_run=True), "POST", "/x?fieldManager=monopod&dryRun=All", "application/json"),
        (build_replace("/x", {}), "PUT", "/x?fieldManager=monopod", "application/json"),
        (build_merge("/x", {}), "PATCH", "/x?fieldManager=monopod", "application/merge-patch+json"),
        (build_patch("/x", []), "PATCH", "/x?fieldManager=monopod", "application/json-patch+json"),
        (build_apply("/x", {}), "PATCH", "/x?fieldManager=monopod&force=true", "application/apply-patch+yaml"),
        (build_delete("/x"), "DELETE", "/x", "application/json"),
    ],
    ids=["read", "create", "try", "replace", "merge", "patch", "apply", "delete"],
)
def test_a_request_says_what_it_is(request_: Any, method: str, target: str, content_type: str) -> None:
    assert (request_.method, request_.target) == (method, target)
    assert request_.headers["Content-Type"] == content_type


def test_a_deletion_is_of_this_object_and_of_this_version_of_it() -> None:
    assert build_delete("/x", "u").body == {"preconditions": {"uid": "u"}}
    assert build_delete("/x", "u", "7").body == {"preconditions": {"uid": "u", "resourceVersion": "7"}}


@pytest.mark.parametrize("status", [403, 429, 500])
def test_status_reason_and_causes_are_read_of_every_refusal(status: int) -> None:
    causes = [{"reason": "FieldValueInvalid", "message": "too long", "field": "spec.x"}, {"message": "and"}]
    error = refused(status, a_status(status, "Odd", details={"causes": causes}))
    assert (error.status, error.reason, error.message) == (status, "Odd", "no")
    assert error.causes == (Cause("FieldValueInvalid", "too long", "spec.x"), Cause("", "and"))
    assert error.has_cause("FieldValueInvalid")
    assert not error.has_cause("Odd")
    assert isinstance(error, ServerTrouble) == (status != 403)


@pytest.mark.parametrize("text", [b"<html>log in</html>", b"", b"null", b'"busy"', b"[]", b"503", b"[" * 100_000])
def test_an_answer_that_is_no_object_is_none_whatever_its_status(text: bytes) -> None:
    """A proxy's page would pass for an empty list, or for the word that a pod is evicted."""
    with pytest.raises(ApiUnreachable):
        read_answer(READ, 200, text)
    assert isinstance(refused(503, text), ServerTrouble)
    assert isinstance(refused(404, text), ApiError)
    assert isinstance(refused(302, text), ApiError)


@pytest.mark.parametrize("levels", [201, 5_000, 10_000])
def test_one_object_that_is_nested_too_deeply_does_not_hide_the_others(levels: int) -> None:
    """The API server takes 10,000 levels in a field that it doesn't look into."""
    deep = '{"[\\\\":[' * (levels // 2) + "]}" * (levels // 2)
    one = '{"metadata":{"name":"a"},"spec":{"before":1,"overrides":DEEP,"after":2}}'.replace("DEEP", deep)
    text = f'{{"items":[{one},{{"metadata":{{"name":"b"}}}}]}}'
    first, second = read_answer(READ, 200, text.encode())["items"]
    assert (first["metadata"], first["spec"]["before"], first["spec"]["after"]) == ({"name": "a"}, 1, 2)
    assert second == {"metadata": {"name": "b"}}
    assert read_event(READ, f'{{"type":"ADDED","object":{text}}}'.encode()).object["items"][1] == second


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"404 page not found\n", "404 page not found"),
        (b"<html><title>Sign in</title></html>", "a web page with HTTP status 404, as from a proxy or a gateway"),
        (b"\n <!DOCTYPE html>", "a web page with HTTP status 404, as from a proxy or a gateway"),
        (b"", "HTTP status 404"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"message": null}', '{"message": null}'),
    ],
    ids=["a kind that isn't served", "a page", "a page's beginning", "nothing", "no text", "no message"],
)
def test_what_no_api_server_says_has_no_reason_and_fits_a_line(content: bytes, said: str) -> None:
    error = refused(404, content)
    assert isinstance(error, ApiError)
    assert (error.message, error.reason, error.is_unserved) == (said, "", True)


def test_an_object_that_is_missing_is_told_from_a_kind_that_is() -> None:
    error = refused(404, a_status(404, "NotFound"))
    assert isinstance(error, ApiError)
    assert not error.is_unserved


@pytest.mark.parametrize(
    "odd",
    [
        {"details": []},
        {"details": {"causes": {}}},
        {"details": {"causes": [1, None, "x"]}},
        {"details": {"causes": [{"reason": 1, "message": None, "field": []}]}},
        {"details": {"retryAfterSeconds": "x"}},
        {"details": {"retryAfterSeconds": [1]}},
        {"metadata": [], "reason": {}},
        {"message": 7},
        {"metadata": {"continue": 7}},
    ],
    ids=str,
)
def test_an_odd_status_is_a_refusal_like_any_other(odd: dict[str, Any]) -> None:
    for status in (403, 500):
        error = refused(status, json.dumps({"message": "no", **odd}).encode())
        assert (error.status, error.retry_after) == (status, 0)


@pytest.mark.parametrize("status", [403, 500])
def test_a_webhook_that_talks_too_much_does_not_keep_a_status_from_being_written(status: int) -> None:
    error = refused(status, json.dumps({"message": "no" * 50_000}).encode())
    assert LONGEST_MESSAGE < len(str(error)) < LONGEST_MESSAGE + 100


@pytest.mark.parametrize(
    ("header", "seconds", "wish"),
    [
        ("3", 7, 3),
        (None, 7, 7),
        ("", 7, 7),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None, 0),
        ("1.5", None, 0),
        ("-1", None, 0),
        ("²", None, 0),
        (None, None, 0),
    ],
)
def test_how_long_to_wait_is_what_the_server_says_in_whole_seconds(
    header: str | None, seconds: int | None, wish: float
) -> None:
    assert refused(429, a_status(429, details={"retryAfterSeconds": seconds}), header).retry_after == wish


def test_a_text_may_be_anything_if_it_is_a_success() -> None:
    check_answer(200, b"<html>")
    with pytest.raises(ApiError):
        check_answer(403, b"<html>")


def busy(retry_after: float = 0.0) -> ServerTrouble:
    return ServerTrouble(429, "TooManyRequests", "slow down", (), retry_after)


def test_a_read_is_sent_again_after_pauses_that_double_and_in_the_end_not() -> None:
    pauses = [compute_pause(READ, busy(), attempts) for attempts in range(1, MOST_RETRIES + 2)]
    assert pauses == [0.25, 0.5, None]


def test_a_read_waits_for_as_long_as_the_server_says_unless_that_is_long() -> None:
    assert compute_pause(READ, busy(1.0), 1) == 1.0
    assert compute_pause(READ, busy(LONGEST_PAUSE_SECONDS + 1), 1) is None


@pytest.mark.parametrize("write", [build_create("/x", {}), build_merge("/x", {}), build_delete("/x", "u")], ids=str)
def test_a_write_is_never_sent_again(write: Any) -> None:
    assert compute_pause(write, busy(1.0), 1) is None


def a_page(*names: str, token: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": token}, "items": [{"metadata": {"name": name}} for name in names]}


def names(items: Iterable[Json]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def test_a_list_as_of_a_version_names_it_on_its_first_page_only() -> None:
    pages = Pages("/x", {"labelSelector": "a", "resourceVersion": "7", "resourceVersionMatch": "Exact"})
    assert pages.next is not None
    assert pages.next.target == "/x?limit=500&labelSelector=a&resourceVersion=7&resourceVersionMatch=Exact"
    pages.take(a_page("a", token="t"))
    assert pages.next is not None
    assert pages.next.target == "/x?limit=500&labelSelector=a&continue=t"


def test_pages_follow_each_other_with_the_same_query() -> None:
    pages = Pages("/x", {"labelSelector": "a"}, metadata_only=True)
    first = pages.next
    assert first is not None
    assert first.target == "/x?limit=500&labelSelector=a"
    assert names(pages.take(a_page("a", token="t"))) == ["a"]
    assert pages.next is not None
    assert pages.next.target == "/x?limit=500&labelSelector=a&continue=t"
    assert pages.next.accept == first.accept != READ.accept
    assert names(pages.take(a_page("b"))) == ["b"]
    assert pages.next is None


def test_a_page_that_is_too_long_is_asked_for_again_with_fewer_objects_and_pages_grow_again() -> None:
    pages, trouble = Pages("/x", {"labelSelector": "a"}), AnswerTooLong("long")

    def get_target() -> str:
        assert pages.next is not None
        return pages.next.target.removeprefix("/x?").replace("&labelSelector=a", "")

    pages.take(a_page("a", token="t"))
    for limit in (125, 31, 7, 1):
        pages.shrink(trouble)
        assert get_target() == f"limit={limit}&continue=t"
    with pytest.raises(AnswerTooLong):
        pages.shrink(trouble)
    for number in range(12):
        assert get_target() == f"limit={min(2**number, 500)}&continue=t"
        pages.take(a_page("a", token="t"))


@pytest.mark.parametrize("page", [{}, {"metadata": None, "items": None}], ids=str)
def test_a_list_without_anything_is_empty(page: dict[str, Any]) -> None:
    pages = Pages("/x")
    assert (list(pages.take(page)), pages.next) == ([], None)


def test_a_list_that_is_too_old_goes_on_where_it_was() -> None:
    pages = Pages("/x")
    pages.take(a_page("a", token="old"))
    error = refused(410, a_status(410, "Expired", metadata={"continue": "new"}))
    assert isinstance(error, ApiError)
    pages.resume(error)
    assert pages.next is not None
    assert pages.next.target == "/x?limit=500&continue=new"


@pytest.mark.parametrize(
    "error", [ApiError(410, "Expired", "old"), ApiError(403, "Forbidden", "no", continue_token="t")], ids=str
)
def test_a_list_ends_with_any_other_refusal(error: ApiError) -> None:
    with pytest.raises(ApiError):
        Pages("/x").resume(error)
