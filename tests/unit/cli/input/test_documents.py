"""Files that a user hands in are read as kubectl reads them, and none of them keeps the program from ending."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from monopod.cli.failure import UnreadableInput
from monopod.cli.input.documents import list_files, read_documents


def read(tmp_path: Path, content: str | bytes) -> list[Any]:
    path = tmp_path / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_documents(str(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"),
        ("1:2:3.5", "1:2:3.5"),
        ("=", "="),
        ("08:30", "08:30"),
        ("1e3", 1000.0),
        ("y", True),
        ("N", False),
        ("yes", True),
        ("ny", "ny"),
        ("010", 8),
        ("0x10", 16),
        ("1_000", 1000),
        ("-1", -1),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.2.3", "1.2.3"),
        ("v1", "v1"),
    ],
)
def test_plain_words_mean_what_they_mean_to_kubectl(tmp_path: Path, text: str, value: object) -> None:
    ((read_value,),) = read(tmp_path, f"- {text}")
    assert (read_value, type(read_value)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "key"), [("on", "true"), ("n", "false"), ("1", "1"), ("1.50", "1.5"), ("1e3", "1000"), ("'1'", "1")]
)
def test_keys_become_what_they_become_to_kubectl(tmp_path: Path, text: str, key: str) -> None:
    assert read(tmp_path, f"{text}: x") == [{key: "x"}]


def test_of_a_key_that_is_there_twice_the_last_counts_as_for_kubectl(tmp_path: Path) -> None:
    assert read(tmp_path, "a: x\na: z") == [{"a": "z"}]


@pytest.mark.parametrize("text", ["null: x", "? [a]\n: x", "? {a: b}\n: x"])
def test_other_keys_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableInput, match=r"is not valid YAML: .* in line 1"):
        read(tmp_path, text)


def test_json_objects_may_follow_each_other_as_jq_writes_them(tmp_path: Path) -> None:
    assert read(tmp_path, '\n{"kind": "Pod"}\n{"kind": "Job"}{"kind": "List", "items": [{"kind": "A"}]}\n') == [
        {"kind": "Pod"},
        {"kind": "Job"},
        {"kind": "A"},
    ]


def test_json_may_write_characters_as_pairs_of_escapes(tmp_path: Path) -> None:
    assert read(tmp_path, json.dumps({"kind": "🦭"})) == [{"kind": "🦭"}]


def test_yaml_may_look_like_json(tmp_path: Path) -> None:
    assert read(tmp_path, "{kind: Pod}\n---\n{kind: Job}") == [{"kind": "Pod"}, {"kind": "Job"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_what_the_encoding_is(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, "kind: Zürich\r\n".encode(encoding)) == [{"kind": "Zürich"}]


def test_bytes_in_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match=r"can't be read: it is no text in UTF-8\.$"):
        read(tmp_path, "kind: Zürich".encode("latin-1"))


def nest(node: str, first: str) -> str:
    """Nine nodes, each of which names the one before it ten times."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {node.format(', '.join([f'*a{n - 1}'] * 10))}" for n in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.timeout(2)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(nest("[{}]", "[x]"), id="lists"),
        pytest.param(nest("{{<<: [{}]}}", "{a: 1}"), id="merged mappings"),
        pytest.param(nest("{{kind: List, items: [{}]}}", "{kind: Pod}"), id="Lists"),
    ],
)
def test_aliases_of_aliases_are_not_followed_without_end(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableInput, match=r"its aliases stand for more than 100000 values\.$"):
        read(tmp_path, text)


def test_aliases_are_followed(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &a {x: 1}\nb: {<<: *a, z: 2}\nc: [*a, *a]") == [
        {"a": {"x": 1}, "b": {"x": 1, "z": 2}, "c": [{"x": 1}, {"x": 1}]}
    ]


def test_a_folder_that_is_named_like_a_file_is_a_folder(tmp_path: Path) -> None:
    inner = tmp_path / "shop.yaml"
    inner.mkdir()
    (inner / "pod.yaml").write_text("kind: Pod")
    assert list_files(str(tmp_path)) == [str(inner / "pod.yaml")]


def test_a_name_that_no_file_can_have_is_no_folder(tmp_path: Path) -> None:
    name = str(tmp_path / ("x" * 300))
    assert list_files(name) == [name]
    with pytest.raises(UnreadableInput, match=os.strerror(36)):
        read_documents(name)
