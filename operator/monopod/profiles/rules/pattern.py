"""Containment of wildcard patterns: is every text that one pattern matches matched by others as well?

Decided exactly, by running automata, for texts of the syntax in question (a namespace's name, a label's key or value).
Two things are left out on purpose. Lengths: the limit of 63 characters counts for nothing, so `a` 63 times and the
same with `*` behind it are different patterns here. Effort: a search that grows beyond `_MOST_STATES`, as only
patterns made for it do, ends with "not contained". Both err on one side: what is called contained is contained.

How. The tokens of the covered pattern are read from left to right. Beside each point stand the sets of positions that
the covering patterns can be in after the texts that lead there (the subset construction, one bit per position). Of two
sets only a smaller one is kept, because what escapes from the larger escapes from it too. A wildcard of the covered
pattern is filled with a single letter: one that stands in no covering pattern, and so is matched there by wildcards
alone. If any filling makes a text that escapes, this one does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final

from monopod.pods.rules.selection import is_wildcard, matches_pattern

_MOST_STATES: Final = 1_000

_WILDCARD: Final = re.compile(r"[*?]")
_LOWER: Final = ascii_lowercase + digits


@dataclass(frozen=True, eq=False)
class Syntax:
    """Which texts are valid, as an automaton that starts in the state "".

    Attributes:
        letters: each character that may occur, with the class that `moves` knows it by.
        moves: from a state, by a class, to the next state; what is missing here is invalid.
        accepting: the states in which a valid text may end.
        fixed_fillings: characters that a wildcard must be tried with besides an unused letter, because no letter can
            stand for them.
    """

    letters: Mapping[str, str]
    moves: Mapping[tuple[str, str], str]
    accepting: frozenset[str]
    fixed_fillings: str = ""

    def move(self, state: str, char: str) -> str | None:
        """The next state; None if no valid text goes on like this."""
        return self.moves.get((state, self.letters.get(char, "")))

    def is_valid(self, text: str) -> bool:
        """Whether the text, of any length, is valid."""
        state: str | None = ""
        for char in text:
            if (state := self.move(state or "", char)) is None:
                return False
        return state in self.accepting

    def compute_fillings(self, used: Iterable[str]) -> str:
        """Characters that stand for all that a wildcard can match, where patterns use these characters."""
        taken = set(used)
        # A lower-case letter or digit is valid wherever any other character but "/" is.
        unused = next((char for char in _LOWER if char not in taken), None)
        return "".join(self.letters) if unused is None else unused + self.fixed_fillings


def _classify(**classes: str) -> dict[str, str]:
    return {char: name for name, chars in classes.items() for char in chars}


def _build_moves(*rows: str) -> dict[tuple[str, str], str]:
    """Each row is `state: class>state class>state …`; the first state is written as `start`."""
    moves = {}
    for row in rows:
        state, _, targets = row.partition(":")
        for target in targets.split():
            name, _, following = target.partition(">")
            moves["" if state == "start" else state, name] = following
    return moves


NAMESPACE: Final = Syntax(
    _classify(alnum=_LOWER, mark="-"),
    _build_moves("start: alnum>alnum", "alnum: alnum>alnum mark>mark", "mark: alnum>alnum mark>mark"),
    frozenset({"alnum"}),
)

LABEL_VALUE: Final = Syntax(
    _classify(alnum=_LOWER + ascii_uppercase, mark="-_."),
    _build_moves("start: alnum>alnum", "alnum: alnum>alnum mark>mark", "mark: alnum>alnum mark>mark"),
    frozenset({"", "alnum"}),
)

LABEL_KEY: Final = Syntax(
    _classify(lower=_LOWER, upper=ascii_uppercase, hyphen="-", dot=".", low_line="_", slash="/"),
    # Before a slash it is open whether this is the prefix (open…) or already the name (name…, once it can't be both).
    _build_moves(
        "start: lower>open upper>name",
        "open: lower>open upper>name hyphen>open-hyphen dot>open-dot low_line>name-mark slash>slash",
        "open-hyphen: lower>open upper>name hyphen>open-hyphen dot>name-mark low_line>name-mark",
        "open-dot: lower>open upper>name hyphen>name-mark dot>name-mark low_line>name-mark",
        "slash: lower>name upper>name",
        "name: lower>name upper>name hyphen>name-mark dot>name-mark low_line>name-mark",
        "name-mark: lower>name upper>name hyphen>name-mark dot>name-mark low_line>name-mark",
    ),
    frozenset({"open", "name"}),
    fixed_fillings="/",
)


@lru_cache(maxsize=65536)
def is_covered(pattern: str, covers: tuple[str, ...], syntax: Syntax) -> bool:
    """Whether every valid text that the pattern matches is matched by at least one of the covers."""
    if pattern in covers or "*" in covers:
        return True
    if not is_wildcard(pattern):
        return not syntax.is_valid(pattern) or any(matches_pattern(cover, pattern) for cover in covers)
    automaton = _Automaton(covers)
    fillings = syntax.compute_fillings("".join(covers))
    front = _Front(automaton, syntax, {"": [automaton.start]})
    for token in _normalize(pattern):
        if token == "*":  # noqa: S105  # a token of a pattern
            front.repeat(fillings)
        else:
            front.advance(fillings if token == "?" else token)  # noqa: S105  # the same
        if front.states_seen > _MOST_STATES:
            return False
    return not front.has_escaped()


@lru_cache(maxsize=65536)
def is_satisfiable(pattern: str, syntax: Syntax) -> bool:
    """Whether the pattern matches any valid text: the key `a..b/*` doesn't."""
    return not is_covered(pattern, (), syntax)


