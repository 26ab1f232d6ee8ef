"""Files and folders of YAML and JSON that a user hands in, read as kubectl reads them: what stands in them, as dicts.

What they hold may be anything: no one has validated it, and some of it was made to exhaust whoever reads it.
"""

import codecs
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import yaml

from monopod.cli.failure import UnreadableInput

_SUFFIXES: Final = {".yaml", ".yml", ".json"}
_DEEPEST: Final = 200
_DEEPEST_LIST: Final = 8
_MOST_ALIASED: Final = 100_000

_SPACE: Final = re.compile(r"\s*")
_TAG: Final = "tag:yaml.org,2002:"
_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT: Final = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # its base is chosen at run time
    """YAML as kubectl reads it: dates, times such as 12:30 and a lone = are strings; 1e3 is a number; y is true.

    Keys are strings, as JSON's are: of a label `on` comes one of the name `true`.
    """

    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012  # PyYAML's own attribute

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML reads this attribute from the class
        first: [each for each in resolvers if each[0].removeprefix(_TAG) not in ("timestamp", "value", "int", "float")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        """The mapping with its keys as kubectl writes them."""
        return {_name_key(key, node): value for key, value in super().construct_mapping(node, deep).items()}


def _name_key(key: object, node: yaml.MappingNode) -> str:
    match key:
        case str():
            return key
        case bool():
            return "true" if key else "false"
        case int():
            return str(key)
        case float():
            return f"{key:g}"
        case _:
            raise yaml.constructor.ConstructorError(None, None, "a key is no string", node.start_mark)


_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile("[yYnN]$"), list("yYnN"))
_Loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+.0123456789"))


class _Dumper(yaml.SafeDumper):
    """YAML that kubectl reads as what it was: text that it would take for something else is quoted."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def format_documents(documents: Iterable[object]) -> str:
    """The documents as YAML."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, explicit_start=True, allow_unicode=True)


def list_files(path: str) -> list[str]:
    """The path itself, or the YAML and JSON files in and below it if it is a folder, in the order of their names.

    Hidden files are left out, and kustomizations, which are instructions and no objects.

    Raises:
        UnreadableInput: there are none in the folder.
    """
    folder = Path(path)
    if path == "-" or not os.path.isdir(path):  # Path.is_dir raises where a folder may not be entered
        return [path]
    found = [
        each
        for each in sorted(folder.rglob("*"))
        if each.suffix in _SUFFIXES
        and each.stem != "kustomization"
        and not any(part.startswith(".") for part in each.relative_to(folder).parts)
        and not each.is_dir()
    ]
    if not found:
        raise UnreadableInput(f"{path} holds no file named *.yaml, *.yml or *.json.")
    return [str(each) for each in found]


def read_documents(path: str) -> list[object]:
    """All YAML or JSON documents of a file (`-`: stdin), with lists unfolded.

    Raises:
        UnreadableInput: the file can't be opened or parsed.
    """
    try:
        documents = _parse(_decode(_read(path)))
    except OSError as problem:
        raise UnreadableInput(f"{show(path)}: {problem.strerror or problem}") from None
    except UnicodeError:
        raise UnreadableInput(f"{show(path)} can't be read: it is no text in UTF-8.") from None
    except yaml.YAMLError as problem:
        raise UnreadableInput(f"{show(path)} is not valid YAML: {_describe(problem)}") from None
    except (ValueError, RecursionError) as problem:
        raise UnreadableInput(f"{show(path)} can't be read: {problem}") from None
    return [item for document in documents for item in _unfold(document, path)]


def _read(path: str) -> bytes:
    if path != "-":
        return Path(path).read_bytes()
    if sys.stdin is None:
        raise UnreadableInput("stdin is closed.")
    return sys.stdin.buffer.read()


def _decode(content: bytes) -> str:
    # As kubectl does: PowerShell redirects into UTF-16. What stdin holds is no matter of the terminal's encoding.
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig")


def _parse(text: str) -> list[object]:
    found = _parse_json(text)
    if found is None:
        _check_extent(text)
        found = list(yaml.load_all(text, Loader=_Loader))  # a safe loader
    return found


def _parse_json(text: str) -> list[object] | None:
    """One JSON object after the other, as jq writes them and YAML doesn't have them; None if it is something else."""
    documents: list[object] = []
    rest = _skip_space(text, 0)
    if not text.startswith("{", rest):
        return None
    decoder = json.JSONDecoder()
    try:
        while rest < len(text):
            document, end = decoder.raw_decode(text, rest)
            documents.append(document)
            rest = _skip_space(text, end)
    except (ValueError, RecursionError):
        return None
    return documents


def _skip_space(text: str, start: int) -> int:
    found = _SPACE.match(text, start)
    return found.end() if found else start


def _check_extent(text: str) -> None:
    # libyaml builds nested nodes by recursion in C: deep enough, they crash the process before Python can object.
    # Aliases of aliases make billions of values of a few lines.
    anchors: list[str | None] = []
    totals = [0]
    sizes: dict[str | None, int] = {}
    aliased = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            anchors.append(event.anchor)
            totals.append(1)
            if len(anchors) > _DEEPEST:
                raise ValueError(f"it is nested more than {_DEEPEST} levels deep.")
        elif isinstance(event, yaml.CollectionEndEvent):
            size = sizes[anchors.pop()] = totals.pop()
            totals[-1] += size
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor, 1)
            totals[-1] += size
            aliased += size
            if aliased > _MOST_ALIASED:
                raise ValueError(f"its aliases stand for more than {_MOST_ALIASED} values.")
        elif isinstance(event, yaml.ScalarEvent):
            totals[-1] += 1


def _unfold(document: object, path: str, depth: int = 0) -> Iterator[object]:
    if document is None:
        return
    if isinstance(document, dict) and str(document.get("kind")).endswith("List") and "items" in document:
        items = [] if document["items"] is None else document["items"]
        if not isinstance(items, list) or depth > _DEEPEST_LIST:
            raise UnreadableInput(f"{show(path)}: {document['kind']}: items must be a list of objects.")
        # The items of a PodList, unlike those of a List, need not say what they are.
        kind = str(document["kind"]).removesuffix("List")
        own = {"kind": kind, "apiVersion": document.get("apiVersion")} if kind else {}
        for item in items:
            named = {**own, **item} if isinstance(item, dict) else item
            yield from _unfold(named, path, depth + 1)
    else:
        yield document


def show(path: str) -> str:
    """A file's name in a message."""
    return "stdin" if path == "-" else path


def _describe(problem: yaml.YAMLError) -> str:
    """The problem and its place in one line, which PyYAML spreads over several."""
    if isinstance(problem, yaml.MarkedYAMLError) and problem.problem_mark:
        return f"{problem.problem or problem.context} in line {problem.problem_mark.line + 1}"
    return " ".join(str(problem).split())


def read_all(path: str) -> list[object]:
    """The documents in a file or folder; raises UnreadableInput as `read_documents` does."""
    return [document for file in list_files(path) for document in read_documents(file)]
