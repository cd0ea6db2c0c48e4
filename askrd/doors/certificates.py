"""The daemon's certificate: read at the start, and again when it is told that it was renewed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from askrd.host.logs import Log
from askrd.wire.errors import AskrError, ErrorCode

_log = Log("askrd.doors")


class BadCertificate(AskrError):
    """A certificate or its key cannot be used; the message says which and why."""

    code = ErrorCode.BAD_REQUEST


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where a certificate lies.

    Attributes:
        certificate: PEM file with the certificate, and the chain behind it.
        key: PEM file with its private key.
    """

    certificate: Path
    key: Path


class Certificates:
    """What TLS connections are greeted with.

    Attributes:
        context: for connections from now on; those that are there keep theirs.
    """

    def __init__(self, files: CertificateFiles) -> None:
        """Reads the files.

        Raises:
            BadCertificate: they cannot be used.
        """
        self._files = files
        self.context = _context_of(files)

    def reload(self) -> None:
        """Reads the files again; the former certificate stays when they cannot be used."""
        try:
            self.context = _context_of(self._files)
        except BadCertificate as exc:
            _log.error("certificate not reloaded", reason=exc.message)
        else:
            _log.info("certificate reloaded", file=str(self._files.certificate))


def _no_passphrase(key: Path) -> Callable[[], str]:
    """Returns what OpenSSL asks for a passphrase; it would ask the terminal, and all would wait."""

    def refuse() -> str:
        raise BadCertificate(
            f"the key {key} has a passphrase, and nobody is there to type it: give the daemon a key "
            "without one, in a file that only it can read"
        )

    return refuse


def _context_of(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        for file in (files.certificate, files.key):
            file.read_bytes()  # says which of the two is missing; OpenSSL does not
        context.load_cert_chain(files.certificate, files.key, _no_passphrase(files.key))
    except ssl.SSLError as exc:
        raise BadCertificate(
            f"cannot use the certificate {files.certificate} with the key {files.key}: "
            f"{exc.reason or 'not readable as PEM'}. Both are PEM files, and the key is the certificate's"
        ) from exc
    except OSError as exc:
        raise BadCertificate(f"cannot read {exc.filename}: {exc.strerror}") from exc
    return context