def may_overlap(one: str, other: str) -> bool:
    """Whether what the patterns begin and end with leaves a common text possible; quick, and not the whole truth."""
    head, tail = _get_ends(one)
    other_head, other_tail = _get_ends(other)
    return (head.startswith(other_head) or other_head.startswith(head)) and (
        tail.endswith(other_tail) or other_tail.endswith(tail)
    )


@lru_cache(maxsize=65536)
def _get_ends(pattern: str) -> tuple[str, str]:
    """What stands before the first and behind the last wildcard."""
    parts = _WILDCARD.split(pattern)
    return parts[0], parts[-1]


def have_common_text(patterns: Iterable[str], syntax: Syntax) -> bool:
    """Whether there is a valid text that all of the patterns match; true also where the search is too long."""
    wanted = sorted({_normalize(pattern) for pattern in patterns})
    exact = next((pattern for pattern in wanted if not is_wildcard(pattern)), None)
    if exact is not None:
        return syntax.is_valid(exact) and all(matches_pattern(pattern, exact) for pattern in wanted)
    automata = [_Automaton((pattern,)) for pattern in wanted]
    letters = set("".join(wanted)).intersection(syntax.letters)
    alphabet = "".join(sorted(letters)) + syntax.compute_fillings(letters)
    waiting = [("", tuple(automaton.start for automaton in automata))]
    seen = set(waiting)
    while waiting and len(seen) <= _MOST_STATES:
        state, masks = waiting.pop()
        if state in syntax.accepting and all(each.accepts(mask) for each, mask in zip(automata, masks, strict=True)):
            return True
        for char in alphabet:
            following = syntax.move(state, char)
            after = tuple(each.step(mask, char) for each, mask in zip(automata, masks, strict=True))
            if following is not None and all(after) and (following, after) not in seen:
                seen.add((following, after))
                waiting.append((following, after))
    return bool(waiting)


def _normalize(pattern: str) -> str:
    """The same pattern with every run of wildcards written as `??*`."""
    found, run = [], ""
    for char in (*pattern, ""):
        if char and char in "*?":
            run += char
            continue
        found.append("?" * run.count("?") + "*" * ("*" in run) + char)
        run = ""
    return "".join(found)


