"""A small, fast client of an API server: one connection pool, dicts in and out, impersonation, dry runs."""

import base64
import json
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
import yaml

from monopod.kube.objects.resources import PODS

Manifest = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

ADMINISTRATORS = "system:masters"
"""Impersonated users get this group, so that admission, and not RBAC, decides."""


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: Manifest = field(repr=False)

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def message(self) -> str:
        """The reason of a refusal; empty if there was none."""
        return "" if self.ok else str(self.body.get("message", self.body))

    def expect_ok(self) -> Manifest:
        """The object; fails the test with the server's reason if the request was refused."""
        assert self.ok, self.message
        return self.body


class Server:
    """The API server of a kubeconfig, as its user or as anyone else."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        self._base = cluster["server"]
        with tempfile.TemporaryDirectory() as folder:
            tls = ssl.create_default_context()
            authority = _as_file(cluster, "certificate-authority", folder)
            if authority:
                tls.load_verify_locations(authority)
            else:
                tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            tls.load_cert_chain(_as_file(user, "client-certificate", folder), _as_file(user, "client-key", folder))
        self._pool = urllib3.PoolManager(maxsize=16, ssl_context=tls, retries=False, timeout=60.0)

    def get(self, path: str) -> Answer:
        return self._send("GET", path)

    def delete(self, path: str, *, user: str = "") -> Answer:
        return self._send("DELETE", path, body={"gracePeriodSeconds": 0}, user=user)

    def create(self, path: str, manifest: Manifest, *, user: str = "", dry_run: bool = False) -> Answer:
        return self._send("POST", path, body=manifest, user=user, dry_run=dry_run)

    def update(self, path: str, manifest: Manifest, *, user: str = "") -> Answer:
        return self._send("PUT", path, body=manifest, user=user)

    def patch(self, path: str, patch: Any, *, user: str = "", kind: str = MERGE_PATCH) -> Answer:
        return self._send("PATCH", path, body=patch, user=user, content_type=kind)

    def create_pod(self, namespace: str, pod: Manifest, *, user: str = "", dry_run: bool = True) -> Answer:
        """Creates the pod; a dry run, unless told otherwise, goes through all of admission and stores nothing."""
        return self.create(PODS.list_path(namespace), pod, user=user, dry_run=dry_run)

    def send_as(
        self, user: str, method: str, path: str, body: Any, content_type: str, groups: Sequence[str] = ()
    ) -> Answer:
        """A request of somebody who has no rights but those that RBAC gives that user and these groups."""
        headers = urllib3.HTTPHeaderDict({"Content-Type": content_type, "Impersonate-User": user})
        for group in groups:
            headers.add("Impersonate-Group", group)
        return self._request(method, path, body, headers)

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        user: str = "",
        dry_run: bool = False,
        content_type: str = "application/json",
    ) -> Answer:
        headers = {"Content-Type": content_type, **_impersonate(user)}
        if content_type == APPLY_PATCH:
            path += "?fieldManager=test&force=true"
        if dry_run:
            path += "?dryRun=All"
        return self._request(method, path, body, headers)

    def _request(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        answer = self._pool.request(
            method, self._base + path, body=None if body is None else json.dumps(body), headers=headers
        )
        if answer.headers.get("Content-Type", "").startswith("text/plain"):  # of a kind that isn't served
            return Answer(answer.status, {"message": answer.data.decode()})
        return Answer(answer.status, json.loads(answer.data or b"{}"))


def _impersonate(user: str) -> dict[str, str]:
    return {"Impersonate-User": user, "Impersonate-Group": ADMINISTRATORS} if user else {}


def _as_file(fields: Mapping[str, str], name: str, folder: str) -> str:
    """The path of a certificate or key that a kubeconfig names or holds; empty if it does neither."""
    data = fields.get(f"{name}-data")
    if data is None:
        return fields.get(name, "")
    path = Path(folder, name)
    path.write_bytes(base64.b64decode(data))
    return str(path)
