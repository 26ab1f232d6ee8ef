"""Which value of the chart sets which flag of the operator, as the Deployment's template says it."""

import re
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(r"\{\{-? *(if|range|with|end)\b")
VALUE = re.compile(r"\.Values\.([\w.]+)")
FLAG = re.compile(r" *- (--[a-z-]+)")


def read_arguments(template: Path) -> dict[str, str]:
    """Returns the value's path by flag; "" where no value sets it by itself."""
    return dict(_walk(template.read_text().splitlines()))


def _walk(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yields flags with the value on their line, else with that of the block that they stand in."""
    blocks = [""]
    for line in lines:
        value = VALUE.search(line)
        if flag := FLAG.match(line):
            yield flag[1], value[1] if value else "" if "=" in line and "{{ . }}" not in line else blocks[-1]
        elif block := BLOCK.search(line):
            if block[1] == "end":
                blocks.pop()
            else:
                blocks.append(value[1] if value else "")
