"""A recorder is killed in the middle of what it does: nothing is lost, and nothing counts twice."""

import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from monopod.ledger.store.answers import BY_NAMESPACE, Position
from monopod.ledger.store.spool import Spool, SpooledStore
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import Terms, Usage
from tests.ledger import BEGIN, a_lifetime, read_everything

RECORDER = """
import sys
from tests.unit.ledger.store.test_crash import record
record(sys.argv[1], int(sys.argv[2]))
"""
BATCH = 20


def record(folder: str, begin: int) -> None:
    """Joins pod after pod and says each number once it is kept; every pod twice, as running and as ended."""
    store = SpooledStore(Store.open(f"sqlite:///{folder}/ledger.db", Terms()), Spool(Path(folder) / "spool"))
    for number in range(begin, begin + 100_000, BATCH):
        batch = range(number, number + BATCH)
        for seconds in (None, 61):
            store.join([a_lifetime(f"uid-{each}", seconds=seconds) for each in batch])
        store.join([], position=Position("ledger-0", str(number + BATCH)))
        print(number + BATCH, flush=True)


@pytest.mark.timeout(120)
def test_a_recorder_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    random = Random(10)
    said = 0
    for _ in range(4):
        command = [sys.executable, "-c", RECORDER, str(tmp_path), str(said)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        for _ in range(random.randrange(1, 12)):
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]
        said = int(rest[-1]) if rest else said
        process.wait()
        process.stdout.close()

        store = Store.open(f"sqlite:///{tmp_path}/ledger.db", Terms())
        position = store.fetch_position("ledger-0")
        assert position
        assert int(position.version) >= said
        said = int(position.version)
        lifetimes, _ = read_everything(store)
        ended = {uid for uid, lifetime in lifetimes.items() if not lifetime.is_open}
        assert {f"uid-{number}" for number in range(said)} <= ended
        assert list(store.verify()) == []
        (group,) = store.sum_usage(0, BEGIN * 2, BY_NAMESPACE, now=BEGIN)
        billed = 61 * len(ended) + 60 * (len(lifetimes) - len(ended))
        assert group.billed == Usage(billed, billed * 250, billed * 512, 0)
        store.close()
