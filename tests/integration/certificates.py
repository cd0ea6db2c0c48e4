"""Certificates that only the tests trust."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """An authority, and where its certificates lie.

    Attributes:
        ca: whoever has this file trusts its certificates.
    """

    directory: Path
    authority: trustme.CA

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def environ(self) -> dict[str, str]:
        """Variables with which programs trust it, and it alone."""
        return {"SSL_CERT_FILE": str(self.ca)}

    def issue(self) -> dict[str, str]:
        """Writes a new certificate for this machine, and returns a daemon's variables for it."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1", "::1")
        certificate, key = self.directory / "certificate.pem", self.directory / "key.pem"
        certificate.unlink(missing_ok=True)
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(certificate), append=True)
        issued.private_key_pem.write_to_path(str(key))
        return {"ASKRD_TLS_CERTIFICATE": str(certificate), "ASKRD_TLS_KEY": str(key)}


def authority(directory: Path) -> Authority:
    """Makes a new one in ``directory``."""
    made = Authority(directory, trustme.CA())
    made.authority.cert_pem.write_to_path(str(made.ca))
    return made
