#!/usr/bin/python3
"""Our JOSE against python3-jwcrypto, Debian's `jose` and libjwt: what we make they take, what they make we take,
and what either breaks the other refuses.

usage: jose_interop.py jwcrypto|jose|libjwt --bin FOLDER   (FOLDER holds josetool and jwt_oracle)
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PART, BIN = sys.argv[1], Path(sys.argv[sys.argv.index('--bin') + 1])
SIGN = [('ES256', 'P-256'), ('ES384', 'P-384'), ('ES512', 'P-521'), ('EdDSA', 'Ed25519'), ('RS256', 'RSA'), ('PS256', 'RSA'), ('PS384', 'RSA')]
SEAL = [('P-256', 'ECDH-ES+A256KW'), ('P-384', 'ECDH-ES+A256KW'), ('P-521', 'ECDH-ES+A256KW'), ('RSA', 'RSA-OAEP-256'), ('RSA:4096', 'RSA-OAEP-256')]
PLAIN = [b'x', b'a secret', bytes(range(256)) * 40]
PAYLOAD = json.dumps({'iss': 'x', 'iat': 1780272000, 'exp': 4102444800, 'submods': {'cpu0': {'n': [1, 2.5, None, 'ü']}}}).encode()
ROUNDS = 2
count = 0


def run(args, stdin=b'', want=0):
    p = subprocess.run([str(a) for a in args], input=stdin, capture_output=True)
    assert (p.returncode == 0) == (want == 0), (args, p.returncode, p.stderr.decode(errors='replace'))
    return p.stdout


def ours(*args, stdin=b'', want=0):
    return run([BIN / 'josetool', *args], stdin, want)


def check(condition, what):
    global count
    count += 1
    if not condition:
        sys.exit('%s: %s' % (PART, what))


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def make_key(folder, kind):
    """A key of ours as PEM and public JWK files."""
    pem, pub = folder / 'key.pem', folder / 'pub.jwk'
    pem.write_bytes(ours('keygen', kind))
    pub.write_bytes(ours('jwk', pem))
    return pem, pub


def flip(token, at):
    """The token with one bit of the decoded part `at` changed, still in canonical base64url."""
    parts = token.split('.')
    raw = bytearray(unb64u(parts[at]))
    raw[len(raw) // 2] ^= 1
    parts[at] = b64u(bytes(raw))
    return '.'.join(parts)


def part_jwcrypto(folder):
    from jwcrypto import jwe, jwk, jws

    allowed = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'PS256', 'PS384']
    for alg, kind in SIGN:
        pem, pub = make_key(folder, kind)
        private = jwk.JWK.from_pem(pem.read_bytes())
        public = jwk.JWK.from_json(pub.read_text())
        check(public.thumbprint() == ours('thumbprint', pem).decode(), 'thumbprint %s' % kind)
        check(jwk.JWK.from_pem(ours('pem', pem)).thumbprint() == public.thumbprint(), 'public PEM %s' % kind)
        for _ in range(ROUNDS):
            token = ours('sign', alg, pem, stdin=PAYLOAD).decode()
            j = jws.JWS()
            j.allowed_algs = allowed
            j.deserialize(token, public)
            check(j.payload == PAYLOAD, 'our %s with jwcrypto' % alg)
            try:
                bad = jws.JWS()
                bad.allowed_algs = allowed
                bad.deserialize(flip(token, 2), public)
                check(False, 'our %s, broken, with jwcrypto' % alg)
            except jws.InvalidJWSSignature:
                check(True, '')
            theirs = jws.JWS(PAYLOAD)
            theirs.allowed_algs = allowed
            theirs.add_signature(private, None, json.dumps({'alg': alg, 'kid': 'k'}), None)
            theirs = theirs.serialize(compact=True)
            check(ours('verify', alg, pub, stdin=theirs.encode()) == PAYLOAD, 'jwcrypto %s with us' % alg)
            check(ours('verify', alg, pub, stdin=flip(theirs, 1).encode(), want=1) == b'', 'payload changed')
            check(ours('verify', alg, pub, stdin=flip(theirs, 2).encode(), want=1) == b'', 'signature changed')
            for other, _ in SIGN:
                if other != alg:
                    check(ours('verify', other, pub, stdin=theirs.encode(), want=1) == b'', '%s as %s' % (alg, other))
    for kind, alg in SEAL:
        pem, pub = make_key(folder, kind)
        private = jwk.JWK.from_pem(pem.read_bytes())
        public = jwk.JWK.from_json(pub.read_text())
        for plain in PLAIN * ROUNDS:
            sealed = ours('seal', pub, stdin=plain).decode()
            e = jwe.JWE()
            e.deserialize(sealed, private)
            check(e.payload == plain, 'our JWE to %s with jwcrypto' % kind)
            # as real guests do: the header parsed, written again, and used as associated data
            head = json.loads(unb64u(json.loads(sealed)['protected']))
            again = {'alg': head.pop('alg'), 'enc': head.pop('enc')}
            again.update({k: dict(sorted(v.items())) if isinstance(v, dict) else v for k, v in sorted(head.items())})
            check(b64u(json.dumps(again, separators=(',', ':')).encode()) == json.loads(sealed)['protected'], 'header bytes')
            theirs = jwe.JWE(plain, json.dumps({'alg': alg, 'enc': 'A256GCM'}))
            theirs.add_recipient(public)
            check(ours('open', pem, stdin=theirs.serialize(compact=True).encode()) == plain, 'jwcrypto compact to %s' % kind)
            flat = json.loads(theirs.serialize())
            check(ours('open', pem, stdin=json.dumps(flat).encode()) == plain, 'jwcrypto JSON to %s' % kind)
            raw = bytearray(unb64u(flat['tag']))
            raw[0] ^= 1
            flat['tag'] = b64u(bytes(raw))
            check(ours('open', pem, stdin=json.dumps(flat).encode(), want=1) == b'', 'tag changed')
        for enc in ('A128GCM', 'A192GCM', 'A128CBC-HS256', 'A256CBC-HS512'):
            theirs = jwe.JWE(b'x', json.dumps({'alg': alg, 'enc': enc}))
            theirs.add_recipient(public)
            check(ours('open', pem, stdin=theirs.serialize(compact=True).encode(), want=1) == b'', 'refused by name: %s' % enc)
    for alg in ('ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW'):
        pem, pub = make_key(folder, 'P-256')
        theirs = jwe.JWE(b'x', json.dumps({'alg': alg, 'enc': 'A256GCM'}))
        theirs.add_recipient(jwk.JWK.from_json(pub.read_text()))
        check(ours('open', pem, stdin=theirs.serialize(compact=True).encode(), want=1) == b'', 'refused by name: %s' % alg)
    pem, pub = make_key(folder, 'RSA')
    private = jwk.JWK.from_pem(pem.read_bytes())
    e = jwe.JWE(algs=['RSA1_5', 'A256GCM'])
    e.deserialize(ours('seal', pub, 'RSA1_5', stdin=b'old').decode(), private)
    check(e.payload == b'old', 'our RSA1_5 with jwcrypto')
    for key in (jwk.JWK.generate(kty='EC', crv='P-256'), jwk.JWK.generate(kty='EC', crv='P-521'), jwk.JWK.generate(kty='RSA', size=3072), jwk.JWK.generate(kty='OKP', crv='Ed25519')):
        f = folder / 'theirs.jwk'
        f.write_text(key.export_private())
        check(ours('thumbprint', f).decode() == key.thumbprint(), 'private JWK of jwcrypto')
        f.write_text(key.export_public())
        check(ours('thumbprint', f).decode() == key.thumbprint(), 'public JWK of jwcrypto')
        f.write_bytes(key.export_to_pem(private_key=True, password=None))
        check(ours('thumbprint', f).decode() == key.thumbprint(), 'PEM of jwcrypto')


def part_jose(folder):
    """Debian's jose has no EdDSA; P-384 and P-521 it has."""
    for alg, _ in [s for s in SIGN if s[0] != 'EdDSA']:
        private, public = folder / 'jose.jwk', folder / 'jose.pub.jwk'
        private.write_bytes(run(['jose', 'jwk', 'gen', '-i', json.dumps({'alg': alg})]))
        public.write_bytes(run(['jose', 'jwk', 'pub', '-i', private]))
        print_ = run(['jose', 'jwk', 'thp', '-a', 'S256', '-i', public]).decode().strip()
        check(ours('thumbprint', public).decode() == print_, 'thumbprint %s' % alg)
        for _ in range(ROUNDS):
            payload = folder / 'payload'
            payload.write_bytes(PAYLOAD)
            theirs = run(['jose', 'jws', 'sig', '-I', payload, '-k', private, '-s', json.dumps({'protected': {'alg': alg}}), '-c', '-o', '-'])
            theirs = theirs.decode().strip()
            check(ours('verify', alg, public, stdin=theirs.encode()) == PAYLOAD, 'jose %s with us' % alg)
            check(ours('verify', alg, public, stdin=flip(theirs, 2).encode(), want=1) == b'', 'broken')
            # the key of jose carries key_ops and alg: we may sign with it, but nothing else
            token = ours('sign', alg, private, stdin=PAYLOAD)
            check(run(['jose', 'jws', 'ver', '-i', '-', '-k', public, '-O', '-'], token) == PAYLOAD, 'our %s with jose' % alg)
            run(['jose', 'jws', 'ver', '-i', '-', '-k', public, '-O', '-'], flip(token.decode(), 1).encode(), want=1)
            check(ours('seal', public, stdin=b'x', want=1) == b'', 'sealed to a key for signatures')
    # this jose has no RSA-OAEP-256; jwcrypto covers it
    for template in ({'kty': 'EC', 'crv': 'P-256'}, {'kty': 'EC', 'crv': 'P-384'}, {'kty': 'EC', 'crv': 'P-521'}, {'alg': 'ECDH-ES+A256KW'}):
        private, public = folder / 'jose.jwk', folder / 'jose.pub.jwk'
        private.write_bytes(run(['jose', 'jwk', 'gen', '-i', json.dumps(template)]))
        public.write_bytes(run(['jose', 'jwk', 'pub', '-i', private]))
        head = json.dumps({'protected': {'alg': 'ECDH-ES+A256KW', 'enc': 'A256GCM'}})
        for plain in [b'', *PLAIN] * ROUNDS:  # jwcrypto cannot open an empty plaintext, jose can
            sealed = ours('seal', public, stdin=plain)
            check(run(['jose', 'jwe', 'dec', '-i', '-', '-k', private, '-O', '-'], sealed) == plain, 'our JWE to %s with jose' % template)
            enc = ['jose', 'jwe', 'enc', '-i', head, '-I', '-', '-k', public, '-o', '-']
            check(ours('open', private, stdin=run([*enc, '-c'], plain).strip()) == plain, 'jose JWE to %s' % template)
            # in its JSON form jose leaves epk unprotected, which we do not take
            check(ours('open', private, stdin=run(enc, plain), want=1) == b'', 'jose JSON JWE to %s' % template)
        if 'alg' in template:
            check(ours('sign', 'ES512', private, stdin=b'x', want=1) == b'', 'signed with a key for encryption')
    private.write_bytes(run(['jose', 'jwk', 'gen', '-i', '{"kty":"RSA","bits":2048}']))
    public.write_bytes(run(['jose', 'jwk', 'pub', '-i', private]))
    for plain in PLAIN:
        sealed = ours('seal', public, 'RSA1_5', stdin=plain)
        check(run(['jose', 'jwe', 'dec', '-i', '-', '-k', private, '-O', '-'], sealed) == plain, 'our RSA1_5 with jose')


