"""The certificate that the endpoint shows: files that someone renews, or one of its own.

reconcile: read the files ── as before ──► After(…)
                          └─ others ──► take them for the connections to come ──► After(…)
"""

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from monopod.kube.clock import Clock
from monopod.kube.controller import After, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.server.certificate import ServerCertificate

REFRESH_SECONDS: Final = 60.0

logger = structlog.stdlib.get_logger(__name__)


class FileCertificate:
    """A certificate in files.

    Args:
        certificate: the file of the certificate.
        key: the file of its key.
        clock: tells the time.

    Raises:
        OSError: the files can't be read, or hold no certificate and its key (ssl.SSLError).
    """

    def __init__(self, certificate: Path, key: Path, clock: Clock) -> None:
        self._certificate = certificate
        self._key = key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        """What a listener needs; it is the same one all the time."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._digest = self._load()
        self.controller: Controller[str] = Controller("certificate", self._reconcile, ProblemLog(logger), clock=clock)

    async def _reconcile(self, _: str) -> Result:
        if self._compute_digest() != self._digest:
            self._digest = self._load()
            logger.info("the certificate was renewed")
        return After(REFRESH_SECONDS)

    def _load(self) -> bytes:
        digest = self._compute_digest()
        # Of a certificate and another one's key, OpenSSL would keep the first and forget what it had.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key)
        self.context.load_cert_chain(self._certificate, self._key)
        return digest

    def _compute_digest(self) -> bytes:
        return hashlib.sha256(self._certificate.read_bytes() + self._key.read_bytes()).digest()


def build_own_context(names: Sequence[str], clock: Clock) -> ssl.SSLContext:
    """What a listener needs to show a certificate that no authority has signed."""
    return ServerCertificate(clock.now(), names).build_context()
