"""The AWS endpoint as a process beside a control plane, and AWS's own clients with keys of it."""

import json
import os
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lab.cluster.pki import Authority
from monopod.access_keys.rules.stored_key import PREFIX, StoredKey
from monopod.api.names import SYSTEM_NAMESPACE
from tests.controlplane.operating.lab import ROOT, Lab, eventually, find_free_port

ACCOUNT, REGION, CLUSTER = "111122223333", "eu-central-1", "c1"
API_SERVER = "https://k8s.example:6443"
CLI_SECONDS = 120


class Endpoint:
    """`python -m monopod aws`, with a certificate of an authority of its own.

    It asks the API server as the administrator, unless it is given another kubeconfig.
    """

    def __init__(self, lab: Lab, folder: Path, kubeconfig: Path | None = None) -> None:
        self._lab = lab
        self._folder = folder
        authority = Authority.create(folder / "pki")
        self.authority = authority.ca
        certificate, key = authority.issue("aws", "monopod-aws", (), ("127.0.0.1",))
        self._health = find_free_port()
        port = find_free_port()
        self.url = f"https://127.0.0.1:{port}"
        self.log = folder / "aws.log"
        command = [
            *(sys.executable, "-m", "monopod", "aws", "--kubeconfig", str(kubeconfig or lab.kubeconfig_path)),
            *("--listen", "127.0.0.1", "--metrics-port", str(self._health)),
            *("--api-listen", "127.0.0.1", "--api-port", str(port), "--namespace", SYSTEM_NAMESPACE),
            *("--tls-certificate", str(certificate), "--tls-key", str(key)),
            *("--account-id", ACCOUNT, "--region", REGION, "--cluster", CLUSTER, "--cluster-endpoint", API_SERVER),
            *("--subnet-zone", "subnet-a1=a", "--subnet-zone", "subnet-b1=b"),
        ]
        with self.log.open("ab") as stream:
            env = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
            self._process = subprocess.Popen(command, stderr=stream, env=env)
        eventually(self._is_ready)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)

    def create_key(self, user: str, *groups: str) -> StoredKey:
        """A key that stands for a user."""
        key = StoredKey(f"{PREFIX}{secrets.token_hex(8).upper()}", secrets.token_hex(20), user, groups)
        secret = key.build_secret(SYSTEM_NAMESPACE)
        self._lab.kubectl("create", "-f", "-", input=json.dumps(secret))
        return key

    def build_client(self, key: StoredKey, service: str = "eks") -> Any:
        """boto3's client."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            verify=str(self.authority),
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=Config(retries={"max_attempts": 1}),
        )

    def run_cli(self, key: StoredKey, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The AWS CLI."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "AWS_ACCESS_KEY_ID": key.id,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CA_BUNDLE": str(self.authority),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_OUTPUT": "json",
        }
        done = subprocess.run(
            ["aws", *map(str, words)], env=env, capture_output=True, text=True, timeout=CLI_SECONDS, check=False
        )
        assert not check or done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
