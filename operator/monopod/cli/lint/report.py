"""What `lint` finds, before it is written as text or JSON."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from monopod.cli.explain.explanation import Explanation
from monopod.cli.lint.tasks import TaskVerdict
from monopod.pods.rules.decision import OptOutRefused, OutOfBounds, ProviderRefused, Sandboxed, Unsupported
from monopod.usage.rules.cliff import Cliff
from monopod.usage.rules.price import PriceList


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the pods of one object.

    Attributes:
        file: where it stands; `-` is stdin.
        replicas: how many pods the manifest says; None if it doesn't.
        hourly: the price of one of them per hour; None unless it runs on Fargate.
        waste: the share of that which is for more than it asks for.
        cliff: the smaller size that it misses by a little.
    """

    file: str
    explanation: Explanation
    replicas: int | None
    hourly: Decimal | None
    waste: Fraction | None = None
    cliff: Cliff | None = None

    @property
    def hourly_total(self) -> Decimal | None:
        """The price of all of them."""
        return None if self.hourly is None or self.replicas is None else self.hourly * self.replicas

    @property
    def would_run(self) -> bool:
        """False if Fargate can't run the pods that it has to take, or they are refused."""
        refused = OutOfBounds | OptOutRefused | ProviderRefused | Unsupported
        waits = self.explanation.off_fargate
        return not (isinstance(self.explanation.decision, refused) or self.explanation.refusal or waits)

    @property
    def on_fargate(self) -> bool:
        """Whether the pods run each in a sandbox."""
        return isinstance(self.explanation.decision, Sandboxed) and self.would_run


@dataclass(frozen=True, slots=True)
class LintReport:
    """All verdicts, what was passed over, and what couldn't be read.

    Attributes:
        max_waste: the percentage of its price that no workload may waste; None if any may be.
    """

    prices: PriceList
    architecture: str
    max_waste: int | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    tasks: list[TaskVerdict] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def is_wasteful(self, verdict: Verdict) -> bool:
        """Whether it wastes more than it may."""
        if self.max_waste is None or verdict.waste is None:
            return False
        return verdict.waste * 100 > self.max_waste

    @property
    def exit_status(self) -> int:
        """0: all would run; 1: something would not, or wastes too much; 2: something couldn't be read."""
        if self.problems:
            return 2
        good = all(verdict.would_run and not self.is_wasteful(verdict) for verdict in self.verdicts)
        return 0 if good and all(task.would_run for task in self.tasks) else 1
