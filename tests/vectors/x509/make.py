#!/usr/bin/python3
"""Makes the certificates and revocation lists of this folder (python3-cryptography). Keys are thrown away,
so a second run gives other bytes with the same meaning; the tests need all files of one run."""
import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

HERE = Path(__file__).parent
FROM, TO = dt.datetime(2025, 1, 1), dt.datetime(2030, 1, 1)


def name(cn):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Vidimus test'), x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def cert(cn, key, issuer_cn, issuer_key, ca=False, start=FROM, end=TO, serial=None, sign=hashes.SHA384(), extra=(), usage=None,
         subject=None, path=None):
    b = x509.CertificateBuilder().subject_name(subject or name(cn)).issuer_name(name(issuer_cn)).public_key(key.public_key())
    b = b.serial_number(serial or x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    b = b.add_extension(x509.BasicConstraints(ca, path), True)
    if ca or usage:
        bits = dict(digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
                    key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False)
        bits.update(usage or {})
        b = b.add_extension(x509.KeyUsage(**bits), True)
    for e in extra:
        b = b.add_extension(e, False)
    return b.sign(issuer_key, None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else sign)


def save(file, *certs):
    (HERE / file).write_bytes(b''.join(c.public_bytes(serialization.Encoding.PEM) for c in certs))


def crl(issuer_cn, key, serials, start=FROM, end=TO, extra=()):
    b = x509.CertificateRevocationListBuilder().issuer_name(name(issuer_cn)).last_update(start).next_update(end)
    for s in serials:
        b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(s).revocation_date(FROM).build())
    for e, critical in extra:
        b = b.add_extension(e, critical)
    return b.sign(key, hashes.SHA384())


root_key, other_key, mid_key, leaf_key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(4))
rsa_key = rsa.generate_private_key(65537, 2048)
root = cert('root', root_key, 'root', root_key, ca=True)
other = cert('root', other_key, 'root', other_key, ca=True)
mid = cert('intermediate', mid_key, 'root', root_key, ca=True)
oid = x509.UnrecognizedExtension(ObjectIdentifier('1.3.6.1.4.1.3704.1.1'), b'\x02\x01\x07')
san = x509.SubjectAlternativeName([x509.DNSName('issuer.example'), x509.DNSName('two.example'), x509.UniformResourceIdentifier('https://uri.example')])
leaf = cert('leaf', leaf_key, 'intermediate', mid_key, serial=0x1001, extra=(san, oid))
save('root.pem', root)
save('other-root.pem', other)
save('intermediate.pem', mid)
save('leaf.pem', leaf)
(HERE / 'leaf.der').write_bytes(leaf.public_bytes(serialization.Encoding.DER))
save('bundle.pem', leaf, mid, root)
save('expired.pem', cert('expired', leaf_key, 'intermediate', mid_key, serial=0x1002, end=dt.datetime(2025, 6, 1)))
save('future.pem', cert('future', leaf_key, 'intermediate', mid_key, serial=0x1003, start=dt.datetime(2029, 1, 1)))
save('expired-intermediate.pem', cert('intermediate', mid_key, 'root', root_key, ca=True, end=dt.datetime(2025, 6, 1)))
save('not-a-ca.pem', cert('intermediate', mid_key, 'root', root_key, ca=False))
save('may-not-sign.pem', cert('intermediate', mid_key, 'root', root_key, ca=True, usage={'key_cert_sign': False}))
save('no-crl-sign.pem', cert('intermediate', mid_key, 'root', root_key, ca=True, usage={'crl_sign': False}))
save('by-leaf.pem', cert('grandchild', leaf_key, 'leaf', leaf_key))
save('by-stranger.pem', cert('leaf', leaf_key, 'intermediate', other_key, serial=0x1001))
save('sha1.pem', cert('sha1', leaf_key, 'intermediate', mid_key, sign=hashes.SHA1()))
save('revoked.pem', cert('revoked', leaf_key, 'intermediate', mid_key, serial=0x1004))
save('self-signed.pem', cert('leaf', leaf_key, 'leaf', leaf_key))
save('rsa-leaf.pem', cert('rsa', rsa_key, 'intermediate', mid_key))
weak = rsa.generate_private_key(65537, 1024)
save('rsa1024-leaf.pem', cert('weak', weak, 'intermediate', mid_key))
ed = ed25519.Ed25519PrivateKey.generate()
save('ed25519.pem', cert('ed25519', ed, 'ed25519', ed, ca=True))
save('k1-leaf.pem', cert('k1', ec.generate_private_key(ec.SECP256K1()), 'intermediate', mid_key))
two = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'a'), x509.NameAttribute(NameOID.COMMON_NAME, 'b')])
save('two-cn.pem', cert('', leaf_key, 'intermediate', mid_key, subject=two))
save('no-cn.pem', cert('', leaf_key, 'intermediate', mid_key, subject=x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'x')])))
chain = [root]
keys = [root_key]
for i in range(6):
    keys.append(ec.generate_private_key(ec.SECP256R1()))
    chain.append(cert('deep %d' % i, keys[-1], 'root' if i == 0 else 'deep %d' % (i - 1), keys[-2], ca=i < 5))
save('deep.pem', *reversed(chain[1:]))
one_level = cert('intermediate', mid_key, 'root', root_key, ca=True, path=0)
sub_key = ec.generate_private_key(ec.SECP256R1())
save('pathlen.pem', cert('end', leaf_key, 'sub', sub_key), cert('sub', sub_key, 'intermediate', mid_key, ca=True), one_level)

save('crl.pem', crl('intermediate', mid_key, [0x1004, 0x2000]))
(HERE / 'crl.der').write_bytes(crl('intermediate', mid_key, [0x1004]).public_bytes(serialization.Encoding.DER))
save('crl-empty.pem', crl('intermediate', mid_key, []))
save('crl-old.pem', crl('intermediate', mid_key, [], end=dt.datetime(2025, 6, 1)))
save('crl-by-stranger.pem', crl('intermediate', other_key, []))
save('crl-other-name.pem', crl('root', mid_key, []))
save('crl-delta.pem', crl('intermediate', mid_key, [], extra=[(x509.DeltaCRLIndicator(1), True)]))
idp = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
save('crl-partial.pem', crl('intermediate', mid_key, [], extra=[(idp, True)]))
save('crl-critical.pem', crl('intermediate', mid_key, [], extra=[(x509.UnrecognizedExtension(ObjectIdentifier('1.2.3.4'), b'\x05\x00'), True)]))
