"""The service that makes machines: `python -m lab.autoscale PLAN KUBECONFIG`."""

import sys
from pathlib import Path

from lab.autoscale.machines import Machines
from lab.autoscale.plan import Plan
from lab.bench.client import Client

if __name__ == "__main__":
    Machines(Plan.read(Path(sys.argv[1])), Client(Path(sys.argv[2]))).run()
