"""The flags of a command, from a model of options; and what the model says to bad values, as a sentence each."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeVar, get_args, get_origin

import annotated_types
import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from monopod.kube.options import MOST, Flag, Options

RULES = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "must be a name as Kubernetes takes it, {pattern}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} values",
    "path_not_file": "must be a file that exists",
}

Model = TypeVar("Model", bound=Options)


@dataclass(frozen=True, slots=True)
class Option:
    """One field of a model, as users meet it."""

    name: str
    field: FieldInfo
    prefix: str

    @property
    def flag(self) -> str:
        """The flag that sets it."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it where no flag does."""
        return f"{self.prefix}{self.name.upper()}"

    @property
    def description(self) -> str:
        """What it is for, in one line."""
        return " ".join((self.field.description or "").split())

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return self.field.annotation is bool

    @property
    def is_repeatable(self) -> bool:
        """Whether it has any number of values."""
        return get_origin(self.field.annotation) is tuple

    @property
    def choices(self) -> tuple[str, ...]:
        """Its values, if there are only some."""
        kind = self.field.annotation
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return tuple(kind)
        return get_args(kind) if get_origin(kind) is Literal else ()

    @property
    def metavar(self) -> str:
        """What stands for its value."""
        return self._shown.metavar or "|".join(self.choices)

    @property
    def default(self) -> str:
        """The default, as users read it."""
        value = self.field.default
        if self._shown.default:
            return self._shown.default
        return ("on" if value else "off") if self.is_switch else _write(value)

    @property
    def bounds(self) -> str:
        """Which values it takes, in words; "" for all."""
        least = [f"at least {_write(each.ge)}" for each in self.field.metadata if isinstance(each, annotated_types.Ge)]
        most = [each.le for each in self.field.metadata if isinstance(each, annotated_types.Le)]
        return ", ".join([*least, *(f"at most {_write(each)}" for each in most if each != MOST)])

    @property
    def _shown(self) -> Flag:
        return next((each for each in self.field.metadata if isinstance(each, Flag)), Flag())


def list_sections(model: type[Options]) -> Iterator[tuple[str, list[Option]]]:
    """Yields the options of each model that this one is made of, under its title."""
    for part in model.__mro__:
        own = [name for name in inspect.get_annotations(part) if name in model.model_fields]
        if issubclass(part, Options) and own:
            fields = [(name, model.model_fields[name]) for name in own]
            title = (part.__doc__ or "").rstrip(".")
            prefix = model.model_config.get("env_prefix", "")
            yield title, [Option(field.alias or name, field, prefix) for name, field in fields]


class OptionsCommand(click.Command):
    """A command whose flags are the fields of a model, in sections.

    Args:
        model: the options.
        attributes: click's own.
    """

    def __init__(self, *, model: type[Options], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._sections = {title: [_build_flag(option) for option in own] for title, own in list_sections(model)}
        self.params = [flag for flags in self._sections.values() for flag in flags]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes a section for each room."""
        for title, flags in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([record for flag in flags if (record := flag.get_help_record(ctx))])


def read_options(model: type[Model], flags: Mapping[str, object]) -> Model:
    """Returns the options that flags and environment give.

    Raises:
        click.UsageError: If a value isn't one that the option takes.
    """
    given: dict[str, Any] = {name: value for name, value in flags.items() if value not in (None, ())}
    try:
        return model(**given)
    except ValidationError as error:
        options = {option.name: option for _, own in list_sections(model) for option in own}
        problems = [_describe(options[str(each["loc"][0])], each, given) for each in error.errors()]
        raise click.UsageError("\n".join(problems)) from None


def _build_flag(option: Option) -> click.Option:
    notes = [f"default: {option.default}", *([option.bounds] if option.bounds else [])]
    names: Sequence[str] = [option.name, option.flag]
    if option.is_switch:
        names = [option.name, f"{option.flag}/--no-{option.flag.removeprefix('--')}"]
    return click.Option(
        names,
        default=None,
        type=bool if option.is_switch else str,
        multiple=option.is_repeatable,
        metavar=None if option.is_switch else option.metavar,
        help=f"{option.description}{' Repeatable.' if option.is_repeatable else ''} [{'; '.join(notes)}]",
    )


def _describe(option: Option, error: ErrorDetails, given: Mapping[str, object]) -> str:
    source = option.flag if option.name in given else option.variable
    context = {name: _write(value) for name, value in error.get("ctx", {}).items()}
    if error["type"] == "value_error":  # a sentence of ours, which names the value
        return f"Invalid value for '{source}': {context['error']}."
    rule = RULES.get(error["type"], error["msg"]).format(**context)
    return f"Invalid value for '{source}': {rule}, not {error['input']!r}."


def _write(value: object) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
