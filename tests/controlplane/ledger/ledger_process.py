"""A ledger as a process beside a control plane, with its own ServiceAccount's rights, and what it has kept."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from monopod.ledger.store.store import Store
from monopod.usage.ledger_identity import AUDIENCE
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.lifetime import Lifetime, Watched
from tests.clusters import ControlPlane
from tests.controlplane.operating.lab import Lab, eventually, find_free_port
from tests.ledger import read_everything

ROOT = Path(__file__).parents[3]
ACCOUNT = "monopod-ledger"
NAMESPACE = "monopod-system"
ADDRESSES = ("127.0.0.2", "127.0.0.3")
"""Of the replicas: all of them listen on the same port."""


class LedgerLab:
    """A control plane on which the ledger has its rights."""

    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self.kubectl = cluster.kubectl
        self.folder = folder
        self.kubectl("apply", "--server-side", "-k", ROOT / "manifests/ledger/rbac")
        self.kubectl("apply", "--server-side", "-f", ROOT / "manifests/ledger/serviceaccount.yaml")
        lab = Lab(cluster, folder)
        token = self._create_token()
        self.kubeconfig = lab.write_kubeconfig(token=token)
        self.peer_token = folder / "peer-token"
        self.peer_token.write_text(self._create_token(f"--audience={AUDIENCE}"))
        self.peers_port = find_free_port()

    def _create_token(self, *flags: str) -> str:
        return self.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE, "--duration=24h", *flags).stdout.strip()


class LedgerProcess:
    """One replica: `python -m monopod ledger`, which can be killed and started again with its disk."""

    def __init__(self, lab: LedgerLab, number: int = 0, *, name: str = "", url: str = "") -> None:
        self.name = name or f"monopod-ledger-{number}"
        self.address = ADDRESSES[number]
        self._lab = lab
        self._folder = lab.folder / self.name
        self._process: subprocess.Popen[bytes] | None = None
        self.port = find_free_port()
        self.api_port = find_free_port()
        self._folder.mkdir(exist_ok=True)
        self.url = url or f"sqlite:///{self._folder / 'ledger.db'}"

    @property
    def log(self) -> Path:
        return self._folder / "log"

    def start(self) -> None:
        lab = self._lab
        command = [
            *(sys.executable, "-m", "monopod", "ledger", "--kubeconfig", str(lab.kubeconfig), "--name", self.name),
            *("--namespace", NAMESPACE, "--database", self.url, "--spool", str(self._folder)),
            *("--listen", "127.0.0.1", "--metrics-port", str(self.port), "--api-port", str(self.api_port)),
            *("--peers-listen", self.address, "--peers-port", str(lab.peers_port)),
            *("--peer-token", str(lab.peer_token)),
            *(flag for address in ADDRESSES if address != self.address for flag in ("--peer", address)),
        ]
        with self.log.open("ab") as stream:
            env = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
            self._process = subprocess.Popen(command, stderr=stream, env=env)

    def kill(self) -> None:
        """As the kernel does when a node is lost."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self) -> int:
        """As the kubelet does; the exit code."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=60)
        self._process = None
        return code

    def lose_disk(self) -> None:
        for path in self._folder.iterdir():
            if path != self.log:
                path.unlink()

    def becomes_ready(self) -> None:
        """Waits; it fails at once if the process has ended."""

        def look() -> bool:
            if self._process and self._process.poll() is not None:
                raise RuntimeError(self.log.read_text()[-3000:])
            return self.fetch("/readyz") == "ok\n"

        eventually(look)

    def fetch(self, path: str) -> str:
        """What one of the HTTP endpoints says; "" if nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())
        except OSError:
            return ""

    def metric(self, name: str) -> float | None:
        lines = (line.rpartition(" ") for line in self.fetch("/metrics").splitlines())
        return next((float(value) for sample, _, value in lines if sample == name), None)

    def read(self) -> tuple[dict[str, Lifetime], list[Watched]]:
        """What is kept, by uid; of an open lifetime too."""
        store = Store.open(self.url, Terms())
        try:
            return read_everything(store, page=1000)
        finally:
            store.close()
