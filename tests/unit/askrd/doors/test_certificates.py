"""Certificates: read whole or refused with the reason, and renewed only by good ones."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from askrd.doors.certificates import BadCertificate, CertificateFiles, Certificates
from tests.integration.certificates import authority


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    authority(tmp_path).issue()
    return CertificateFiles(tmp_path / "certificate.pem", tmp_path / "key.pem")


def test_nothing_below_1_2_is_spoken(files: CertificateFiles) -> None:
    assert Certificates(files).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_reload_takes_new_files_and_keeps_the_old_ones_when_they_are_bad(
    files: CertificateFiles, tmp_path: Path
) -> None:
    certificates = Certificates(files)
    first = certificates.context
    authority(tmp_path).issue()
    certificates.reload()
    second = certificates.context
    assert second is not first
    files.key.unlink()
    certificates.reload()
    assert certificates.context is second


@pytest.mark.parametrize("name", ["certificate", "key"])
def test_a_file_that_is_missing_is_named(files: CertificateFiles, name: str) -> None:
    missing: Path = getattr(files, name)
    missing.unlink()
    with pytest.raises(BadCertificate, match=f"cannot read {missing}"):
        Certificates(files)


def test_a_key_of_another_certificate_is_refused(files: CertificateFiles, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    authority(other).issue()
    mixed = CertificateFiles(files.certificate, other / "key.pem")
    with pytest.raises(BadCertificate, match="cannot use the certificate"):
        Certificates(mixed)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(
    files: CertificateFiles,
) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    closed = BestAvailableEncryption(b"secret")
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, closed))
    with pytest.raises(BadCertificate, match="has a passphrase"):
        Certificates(files)
