"""A server's own certificate: made when the process starts, kept in memory, signed by nobody.

The ledger's clients don't go by who signed it. For people the way is what is trusted: kubectl's port-forward ends in
the pod's own loopback, through the API server, and the certificate is there so that a client certificate can be asked
for, and so that nothing on this way reads a token. The other recorder goes by its fingerprint
(`monopod.ledger.identity`). The AWS endpoint shows such a one where it was given none.
"""

import datetime
import ssl
import tempfile
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS: Final = 3650
"""Longer than any process runs; a client that checks no signature checks no date."""


class ServerCertificate:
    """A key and its certificate, PEM.

    Attributes:
        fingerprint: SHA-256 of the certificate, in hexadecimal.

    Args:
        now: the present.
        names: the server's, the first of which is the subject's.
    """

    def __init__(self, now: datetime.datetime, names: Sequence[str]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in (*names, "localhost")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=_DAYS))
            .add_extension(alternatives, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        self._pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def build_context(self, client_ca: str = "") -> ssl.SSLContext:
        """Returns what a listener needs.

        Args:
            client_ca: the authorities whose client certificates are asked for and accepted, PEM; "" asks for none.

        Raises:
            ssl.SSLError: `client_ca` holds no certificates.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # OpenSSL reads keys from files only; this one is the owner's alone and gone at once.
        with tempfile.NamedTemporaryFile() as file:
            file.write(self._pem)
            file.flush()
            context.load_cert_chain(file.name)
        if client_ca:
            context.load_verify_locations(cadata=client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context