def part_libjwt(folder):
    for alg, kind in [('ES256', 'P-256'), ('ES384', 'P-384'), ('ES512', 'P-521'), ('RS256', 'RSA')]:
        pem, _ = make_key(folder, kind)
        public = folder / 'pub.pem'
        public.write_bytes(ours('pem', pem))
        other, _ = make_key(folder, kind)
        for i in range(ROUNDS * 2):
            payload = json.dumps({'sub': 'n%d' % i, 'exp': 4102444800, 'x': 'y' * i}).encode()
            token = ours('sign', alg, other, stdin=payload)
            public.write_bytes(ours('pem', other))
            claims = run([BIN / 'jwt_oracle', alg, public], token)
            check(json.loads(claims) == json.loads(payload), 'our %s with libjwt' % alg)
            run([BIN / 'jwt_oracle', alg, public], flip(token.decode(), 2).encode(), want=1)
            run([BIN / 'jwt_oracle', alg, public], flip(token.decode(), 1).encode(), want=1)


with tempfile.TemporaryDirectory() as tmp:
    os.environ['HOME'] = tmp
    {'jwcrypto': part_jwcrypto, 'jose': part_jose, 'libjwt': part_libjwt}[PART](Path(tmp))
print('interop %s: %d checks' % (PART, count))