class _Automaton:
    """Several patterns side by side; a mask of bits is the set of positions that they are in."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._stars = self._any = self._ends = self._open_ends = self._ahead = start = 0
        self._letters: dict[str, int] = {}
        self._before: dict[int, int] = {}
        """Positions that add nothing to a later one: whatever matches from them on matches from there too. For a star,
        all before it; for a `?` of a run that ends in a star, the others before it in the run. They are added to each
        set, so that sets that mean the same look the same."""
        offset = 0
        for pattern in map(_normalize, patterns):
            start |= 1 << offset
            for index, token in enumerate(pattern):
                self._add(token, 1 << (offset + index))
            for run in re.finditer(r"\?*\*", pattern):
                for index in range(run.start() + 1, run.end() - 1):
                    self._put_ahead(offset + index, offset + run.start())
                self._put_ahead(offset + run.end() - 1, offset)
            offset += len(pattern)
            self._ends |= 1 << offset
            if pattern.endswith("*"):
                self._open_ends |= 1 << (offset - 1)
            offset += 1
        self.start = self._close(start)

    def _put_ahead(self, position: int, first: int) -> None:
        self._ahead |= 1 << position
        self._before[1 << position] = (1 << position) - (1 << first)

    def _add(self, token: str, position: int) -> None:
        if token == "*":  # noqa: S105  # a token of a pattern
            self._stars |= position
        elif token == "?":  # noqa: S105  # the same
            self._any |= position
        else:
            self._letters[token] = self._letters.get(token, 0) | position

    def step(self, mask: int, char: str) -> int:
        """Where they are after one more character."""
        passed = mask & (self._letters.get(char, 0) | self._any)
        return self._close((passed << 1) | (mask & self._stars))

    def accepts(self, mask: int) -> bool:
        """Whether one of the patterns matches what was read."""
        return mask & self._ends != 0

    def accepts_all(self, mask: int) -> bool:
        """Whether one of them matches, however the text goes on."""
        return mask & self._open_ends != 0

    def _close(self, mask: int) -> int:
        mask |= (mask & self._stars) << 1  # a star may match nothing; normalized patterns have no two in a row
        reached = mask & self._ahead
        while reached:
            last = 1 << (reached.bit_length() - 1)
            mask |= self._before[last]
            reached &= ~(last | self._before[last])
        return mask


class _Front:
    """Per state of the syntax, the smallest sets of positions that some text leads to."""

    def __init__(self, automaton: _Automaton, syntax: Syntax, sets: dict[str, list[int]]) -> None:
        self._automaton = automaton
        self._syntax = syntax
        self._sets = sets
        self.states_seen = 0

    def advance(self, chars: str) -> None:
        """Reads one character: any of these."""
        before, self._sets = self._sets, {}
        for state, masks in before.items():
            for mask in masks:
                for following, after in self._step(state, mask, chars):
                    self._add(following, after)

    def repeat(self, chars: str) -> None:
        """Reads any number of these characters."""
        waiting = [(state, mask) for state, masks in self._sets.items() for mask in masks]
        while waiting and self.states_seen <= _MOST_STATES:
            state, mask = waiting.pop()
            if mask in self._sets[state]:
                waiting += [found for found in self._step(state, mask, chars) if self._add(*found)]

    def has_escaped(self) -> bool:
        """Whether what was read includes a valid text that no covering pattern matches."""
        return any(
            not self._automaton.accepts(mask)
            for state, masks in self._sets.items()
            if state in self._syntax.accepting
            for mask in masks
        )

    def _step(self, state: str, mask: int, chars: str) -> Iterator[tuple[str, int]]:
        for char in chars:
            following = self._syntax.move(state, char)
            if following is not None:
                yield following, self._automaton.step(mask, char)

    def _add(self, state: str, mask: int) -> bool:
        """Keeps the set unless it is certain to match, or a subset of it is there already."""
        self.states_seen += 1
        known = self._sets.setdefault(state, [])
        if self._automaton.accepts_all(mask) or any(each & mask == each for each in known):
            return False
        known[:] = [each for each in known if each & mask != mask]
        known.append(mask)
        return True
