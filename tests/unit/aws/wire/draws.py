"""Values drawn from the shapes of AWS's models: what a client may send and a service may answer, at random."""

import datetime
import math
import random
import re
import string
from importlib import import_module
from typing import Any, Final

from monopod.aws.wire.coverage import State, load_coverage
from monopod.aws.wire.models import Model, Operation

# The standard library's own reader of patterns, which has no annotations.
patterns, signs = import_module("re._parser"), import_module("re._constants")

LETTERS: Final = string.ascii_letters + string.digits + " -_./:=+@,\"'\\<>&%#?*\t\né漢🜁"
MOST_ITEMS: Final = 3
DEEPEST: Final = 5
TRIES: Final = 2000
LONGEST: Final = 60


class Draw:
    """Draws from a seed, always the same.

    Args:
        seed: of all that is drawn.
        fullness: how likely a member is that needn't be there.
        has_empty: whether structures in structures may be empty, which not every protocol can say.
    """

    def __init__(self, seed: int, fullness: float = 0.5, *, has_empty: bool = True) -> None:
        self.random = random.Random(seed)
        self._fullness = fullness
        self._has_empty = has_empty

    def draw_members(self, shape: Any, depth: int = 0) -> dict[str, Any]:
        """A structure that the model allows."""
        if shape is None:
            return {}
        names = list(shape.members)
        if shape.metadata.get("union"):
            names = [self.random.choice(names)]
            required = set(names)
        else:
            required = set(shape.required_members)
            if depth and names and not self._has_empty:
                required.add(self.random.choice(names))
        fullness = 0.0 if depth > DEEPEST else self._fullness
        return {
            name: self.draw(shape.members[name], depth + 1)
            for name in names
            if name in required or self.random.random() < fullness
        }

    def draw(self, shape: Any, depth: int = 0) -> Any:
        """A value that the model allows."""
        match shape.type_name:
            case "structure":
                return {"any": ["thing", 1]} if shape.is_document_type else self.draw_members(shape, depth)
            case "list":
                return [self.draw(shape.member, depth) for _ in range(self._draw_length(shape, MOST_ITEMS))]
            case "map":
                keys = {self.draw(shape.key): None for _ in range(self._draw_length(shape, MOST_ITEMS))}
                return {key: self.draw(shape.value, depth) for key in keys}
            case "string":
                return self._draw_string(shape)
            case "boolean":
                return self.random.random() < 0.5
            case "integer" | "long":
                bound = 1 << (31 if shape.type_name == "integer" else 63)
                least = int(shape.metadata.get("min", -bound))
                most = int(shape.metadata.get("max", bound - 1))
                return self.random.choice([least, most, self.random.randint(least, most)])
            case "float" | "double":
                least, most = shape.metadata.get("min", -1e300), shape.metadata.get("max", 1e300)
                return self.random.choice([float(least), float(most), self.random.uniform(least, most)])
            case "timestamp":
                seconds = self.random.randint(0, 4_000_000_000)
                return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
            case "blob":
                return self.random.randbytes(self._draw_length(shape, 40))
            case kind:
                raise AssertionError(kind)

    def _draw_length(self, shape: Any, most: int) -> int:
        least = shape.metadata.get("min", 0)
        return self.random.randint(least, max(least, min(least + most, shape.metadata.get("max", math.inf))))

    def _draw_string(self, shape: Any) -> str:
        if shape.enum:
            return str(self.random.choice(shape.enum))
        pattern = shape.metadata.get("pattern")
        if pattern is None:
            found = "".join(self.random.choices(LETTERS, k=self._draw_length(shape, 12)))
            return found or ("x" if shape.serialization.get("location") == "uri" else "")  # what no address can say
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)
        parsed = patterns.parse(to_python(pattern))
        for number in range(TRIES):
            found = self._draw_matching(parsed, 1 + number % LONGEST)
            if least <= len(found) <= most:
                return found
        raise AssertionError(f"{shape.name}: nothing found for {pattern}")

    def _draw_matching(self, parsed: Any, repeats: int) -> str:
        return "".join(self._draw_part(kind, argument, repeats) for kind, argument in parsed)

    def _draw_part(self, kind: Any, argument: Any, repeats: int) -> str:
        match kind:
            case signs.LITERAL:
                return chr(argument)
            case signs.NOT_LITERAL:
                return "x" if chr(argument) != "x" else "y"
            case signs.ANY:
                return "z"
            case signs.AT:
                return ""
            case signs.IN:
                allowed = re.compile("[" + _to_class(argument) + "]")
                return self.random.choice([sign for sign in LETTERS + string.punctuation if allowed.fullmatch(sign)])
            case signs.SUBPATTERN:
                return self._draw_matching(argument[3], repeats)
            case signs.BRANCH:
                return self._draw_matching(self.random.choice(argument[1]), repeats)
            case signs.MAX_REPEAT:
                least, most, content = argument
                count = self.random.randint(least, max(least, min(most, repeats)))
                return "".join(self._draw_matching(content, repeats) for _ in range(count))
            case _:
                raise AssertionError(kind)


CATEGORIES: Final = {
    signs.CATEGORY_WORD: r"\w",
    signs.CATEGORY_NOT_SPACE: r"\S",
    signs.CATEGORY_SPACE: r"\s",
    signs.CATEGORY_DIGIT: r"\d",
}


def _to_class(parts: Any) -> str:
    found = ""
    for kind, argument in parts:
        match kind:
            case signs.NEGATE:
                found += "^"
            case signs.LITERAL:
                found += re.escape(chr(argument))
            case signs.RANGE:
                found += f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
            case signs.CATEGORY:
                found += CATEGORIES[argument]
            case _:
                raise AssertionError(kind)
    return found


def list_operations(model: Model) -> list[Operation]:
    """All of a service's. Of Systems Manager, whose patterns can't all be drawn from, those that are built."""
    built = {name for (service, name), it in load_coverage().items() if service == "ssm" and it.state is State.BUILT}
    return [each for each in model.operations.values() if model.name != "ssm" or each.name in built]


def to_python(pattern: str) -> str:
    """A pattern of Java's as one of Python's that matches less; \\w of Java's and RE2's is ASCII."""
    for java, python in {r"\p{L}": "A-Za-z", r"\p{N}": "0-9", r"\p{Z}": " ", r"\w": "A-Za-z0-9_"}.items():
        pattern = pattern.replace(java, python if "[" in pattern else f"[{python}]")
    return pattern.replace(r"\u10000-\u10FFFF", "").replace("A-Za-z0-9_-_", r"A-Za-z0-9_\-")
