"""The certificate that the endpoint shows: a renewed one without a restart, and one of its own where it has none."""

import asyncio
import datetime
import shutil
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from lab.cluster.pki import Authority
from monopod.aws.certificate import REFRESH_SECONDS, FileCertificate, build_own_context
from monopod.kube.clock import SYSTEM_CLOCK
from monopod.kube.controller import WHOLE
from tests.unit.fake_clock import FakeClock
from tests.unit.running import running, settle


def issue(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = Authority.create(folder / name).issue(name, name, (), ("127.0.0.1",))
    return Path(shutil.copy(certificate, folder / "tls.crt")), Path(shutil.copy(key, folder / "tls.key"))


async def show(context: ssl.SSLContext) -> x509.Certificate:
    """The certificate that a client is shown."""

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    return x509.load_pem_x509_certificate(pem.encode())


def read_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.rfc4514_string())


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    certificate = FileCertificate(*issue(tmp_path, "first"), clock)
    certificate.controller.enqueue(WHOLE)
    async with running(certificate.controller):
        assert "CN=first" in read_name(await show(certificate.context))
        issue(tmp_path, "second")
        clock.step(REFRESH_SECONDS)
        await settle()
        assert "CN=second" in read_name(await show(certificate.context))


async def test_a_renewal_that_is_none_leaves_the_old_certificate(tmp_path: Path) -> None:
    clock = FakeClock()
    file, key = issue(tmp_path, "first")
    certificate = FileCertificate(file, key, clock)
    certificate.controller.enqueue(WHOLE)
    async with running(certificate.controller):
        shutil.copy(Authority.create(tmp_path / "x").issue("x", "x", (), ("127.0.0.1",))[0], file)
        clock.step(REFRESH_SECONDS)
        await settle()
        assert "CN=first" in read_name(await show(certificate.context))
        issue(tmp_path, "second")
        clock.step(REFRESH_SECONDS)
        await settle()
        assert "CN=second" in read_name(await show(certificate.context))


def test_files_without_a_certificate_are_no_start(tmp_path: Path) -> None:
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("nothing")
    with pytest.raises(OSError):  # noqa: PT011 ssl.SSLError has no words of its own to match
        FileCertificate(tmp_path / "tls.crt", tmp_path / "tls.key", FakeClock())


async def test_its_own_certificate_is_for_its_names(tmp_path: Path) -> None:
    shown = await show(build_own_context(("monopod-aws", "monopod-aws.monopod-system.svc"), SYSTEM_CLOCK))
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["monopod-aws", "monopod-aws.monopod-system.svc", "localhost"]
    assert shown.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=365)
