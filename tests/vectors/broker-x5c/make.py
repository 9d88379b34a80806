#!/usr/bin/python3
"""Makes the certificates of this folder anew: throw-away keys, valid 2026-01-01 to 2046-01-01 unless the name
says otherwise. Needs python3-cryptography."""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = os.path.dirname(os.path.abspath(__file__))
FROM, TO = datetime.datetime(2026, 1, 1), datetime.datetime(2046, 1, 1)


def name(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def cert(cn, key, issuer_cn, issuer_key, ca, san=None, until=TO):
    b = (x509.CertificateBuilder().subject_name(name(cn)).issuer_name(name(issuer_cn)).public_key(key.public_key())
         .serial_number(x509.random_serial_number()).not_valid_before(FROM).not_valid_after(until)
         .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
         .add_extension(x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), critical=True)
         .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
         .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False))
    if san:
        b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName(san)]), critical=False)
    return b.sign(issuer_key, hashes.SHA256())


def key():
    return ec.generate_private_key(ec.SECP256R1())


def put(file, data):
    with open(os.path.join(HERE, file), "wb") as f:
        f.write(data)


def pem(c):
    return c.public_bytes(serialization.Encoding.PEM)


def put_key(file, k):
    put(file, k.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                              serialization.NoEncryption()))


k = {n: key() for n in ("root", "inter1", "inter2", "leaf", "other", "stranger", "self", "short")}
certs = {
    "root": cert("test root", k["root"], "test root", k["root"], True),
    "inter1": cert("test inter 1", k["inter1"], "test root", k["root"], True),
    "inter2": cert("test inter 2", k["inter2"], "test inter 1", k["inter1"], True),
    "leaf": cert("signer", k["leaf"], "test inter 2", k["inter2"], False, san="issuer.test"),
    "leaf-cn": cert("issuer.test", k["leaf"], "test root", k["root"], False),
    "other": cert("other.test", k["other"], "test inter 2", k["inter2"], False, san="other.test"),
    "stranger-root": cert("test root", k["stranger"], "test root", k["stranger"], True),
    "stranger-leaf": cert("signer", k["leaf"], "test root", k["stranger"], False, san="issuer.test"),
    "self": cert("issuer.test", k["self"], "issuer.test", k["self"], False, san="issuer.test"),
    "short": cert("signer", k["short"], "test root", k["root"], False, san="issuer.test",
                  until=datetime.datetime(2026, 6, 1)),
}
for n, c in certs.items():
    put(n + ".pem", pem(c))
for n in ("leaf", "other", "self", "short"):
    put_key(n + ".key", k[n])
