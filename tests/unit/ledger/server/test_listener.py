"""The listener's TLS: tokens without a client certificate, certificates of the cluster's authorities, no others."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from monopod.kube.client.api import ApiError, Json
from monopod.kube.clock import SYSTEM_CLOCK
from monopod.kube.controller import WHOLE
from monopod.kube.objects.resources import CONFIG_MAPS, TOKEN_REVIEWS
from monopod.kube.server.certificate import ServerCertificate
from monopod.ledger.server.access import USER, Access
from monopod.ledger.server.authentication import Authenticator
from monopod.ledger.server.authorization import Authorizer
from monopod.ledger.server.client_ca import CONFIG_MAP
from monopod.ledger.server.listener import Listener
from tests.unit.fake_api import FakeApi

AUTHORITIES = CONFIG_MAPS.path(CONFIG_MAP, "kube-system")


class Authority:
    """Signs client certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._sign(self._name, self._key, is_ca=True).decode()

    def issue(self, folder: Path, common_name: str, *organizations: str) -> ssl.SSLContext:
        """What a client needs that has such a certificate."""
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / f"{common_name}.pem"
        path.write_bytes(self._sign(subject, key, is_ca=False) + private)
        context = without_certificate()
        context.load_cert_chain(path)
        return context

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        builder = builder.not_valid_after(now + timedelta(hours=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def without_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture
def api() -> FakeApi:
    def review(body: Json) -> Json:
        known = body["spec"]["token"] == "good"
        return {"status": {"authenticated": known, "user": {"username": "ann", "groups": ["devs"]}}}

    return FakeApi({("create", TOKEN_REVIEWS.list_path()): review})


@asynccontextmanager
async def listening(api: FakeApi) -> AsyncIterator[Listener]:
    access = Access(Authenticator(api, SYSTEM_CLOCK), Authorizer(api, SYSTEM_CLOCK))
    application = web.Application(middlewares=[access.build_middleware()])

    async def tell(request: web.Request) -> web.Response:
        return web.json_response([request[USER].name, *request[USER].groups])

    application.router.add_get("/who", tell)
    found = Listener(
        api,
        ServerCertificate(SYSTEM_CLOCK.now(), ("ledger",)),
        web.AppRunner(application, shutdown_timeout=1),
        "127.0.0.1",
        0,
    )
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


@pytest.fixture
def old() -> Authority:
    return Authority("old")


async def ask(listener: Listener, context: ssl.SSLContext, token: str = "") -> object:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{listener.port}/who", ssl=context, headers=headers) as answer,
    ):
        return await answer.json() if answer.status == 200 else answer.status


async def reconcile(listener: Listener) -> None:
    await listener._reconcile(WHOLE)


def publish(api: FakeApi, *authorities: Authority) -> None:
    pem = "".join(authority.pem for authority in authorities)
    api.answers["get", AUTHORITIES] = {"data": {"client-ca-file": pem}}


async def test_a_token_is_enough(api: FakeApi, old: Authority) -> None:
    async with listening(api) as listener:
        assert await ask(listener, without_certificate(), "good") == ["ann", "devs"]
        publish(api, old)
        await reconcile(listener)
        assert await ask(listener, without_certificate(), "good") == ["ann", "devs"]
        assert await ask(listener, without_certificate(), "bad") == 401
        assert await ask(listener, without_certificate()) == 401


async def test_a_certificate_of_the_clusters_authority_names_the_user(
    api: FakeApi, old: Authority, tmp_path: Path
) -> None:
    async with listening(api) as listener:
        publish(api, old)
        await reconcile(listener)

        assert await ask(listener, old.issue(tmp_path, "admin", "ops", "dev")) == [
            "admin", "dev", "ops", "system:authenticated",
        ]  # fmt: skip


async def test_a_certificate_of_another_authority_does_not_get_in(api: FakeApi, old: Authority, tmp_path: Path) -> None:
    async with listening(api) as listener:
        publish(api, old)
        await reconcile(listener)

        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await ask(listener, Authority("old").issue(tmp_path, "admin"))


async def test_the_ledgers_own_certificate_signs_no_user(api: FakeApi, tmp_path: Path, old: Authority) -> None:
    """No authority is known yet: nobody is asked for a certificate, and one that is sent nevertheless is nobody's."""
    async with listening(api) as listener:
        assert await ask(listener, old.issue(tmp_path, "admin")) == 401


async def test_other_authorities_count_when_they_are_published_and_the_old_ones_no_longer(
    api: FakeApi, old: Authority, tmp_path: Path
) -> None:
    async with listening(api) as listener:
        new = Authority("new")
        publish(api, old, new)
        await reconcile(listener)
        port = listener.port
        assert await ask(listener, old.issue(tmp_path, "admin")) == ["admin", "system:authenticated"]

        publish(api, new)
        await reconcile(listener)

        assert listener.port == port
        assert await ask(listener, new.issue(tmp_path, "boss")) == ["boss", "system:authenticated"]
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await ask(listener, old.issue(tmp_path, "admin"))


async def test_a_port_that_was_taken_for_a_moment_is_listened_on_again(
    api: FakeApi, old: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, failures = web.TCPSite.start, [OSError("taken"), OSError("taken")]

    async def start_later(site: web.TCPSite) -> None:
        if failures:
            raise failures.pop()
        await start(site)

    async with listening(api) as listener:
        publish(api, old)
        monkeypatch.setattr(web.TCPSite, "start", start_later)
        for _ in range(2):
            with pytest.raises(OSError, match="taken"):
                await reconcile(listener)
        await reconcile(listener)

        assert await ask(listener, old.issue(tmp_path, "admin")) == ["admin", "system:authenticated"]


UNREADABLE: dict[str, Json | Exception] = {
    "forbidden": ApiError(403, "Forbidden", "no"),
    "without authorities": {"data": {}},
    "not PEM": {"data": {"client-ca-file": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"}},
    "empty": {"data": {"client-ca-file": " "}},
}


@pytest.mark.parametrize("published", UNREADABLE.values(), ids=UNREADABLE)
async def test_without_authorities_tokens_go_on(api: FakeApi, published: Json | Exception) -> None:
    async with listening(api) as listener:
        api.answers["get", AUTHORITIES] = published
        await reconcile(listener)

        assert await ask(listener, without_certificate(), "good") == ["ann", "devs"]


async def test_nothing_speaks_without_tls(api: FakeApi) -> None:
    async with listening(api) as listener:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{listener.port}/who", headers={"Authorization": "Bearer good"}),
            ):
                pass
