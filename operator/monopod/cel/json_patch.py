"""JSON Patch operations as CEL expressions: each function gives a list of operations, to be added together."""

from monopod.cel.expressions import quote


def escape_pointer(name: str) -> str:
    """A map's key as part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def put(path: str, value_cel: str) -> str:
    """Operations that set a field or a map's entry."""
    return f"[JSONPatch{{op: 'add', path: {quote(path)}, value: {value_cel}}}]"


def put_map_if_absent(path: str, present_cel: str) -> str:
    """Operations that make an empty map, without which its entries can't be added."""
    return f"({present_cel} ? [] : {put(path, '{}')})"


def drop_if(condition_cel: str, path: str) -> str:
    """Operations that remove a field or a map's entry if it is there."""
    return f"""({condition_cel}
      ? [JSONPatch{{op: 'remove', path: {quote(path)}}}] : [])"""


def put_label(name: str, value_cel: str) -> str:
    """Operations that set a label."""
    return put(f"/metadata/labels/{escape_pointer(name)}", value_cel)


def put_annotation(name: str, value_cel: str) -> str:
    """Operations that set an annotation."""
    return put(f"/metadata/annotations/{escape_pointer(name)}", value_cel)


def drop_annotation(name: str) -> str:
    """Operations that remove an annotation that the manifest may have brought."""
    return drop_if(f"{quote(name)} in variables.annotations", f"/metadata/annotations/{escape_pointer(name)}")


def each(indices_cel: str, condition_cel: str, operation_cel: str) -> str:
    """One operation for each `index` in a list of indices that fulfils a condition."""
    return f"""{indices_cel}
      .map(index, {condition_cel},
        {operation_cel})"""
