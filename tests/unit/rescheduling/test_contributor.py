"""What a profile's status says of moves, from reconcile to reconcile."""

from monopod.kube.objects.conditions import merge_conditions
from monopod.rescheduling.contributor import ProgressContributor
from monopod.rescheduling.rules.progress import Kept, Moves, NotListed, Tally


class Setting:
    def __init__(self) -> None:
        self.moves: Moves = NotListed()
        self.status: dict[str, object] = {}
        self.contributor = ProgressContributor(lambda _: self.moves)

    def say(self, moves: Moves, generation: int = 1) -> str:
        """The reason of the condition."""
        self.moves = moves
        contribution = self.contributor.contribute({"web": self.status}, "2026-01-01T00:00:00Z")["web"]
        conditions = merge_conditions(contribution.findings, self.status, generation, "2026-01-01T00:00:00Z")
        self.status = {"conditions": conditions, **contribution.fields}
        return str(conditions[0]["reason"])


def test_what_was_said_of_pods_holds_while_they_are_not_known() -> None:
    setting = Setting()
    assert setting.say(NotListed()) == "PodsNotListed"
    assert setting.say(Tally()) == "AllMoved"
    assert setting.say(NotListed(), generation=2) == "AllMoved"


def test_that_a_profile_kept_its_pods_says_nothing_of_them_once_it_no_longer_does() -> None:
    setting = Setting()
    assert setting.say(Kept()) == "ExistingPodsKept"
    for _ in range(2):
        assert setting.say(NotListed(), generation=2) == "PodsNotListed"


def test_another_operator_keeps_what_the_one_before_it_said() -> None:
    setting = Setting()
    setting.say(Kept())
    setting.contributor = ProgressContributor(lambda _: setting.moves)
    assert setting.say(NotListed()) == "ExistingPodsKept"
