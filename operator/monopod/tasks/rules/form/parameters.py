"""Whether a task definition is of the form that the service's model describes: members, types, enumerations.

The AWS CLI and SDKs check it before they send anything, and these are their words; enumerations they leave to the
service.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from monopod.tasks.rules.form.shapes import AMOUNT, TASK_DEFINITION, ListOf, MapOf, Scalar, Shape, Structure
from monopod.tasks.rules.rule import Finding, note, refused_by_sdk, refused_untold
from monopod.tasks.rules.view import View, as_number, join, show

MISSING = refused_by_sdk("ParameterMissing", 'Missing required parameter in {parent}: "{name}"', "Add {name}.")
UNKNOWN = refused_by_sdk(
    "ParameterUnknown",
    'Unknown parameter in {parent}: "{name}", must be one of: {known}',
    "Remove it, or correct its name{meant}.",
)
WRONG_TYPE = refused_by_sdk(
    "ParameterTypeInvalid",
    "Invalid type for parameter {path}, value: {value}, type: {found}, valid types: {valid}",
    "{remedy}",
)
UNKNOWN_VALUE = refused_untold("ValueUnknown", "{value} isn't one of {known}.", "Use one of these, in this spelling.")
AMOUNT_AS_NUMBER = note(
    "AmountAsNumber",
    "The AWS CLI and SDKs take the task's {name} as a text only.",
    'Write "{name}": "{value}", with quotation marks.',
)

NULLS = note(
    "NullFields",
    "{count} {fields} null, such as {first}, which the AWS CLI refuses.",
    "Leave them out: the service takes null for nothing.",
)

_SDK_TYPES: Final = {
    "str": "<class 'str'>",
    "int": "<class 'int'>",
    "bool": "<class 'bool'>",
    "list": "<class 'list'>, <class 'tuple'>",
    "dict": "<class 'dict'>",
}
_REMEDIES: Final = {
    "str": "Write a text, in quotation marks.",
    "int": "Write a whole number, without quotation marks.",
    "bool": "Write true or false, without quotation marks.",
    "list": "Write a list, in brackets.",
    "dict": "Write a structure, in braces.",
}
_DEEPEST: Final = 12


def check_parameters(root: View) -> Iterator[Finding]:
    """All that the model objects to. Fields that are null are as good as absent, and are told together."""
    yield from check_form(root.fields, TASK_DEFINITION, root.path)
    if nulls := list(_list_nulls(root.fields, root.path)):
        yield NULLS.at(
            nulls[0], count=len(nulls), fields="field is" if len(nulls) == 1 else "fields are", first=nulls[0]
        )


def _list_nulls(fields: object, path: str, depth: int = 0) -> Iterator[str]:
    """The fields that are null, as deep as a task definition goes."""
    items: Iterable[tuple[str, object]] = ()
    if isinstance(fields, Mapping):
        items = ((join(path, show(name)), each) for name, each in fields.items())
    elif isinstance(fields, list):
        items = ((f"{path}[{index}]", each) for index, each in enumerate(fields))
    for place, each in items:
        if each is None and isinstance(fields, Mapping):
            yield place
        elif depth < _DEEPEST:
            yield from _list_nulls(each, place, depth + 1)


def check_form(value: object, shape: Shape, path: str = "") -> Iterator[Finding]:
    """All in a value that isn't as its shape says."""
    match shape:
        case Scalar():
            yield from _check_scalar(value, shape, path)
        case ListOf(item=item):
            if isinstance(value, list):
                for index, each in enumerate(value):
                    yield from check_form(each, item, f"{path}[{index}]")
            else:
                yield _fail(value, "list", path)
        case MapOf(value=item):
            if isinstance(value, Mapping):
                for key, each in value.items():
                    yield from check_form(each, item, join(path, show(key)))
            else:
                yield _fail(value, "dict", path)
        case Structure():
            if isinstance(value, Mapping):
                yield from _check_structure(value, shape, path)
            else:
                yield _fail(value, "dict", path)


def _check_structure(value: Mapping[str, object], shape: Structure, path: str) -> Iterator[Finding]:
    parent = path or "input"
    for name in shape.members:
        if name in shape.required and value.get(name) is None:
            yield MISSING.at(join(path, name), parent=parent, name=name)
    for name, each in value.items():
        if name in shape.members and each is None:
            continue
        if name in shape.members:
            yield from check_form(each, shape.members[name], join(path, name))
        else:
            known = ", ".join(shape.members)
            meant = next((f" to {each}" for each in shape.members if each.lower() == str(name).lower()), "")
            yield UNKNOWN.at(join(path, show(name)), parent=parent, name=show(name), known=known, meant=meant)


def _check_scalar(value: object, shape: Scalar, path: str) -> Iterator[Finding]:
    if shape is AMOUNT:
        if as_number(value) is not None:
            yield AMOUNT_AS_NUMBER.at(path, name=path, value=value)
        elif not isinstance(value, str):
            yield _fail(value, "str", path)
    elif not _is_of_type(value, shape.python):
        yield _fail(value, shape.python, path)
    elif shape.values and value not in shape.values:
        yield UNKNOWN_VALUE.at(path, value=repr(show(value)), known=", ".join(shape.values))


def _is_of_type(value: object, python: str) -> bool:
    if python == "int":
        return as_number(value) is not None
    return isinstance(value, str if python == "str" else bool)


def _fail(value: object, python: str, path: str) -> Finding:
    found = f"<class '{type(value).__name__}'>"
    return WRONG_TYPE.at(
        path, path=path, value=show(value), found=found, valid=_SDK_TYPES[python], remedy=_REMEDIES[python]
    )
