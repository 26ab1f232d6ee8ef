"""Monopod's AWS endpoint on a cluster of this project's, and the environment in which AWS's own tools ask it.

Its certificate is for `localhost`, where a port-forward leads to it, by an authority of its own that the tools are
told: so they check it, which the session-manager-plugin always does.
"""

import base64
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lab.aws.registry import install_registry
from lab.build.toolchain import build_tool
from lab.cluster.addons import Object, to_list
from lab.cluster.installation import NAMESPACE, RELEASE, install_chart
from lab.cluster.pki import Authority
from lab.cluster.provider import Cluster
from lab.shell import run

REGION = "us-east-1"
SECRET = "monopod-aws-certificate"  # noqa: S105 the name of one
SERVICE = f"service/{RELEASE}-aws"
GROUP = "rbac.authorization.k8s.io"
EDITOR = "monopod-profile-editor"
ROLES = (EDITOR, *(f"{RELEASE}-ecs-{name}" for name in ("user", "reader", "definitions", "clusters")))
"""What the user may: the chart's own roles for ECS, and this project's example of one for profiles."""


def install_endpoint(cluster: Cluster, user: str, *settings: str) -> None:
    """Installs Monopod with the endpoint and ECS, and a registry that tasks pull from.

    Args:
        cluster: a cluster with nodes.
        user: whom access keys may stand for; has the chart's roles for ECS in the whole cluster.
        settings: more of the chart's values.
    """
    install_registry(cluster)
    certificate, key = _get_authority(cluster).issue("aws", "localhost", hosts=("localhost", "127.0.0.1"))
    data = {"tls.crt": certificate, "tls.key": key}
    secret = {
        **_name("v1", "Secret", SECRET, NAMESPACE),
        "type": "kubernetes.io/tls",
        "data": {name: base64.b64encode(path.read_bytes()).decode() for name, path in data.items()},
    }
    verbs = ["get", "list", "create", "patch", "delete"]
    rule = {"apiGroups": ["monopod.dev"], "resources": ["fargateprofiles"], "verbs": verbs}
    editor = {**_name(f"{GROUP}/v1", "ClusterRole", EDITOR), "rules": [rule]}
    objects = [_name("v1", "Namespace", NAMESPACE), secret, editor, *(_bind(role, user) for role in ROLES)]
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=to_list(objects))
    values = ("enabled=true", "replicas=1", f"impersonate.users={{{user}}}", f"tls.secretName={SECRET}")
    install_chart(cluster, "ecs.enabled=true", *(f"aws.{value}" for value in values), *settings)


@contextlib.contextmanager
def reach_endpoint(cluster: Cluster, user: str) -> Iterator[dict[str, str]]:
    """The environment of AWS's tools, with an access key of the user's; both end with the context."""
    fargate = [sys.executable, "-m", "monopod.cli", "access-key"]
    kubeconfig = f"--kubeconfig={cluster.kubeconfig_path}"
    key = json.loads(run([*fargate, "create", "--user", user, "-o", "json", kubeconfig]).stdout)
    try:
        with cluster.port_forward(SERVICE, 443, "-n", NAMESPACE) as port:
            authority = str(get_authority(cluster))
            programs = [str(build_tool("session-manager-plugin")), str(Path(sys.executable).parent)]
            yield {
                **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
                "PATH": os.pathsep.join([*programs, os.environ.get("PATH", os.defpath)]),
                "AWS_ENDPOINT_URL": f"https://localhost:{port}",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": key["accessKeyId"],
                "AWS_SECRET_ACCESS_KEY": key["secretAccessKey"],
                "AWS_CA_BUNDLE": authority,
                "SSL_CERT_FILE": authority,  # Go's, which the plugin is written in
                "AWS_PAGER": "",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
    finally:
        run([*fargate, "delete", key["accessKeyId"], kubeconfig])


def make_client(environment: Mapping[str, str], service: str) -> Any:
    """boto3's client of a service, by the environment of AWS's tools."""
    return boto3.client(
        service,
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        verify=environment["AWS_CA_BUNDLE"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 3}),
    )


def get_authority(cluster: Cluster) -> Path:
    """The certificate of who signed the endpoint's."""
    return _get_authority(cluster).ca


def _get_authority(cluster: Cluster) -> Authority:
    return Authority.create(cluster.kubeconfig_path.parent / "aws")


def _bind(role: str, user: str) -> Object:
    return {
        **_name(f"{GROUP}/v1", "ClusterRoleBinding", f"{role}-of-{user}"),
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}],
    }


def _name(api_version: str, kind: str, name: str, namespace: str = "") -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
