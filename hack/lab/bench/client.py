"""A client of the API server that adds as little of its own time as Python can: one connection, JSON in and out."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

Object = dict[str, Any]
TIMEOUT_SECONDS = 120
WATCHED_SECONDS = 100
WATCHED_LONGEST_SECONDS = 3600


class Refused(RuntimeError):
    """The API server answered with an error; the message is its own."""


class Client:
    """The administrator of one cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        settings = Configuration()
        load_kube_config(str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call] # it has no annotations
        self._host = settings.host
        self._pool = urllib3.PoolManager(
            ca_certs=settings.ssl_ca_cert,
            cert_file=settings.cert_file,
            key_file=settings.key_file,
            timeout=TIMEOUT_SECONDS,
            retries=False,
        )

    def post(self, path: str, body: Object) -> Object:
        """Creates an object."""
        return self._send("POST", path, body)

    def patch(self, path: str, body: Object, user: str | None = None) -> Object:
        """Changes an object by a merge patch, as another user if one is given."""
        return self._send("PATCH", path, body, {"Content-Type": "application/merge-patch+json", **_impersonate(user)})

    def delete(self, path: str) -> None:
        """Deletes an object, or a collection of them, without grace."""
        self._send("DELETE", path, {"gracePeriodSeconds": 0})

    def get_text(self, path: str) -> str:
        """What the API server answers, as text."""
        answer = self._pool.request("GET", self._host + path)
        return _require_success(answer, path).decode()

    def watch(self, path: str, name: str) -> Iterator[Object]:
        """The events of one object; the first `next` returns when the object changes, the watch is on before that."""
        query = f"watch=1&fieldSelector=metadata.name%3D{name}&timeoutSeconds={WATCHED_SECONDS}"
        answer = self._pool.request("GET", f"{self._host}{path}?{query}", preload_content=False)
        return (json.loads(line) for line in _read_lines(answer, path))

    def watch_lines(self, path: str) -> Iterator[bytes]:
        """The events of all objects as the API server writes them, those that exist first."""
        query = f"watch=1&timeoutSeconds={WATCHED_LONGEST_SECONDS}"
        answer = self._pool.request("GET", f"{self._host}{path}?{query}", preload_content=False)
        return _read_lines(answer, path)

    def _send(self, method: str, path: str, body: Object, headers: Mapping[str, str] | None = None) -> Object:
        sent = {"Content-Type": "application/json", **(headers or {})}
        answer = self._pool.request(method, self._host + path, body=json.dumps(body).encode(), headers=sent)
        found: Object = json.loads(_require_success(answer, path))
        return found


def _read_lines(answer: urllib3.BaseHTTPResponse, path: str) -> Iterator[bytes]:
    try:
        if answer.status != 200:
            _require_success(answer, path)
        rest = b""
        for chunk in answer.stream(65536, decode_content=True):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    finally:
        answer.close()


def _require_success(answer: urllib3.BaseHTTPResponse, path: str) -> bytes:
    data = answer.data
    if answer.status >= 300:
        raise Refused(f"{path}: {answer.status} {data.decode(errors='replace')[:1000]}")
    return data


def _impersonate(user: str | None) -> dict[str, str]:
    return {"Impersonate-User": user} if user else {}
