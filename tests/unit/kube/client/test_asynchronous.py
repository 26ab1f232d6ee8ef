"""The connection to the API server: what a kubeconfig must be, and which proxy is used."""

import json
from pathlib import Path

import pytest
from kubernetes.aio.client.rest import RESTClientObject

from monopod.kube.client.api import Unconfigured
from monopod.kube.client.asynchronous import load_configuration

KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


@pytest.mark.parametrize(
    ("proxy", "looked_up"), [("http://192.0.2.9:3128", True), (None, False)], ids=["proxy", "none"]
)
async def test_the_environment_is_looked_at_for_each_request_only_where_it_names_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str | None, looked_up: bool
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    if proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(KUBECONFIG))
    session = RESTClientObject(await load_configuration(str(path)))._create_pool_manager()
    assert session.trust_env is looked_up
    await session.close()


@pytest.mark.parametrize("content", [b"", b"text", b"[]", b"{clusters: 1}", b"\xff\xfe"], ids=repr)
async def test_a_file_that_is_no_kubeconfig_is_one_error_whatever_it_holds(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kubeconfig"
    path.write_bytes(content)
    with pytest.raises(Unconfigured):
        await load_configuration(str(path))
