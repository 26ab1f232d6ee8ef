import random

from monopod.pods.rules.selection import Selector, reaches
from monopod.selectors.reach import Reach

PROTECTED = frozenset({"kube-system"})


def test_a_name_a_pattern_and_what_is_protected() -> None:
    reach = Reach([("*", "all"), ("prod-?", "one"), ("prod-a", "exact"), ("kube-system", "system")], PROTECTED)
    assert reach.find("prod-a") == ["all", "one", "exact"]
    assert reach.find("prod-ab") == ["all"]
    assert reach.find("kube-system") == ["system"]


def test_it_finds_what_a_look_at_each_would_find_in_the_same_order() -> None:
    draw = random.Random(1)
    patterns = ["".join(draw.choices("ab-*?", k=draw.randint(1, 4))) for _ in range(300)]
    reach = Reach(((pattern, number) for number, pattern in enumerate(patterns)), {"aa", "b-b"})
    for name in {"".join(draw.choices("ab-", k=draw.randint(1, 4))) for _ in range(80)}:
        expected = [n for n, pattern in enumerate(patterns) if reaches(Selector(pattern), name, {"aa", "b-b"})]
        assert reach.find(name) == expected
