"""The cluster as the CLI sees it, as dicts. Who writes is said in docs/reference/cli.md; most commands only read."""

import json
import logging
import os
import warnings
from http import HTTPStatus
from typing import Any, Self

import urllib3
from kubernetes import client, config

from monopod.api.names import GROUP, PROFILE_PLURAL, VERSION
from monopod.cli.failure import ApiFailure

Json = dict[str, Any]

NOT_FOUND = HTTPStatus.NOT_FOUND
_TIMEOUT_SECONDS = 15.0
_NAMESPACES_BINDING = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings/monopod-new-namespaces"
_NO_PROFILES = "The cluster has no FargateProfiles: Monopod isn't installed."


class Cluster:
    """A connection to the API server that a kubeconfig names."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self.namespace = namespace
        """The namespace of the kubeconfig's context."""

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None) -> Self:
        """Reads the kubeconfig as kubectl does: the option, $KUBECONFIG, ~/.kube/config.

        Raises:
            ApiFailure: there is none, or it can't be used.
        """
        # kubectl keeps quiet about `insecure-skip-tls-verify: true`, which is the user's own word.
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        # Nor does it mind a server without https://.
        warnings.filterwarnings("ignore", "URLs without a scheme", FutureWarning)
        # The client looks at $KUBECONFIG when it is imported; by then it may be another one.
        kubeconfig = kubeconfig or os.environ.get("KUBECONFIG") or None
        problems = _Complaints()
        try:
            with problems:
                api = config.new_client_from_config(kubeconfig, context)  # type: ignore[no-untyped-call]  # no annotations
            contexts, current = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]  # nor here
            chosen = next(each for each in contexts if each["name"] == context) if context else current
            found = cls(api, chosen["context"].get("namespace") or "default")
        except Exception as problem:
            # The client reads the file unguarded: a malformed one raises whatever its content happens to break.
            raise ApiFailure(f"The kubeconfig can't be used: {_one_line(problem)}") from None
        if problems.messages:
            raise ApiFailure(f"The kubeconfig's credentials can't be had: {_one_line(problems.messages[0])}")
        return found

    def find_monopod_namespace(self) -> str | None:
        """Where Monopod is installed, as the binding of one of its policies tells; None where that can't be read."""
        try:
            binding = self.read(_NAMESPACES_BINDING)
        except ApiFailure:
            return None
        return ((binding.get("spec") or {}).get("paramRef") or {}).get("namespace")

    def list_profiles(self, *, deleting: bool = False) -> list[Json]:
        """All FargateProfiles that admission knows: one that is being deleted takes no new pods.

        Args:
            deleting: whether those that are being deleted are wanted, too.

        Raises:
            ApiFailure: the API server can't be reached or refused, or Monopod isn't installed.
        """
        try:
            items = self.list_items(f"/apis/{GROUP}/{VERSION}/{PROFILE_PLURAL}")
        except Refusal as refusal:
            if refusal.status != NOT_FOUND:
                raise
            raise ApiFailure(_NO_PROFILES) from None
        return [item for item in items if deleting or "deletionTimestamp" not in item["metadata"]]

    def read_pod(self, name: str, namespace: str) -> Json:
        """One pod.

        Raises:
            ApiFailure: there is no such pod, or the API server can't be reached or refused.
        """
        try:
            return self.read(f"/api/v1/namespaces/{namespace}/pods/{name}")
        except Refusal as refusal:
            if refusal.status != NOT_FOUND:
                raise
            raise ApiFailure(f"There is no pod {name} in namespace {namespace}.") from None

    def read_profile(self, name: str) -> Json:
        """One FargateProfile.

        Raises:
            ApiFailure: there is none of that name, Monopod isn't installed, or the API server can't be reached or
                refused.
        """
        try:
            return self.read(find_profile_path(name))
        except Refusal as refusal:
            if refusal.status != NOT_FOUND:
                raise
            message = f"There is no FargateProfile {name}." if refusal.told else _NO_PROFILES
            raise Refusal(message, NOT_FOUND) from None

    def list_runtime_classes(self) -> list[Json]:
        """All RuntimeClasses; none if they can't be read."""
        try:
            return self.list_items("/apis/node.k8s.io/v1/runtimeclasses")
        except ApiFailure:
            return []

    def list_items(self, path: str) -> list[Json]:
        """All objects of a collection. Raises as `read` does."""
        items: list[Json] = self.read(path).get("items") or []
        return items

    def read(self, path: str) -> Json:
        """What is at this path.

        Raises:
            Refusal: the API server answered with an error.
            ApiFailure: it can't be reached, or is something else.
        """
        try:
            answer = json.loads(self._request("GET", path))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ApiFailure(f"{self._api.configuration.host} is no API server: its answer isn't a Kubernetes object.")
        return answer

    def read_text(self, path: str) -> str:
        """The same for what is no JSON, such as logs. Raises as `read` does."""
        return self._request("GET", path).decode(errors="replace")

    def create(self, path: str, body: Json) -> None:
        """Creates an object in a collection. Raises as `read` does."""
        self._request("POST", path, body)

    def try_create(self, path: str, body: Json) -> Json:
        """What would be created, by a dry run. Raises as `read` does."""
        answer: Json = json.loads(self._request("POST", f"{path}?dryRun=All", body))
        return answer

    def patch(self, path: str, body: Json) -> None:
        """Changes an object by a merge patch. Raises as `read` does."""
        self._request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str, uid: str = "") -> None:
        """Deletes an object; with a uid, not another one of the same name that replaced it. Raises as `read` does."""
        self._request("DELETE", path, {"preconditions": {"uid": uid}} if uid else None)

    def _request(
        self, method: str, path: str, body: Json | None = None, content_type: str = "application/json"
    ) -> bytes:
        headers = {"Accept": "*/*"} | ({"Content-Type": content_type} if body else {})
        try:
            request = self._api.param_serialize(
                method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = self._api.call_api(*request, _request_timeout=_TIMEOUT_SECONDS)
            answer = bytes(response.read())  # type: ignore[no-untyped-call]  # no annotations
        except (urllib3.exceptions.HTTPError, OSError, client.ApiException) as problem:
            host = self._api.configuration.host
            raise ApiFailure(f"The API server at {host} can't be reached: {_one_line(problem)}") from None
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            told = _read_refusal(answer)
            message = f"The API server refused: {_one_line(told or f'HTTP status {response.status}')}"
            raise Refusal(message, response.status, told=bool(told), said=_one_line(told))
        return answer


def find_profile_path(name: str) -> str:
    """Where a FargateProfile is."""
    return f"/apis/{GROUP}/{VERSION}/{PROFILE_PLURAL}/{name}"


def describe_deletion(profile: str) -> str:
    """Why nothing more is moved by a profile."""
    return f"FargateProfile {profile} is being deleted: its pods move out, and none move in."


class Refusal(ApiFailure):
    """The API server answered with this HTTP status.

    Attributes:
        told: whether it said why, which it doesn't of a kind that it doesn't serve.
        said: its own words.
    """

    def __init__(self, message: str, status: int, *, told: bool = True, said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.told = told
        self.said = said or message


def _read_refusal(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


class _Complaints(logging.Handler):
    """What the client logs where it should fail: without what a credential plugin gives, it goes on as anonymous."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the message."""
        self.messages.append(record.getMessage())

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


def _one_line(problem: Exception | str) -> str:
    if isinstance(problem, urllib3.exceptions.MaxRetryError) and problem.reason:
        problem = problem.reason
    text = " ".join(str(problem).split()) or type(problem).__name__
    return text if text.endswith(".") else f"{text}."
