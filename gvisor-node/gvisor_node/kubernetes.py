"""The few requests to the API server that this needs: of its node, of its DaemonSet, of pods."""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 30.0
_TRIES = 5

Json = dict[str, Any]


class Refused(Exception):
    """The API server refused, or didn't answer (status 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Api:
    """The API server, as this pod's ServiceAccount."""

    server: str
    token_file: Path = _ACCOUNT / "token"
    ca_file: Path | None = _ACCOUNT / "ca.crt"

    @classmethod
    def from_pod(cls) -> "Api":
        """The one that the kubelet tells pods of."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        return cls(f"https://{f'[{host}]' if ':' in host else host}:{port}")

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """The answer's body; a PATCH is a merge patch.

        Raises:
            Refused: with the API server's words.
        """
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self.token_file.read_text().strip()}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, headers, method=method)  # noqa: S310  # https, above
        context = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS, context=context) as answer:  # noqa: S310  # the same
                found: Json = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise Refused(error.code, _read_message(error)) from None
        except OSError as error:
            raise Refused(0, str(error)) from None


def _read_message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)


@dataclass(frozen=True)
class Node:
    """This node's object.

    Attributes:
        label: says that the node has the runtime; RuntimeClass.scheduling selects it.
        taint: the key of a taint that keeps pods off until then.
    """

    api: Api
    name: str
    label: str
    taint: str

    def fetch(self) -> Json:
        """The object."""
        return self.api.request("GET", self._path)

    def open(self) -> None:
        """Labels the node and removes the startup taint: the label first, so that no pod comes too early."""
        self.api.request("PATCH", self._path, {"metadata": {"labels": {self.label: "true"}}})
        for _ in range(_TRIES):
            node = self.fetch()
            taints = node["spec"].get("taints") or []
            left = [taint for taint in taints if taint["key"] != self.taint]
            if left == taints:
                return
            version = {"resourceVersion": node["metadata"]["resourceVersion"]}
            try:
                self.api.request("PATCH", self._path, {"metadata": version, "spec": {"taints": left}})
            except Refused as refusal:
                if refusal.status != 409:  # somebody wrote on the node meanwhile, as kubelets do all the time
                    raise
                time.sleep(0.5)
        raise Refused(409, f"node {self.name} changes too fast to be written")

    def close(self) -> None:
        """Removes the label, so that no more pods come."""
        self.api.request("PATCH", self._path, {"metadata": {"labels": {self.label: None}}})

    @property
    def _path(self) -> str:
        return f"/api/v1/nodes/{self.name}"


def list_handlers(node: Json) -> set[str] | None:
    """The handlers that the kubelet reports of its container runtime; None if it reports none at all."""
    handlers = node["status"].get("runtimeHandlers")
    return {each.get("name") or "" for each in handlers} if handlers else None
