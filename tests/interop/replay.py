#!/usr/bin/python3
"""Replays the recorded exchanges of the real KBS and REST attestation service against our two servers.

usage: replay.py BIN_DIR FILE [--tls] [--denial-status 401|403] [--show] [--only GLOB]

FILE: auth attest resource admin ear-tokens scenarios as-rest (tests/vectors/kbs-wire). Every status, body, decoded
token and opened secret must equal the recording, or stand in tests/interop/differences.json with what we answer
instead and why. A listed difference that does not occur is a failure too, so the list stays true. What no list can
excuse is checked on every answer besides: the form of error bodies, of cookies and of Content-Type, Allow on 405.

One recorded KBS is two of our servers: attestation policies, reference values and the REST surface go to the
issuer, everything else to the broker; /auth and /attest go to the issuer, or through the broker's relay where the
same flow reads a resource by its cookie. Requests are sent byte by byte as recorded, but for administrators' tokens:
the recorded ones live ten years, which ours do not allow, so the same claims are signed again with a near end.

A rule of differences.json: `files`, `match` (globs of entry ids), `recorded` (status), `ours`, `reason`, and `variant`
for one setting of denial_status only. `ours` may hold `status` ("denial": what denial_status is), `type` (of a KBS error), `detail` (expression that its
detail or, of a plain answer, the body fits as a whole), `same_body` (all but the status is as recorded) and `text`
(expression found in the description of the difference).
"""
import base64
import fnmatch
import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests/e2e'))
import lib  # noqa: E402
from jwcrypto import jwk, jws  # noqa: E402

VECTORS = ROOT / 'tests/vectors/kbs-wire'
SNP = ROOT / 'tests/vectors/snp/trustee/e2e-evidence.json'
PLACEHOLDER = re.compile(r'<[a-z][^<>]*>')
TEE_MEMBERS = {'EC': ('alg', 'crv', 'kty', 'x', 'y'), 'RSA': ('alg', 'e', 'kty', 'n'), 'AKP': ('alg', 'kty', 'pub')}
SHAPES = {'nonce': r'[A-Za-z0-9+/]{43}=', 'token': r'[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+',
          'protected': r'[A-Za-z0-9_-]+', 'encrypted_key': r'[A-Za-z0-9_-]*', 'iv': r'[A-Za-z0-9_-]{16}',
          'ciphertext': r'[A-Za-z0-9_-]*', 'tag': r'[A-Za-z0-9_-]{22}'}


# ---- the two servers ------------------------------------------------------------------------------------


class Fixed:
    """Keys and tokens of the recordings, written as files where servers need files."""

    def __init__(self, folder):
        self.value = {e['id']: e['value'] for e in json.loads((VECTORS / 'fixed.json').read_text())}
        self.folder = folder
        for name, value in self.value.items():
            if name.endswith(('.key', '.pem', '.json')):
                with open(os.open(self.path(name), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), 'w') as f:
                    f.write(value if isinstance(value, str) else json.dumps(value))
        self.tee = []
        for name in ('tee-P-256.pem', 'tee-P-384.pem', 'tee-P-521.pem', 'tee-rsa-pkcs8.pem'):
            self.tee.append(jwk.JWK.from_pem(self.value[name].encode()))
        for name, value in self.value.items():
            if name.startswith('tee-rsa') and name.endswith('.pem'):
                self.tee.append(jwk.JWK.from_pem(self.value[name].encode()))

    def path(self, name):
        return os.path.join(self.folder, name)


class Pair:
    """An issuer and a broker in the place of one recorded server."""

    def __init__(self, run, fixed, name, bin_dir, tls, denial):
        self.name, self.fixed = name, fixed
        folder = os.path.join(run.folder(), name)
        kind = name.split('-')[0]
        inject = kind in ('open', 'res', 'hdrjwk', 'as')  # recorded with every administrator allowed
        self.inject = {'Authorization': 'Bearer ' + shortened(fixed, fixed.value['admin-token'])} if inject else {}
        mode = 'mode = "deny"\n' if kind == 'deny' else 'max_token_life = 86400\n'
        signer = '' if name == 'as' or kind == 'hdrjwk' else 'cert_file = "%s"\n' % fixed.path('token-chain.pem')
        key = os.path.join(folder, 'passport.key')
        os.makedirs(folder, exist_ok=True)
        issuer_toml = ('[passport]\nissuer = "CoCo-Attestation-Service"\nkey_file = "%s"\n%s[as]\nenabled = %s\n'
                       '[tee.sample]\nenabled = true\n[tee.sampledevice]\nenabled = true\n[tee.snp]\nenabled = true\n'
                       'vcek_sources = ["evidence"]\n%s%s'
                       % (key, signer, 'true' if kind == 'as' else 'false',
                          '[challenge]\nlifetime = 10\n' if name == 'hdrjwk-short' else '', self.admin(kind, 'issuer')))
        self.issuer = run.server('issuer', os.path.join(folder, 'issuer'), bin_dir, issuer_toml, admin=mode, tls=tls,
                                 start=False)
        if signer:  # the recorded signer's key in the place of the one that init made
            pem = jwk.JWK.from_pem(fixed.value['token.key'].encode()).export_to_pem(private_key=True, password=None)
            with open(os.open(key, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), 'wb') as f:
                f.write(pem)
        self.issuer.start()
        self.broker = None
        if kind == 'as':
            return
        trust = ('[[trusted_issuer]]\nname = "recorded"\nissuer = "CoCo-Attestation-Service"\nalgs = ["ES256"]\n'
                 'tees = ["*"]\nrepositories = ["*"]\naccept_simulated = true\naccept_freshness = ["issuer-nonce"]\n'
                 'max_lifetime = 400000000\nassume_freshness = "issuer-nonce"\n')
        if kind == 'hdrjwk':
            trust += 'jwks_url = "%s/.well-known/jwks.json"\n%s' % (
                self.issuer.guest, 'jwks_url_ca = "%s"\n' % tls[0] if tls else '')
        elif name == 'multi-jwks':
            trust += 'jwks_file = "%s"\n' % fixed.path('token-jwks.json')
        else:
            trust += 'ca_file = "%s"\nleaf_name = "wire-test-signer"\n' % fixed.path('ca-cert.pem')
        relay = '' if kind == 'res' or name.endswith('-passport') else '[relay]\ntrusted_issuer = "recorded"\nissuer_url = "%s"\n%s' % (
            self.issuer.guest, 'ca_file = "%s"\n' % tls[0] if tls else '')
        broker_toml = '%s%s[accept]\naudience = ["broker"]\n[release]\ndenial_status = %d\nallow_rsa1_5 = true\n%s' % (
            trust, relay, denial, self.admin(kind, 'broker'))
        self.broker = run.server('broker', os.path.join(folder, 'broker'), bin_dir, broker_toml, admin=mode, tls=tls)

    def admin(self, name, program):
        f = self.fixed
        tester = '"* /kbs/v0/reference-value", "* /kbs/v0/reference-value/*"' if program == 'issuer' else '"GET /api/v1/status"'
        everything = '["* /kbs/v0/*", "* /api/v1/*"]'
        if name == 'as':
            everything = '["* /kbs/v0/*", "* /policy", "* /policy/*"]'
        reader = '"GET /api/v1/keys"' if program == 'issuer' else '"GET /kbs/v0/resource-policy"'
        if name == 'multi':
            return (
                '[[admin.identity]]\nname = "a"\nissuer = "issuer-a"\naudience = "kbs"\npublic_key_file = "%s"\nroles = ["admin", "reader"]\n'
                '[[admin.identity]]\nname = "ec"\npublic_key_file = "%s"\naudience = "any"\nroles = ["admin", "reader"]\ndefault_role = "reader"\n'
                '[[admin.identity]]\nname = "jwks"\njwks_file = "%s"\naudience = "kbs-jwks"\nroles = ["admin", "reader"]\n'
                '[[admin.role]]\nname = "admin"\nallow = %s\n[[admin.role]]\nname = "reader"\nallow = [%s]\n'
                % (f.path('admin.pem'), f.path('adminec.pem'), f.path('admin-jwks-eddsa.json'), everything, reader))
        return ('[[admin.identity]]\nname = "recorded"\nissuer = "issuer"\naudience = "kbs"\npublic_key_file = "%s"\n'
                'roles = ["admin", "tester"]\n[[admin.role]]\nname = "admin"\nallow = %s\n'
                '[[admin.role]]\nname = "tester"\nallow = [%s]\n'
                % (f.path('admin.pem'), everything, tester))

    def restart(self):
        for server in (self.issuer, self.broker):
            server.restart()

    def address(self, path, direct):
        bare = re.sub(r'^//', '/', path).split('?')[0]
        if self.broker is None:
            return self.issuer
        if re.match(r'/kbs/v0/(attestation-policy|reference-value)', bare):
            return self.issuer
        if re.match(r'/kbs/v0/(auth|attest)', bare) and direct:
            return self.issuer
        return self.broker


# ---- sending --------------------------------------------------------------------------------------------


def exchange(server, data, cafile, timeout=30):
    """Raw bytes out, one answer back: (status, [(name, value)], body) or None when no answer came."""
    port = server.guest_port
    s = socket.create_connection(('127.0.0.1', port), timeout=timeout)
    if cafile:
        s = ssl.create_default_context(cafile=cafile).wrap_socket(s, server_hostname='127.0.0.1')
    got = b''
    try:
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the whole request was read: the answer is there
        while True:
            try:
                piece = s.recv(1 << 16)
            except (ConnectionResetError, socket.timeout):
                break
            if not piece:
                break
            got += piece
            head, sep, body = got.partition(b'\r\n\r\n')
            m = re.search(rb'(?i)\r\ncontent-length: *(\d+)', head)
            if sep and m and (len(body) >= int(m[1]) or data.startswith(b'HEAD ')):
                break
    finally:
        s.close()
    head, sep, body = got.partition(b'\r\n\r\n')
    if not sep:
        return None
    lines = head.decode('latin-1').split('\r\n')
    headers = [tuple(part.strip() for part in line.split(':', 1)) for line in lines[1:]]
    return int(lines[0].split()[1]), headers, body


# ---- placeholders ---------------------------------------------------------------------------------------


def jcs(value):
    return json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode()


def known_members(key):
    if not isinstance(key, dict):
        return key
    return {m: key[m] for m in TEE_MEMBERS.get(key.get('kty'), ()) if m in key}


class Flow:
    """Values that the answers of one flow gave: nonce, session, token, by their placeholder's name."""

    def __init__(self, fixed, name=''):
        self.fixed, self.name, self.value = fixed, name, {}

    def learn(self, recorded, status, headers, body):
        """Takes values at the places where the recording has placeholders."""
        try:
            want, got = json.loads(recorded['body']), json.loads(body)
        except (TypeError, ValueError):
            want = got = None
        if isinstance(want, dict) and isinstance(got, dict):
            for member, text in want.items():
                m = isinstance(text, str) and re.fullmatch(r'<([a-z]+(?:-\d+)?):.*>', text)
                if m and isinstance(got.get(member), str):
                    self.value[m[1]] = got[member]
        for name, value in recorded['headers']:
            m = name == 'set-cookie' and re.search(r'<(session(?:-\d+)?):', value)
            if m:
                for k, v in headers:
                    c = k.lower() == 'set-cookie' and re.match(r'kbs-session-id=([^;]*)', v)
                    if c:
                        self.value[m[1]] = c[1]

    def simple(self, text):
        """Replaces what needs no look at the whole body."""
        def one(m):
            inner = m[0][1:-1]
            name = inner.split(':', 1)[0]
            if inner.startswith('fixed:'):
                value = self.fixed.value[inner[6:]]
                return value if isinstance(value, str) else json.dumps(value)
            if name in self.value:
                return self.value[name]
            if inner == 'session in upper case':
                return self.value.get('session', '').upper()
            if inner == 'nonce without padding':
                return self.value.get('nonce', '').rstrip('=')
            r = re.fullmatch(r'(.) repeated (\d+) times', inner)
            if r:
                return r[1] * int(r[2])
            if inner.startswith('token:literal-style token with exp = now'):
                return self.literal(int(re.search(r'now (-?\d+) s', inner)[1]))
            if inner.startswith('token:EdDSA, exp = now'):
                return self.admin(int(re.search(r'now (-?\d+) s', inner)[1]))
            if inner.startswith('base64url') and 'e2e-evidence.json' in inner:
                return snp_evidence(inner)
            return m[0]
        return PLACEHOLDER.sub(one, text)

    def literal(self, seconds):
        old = json.loads(lib.unb64u(self.fixed.value['attestation-token'].split('.')[1]))
        head = json.loads(lib.unb64u(self.fixed.value['attestation-token'].split('.')[0]))
        now = int(time.time())
        return signed(self.fixed.value['token.key'], head, {**old, 'iat': now - 300, 'exp': now + seconds})

    def admin(self, seconds):
        now = int(time.time())
        claims = {'iss': 'issuer', 'role': 'admin', 'aud': ['kbs'], 'iat': now - 300, 'exp': now + seconds}
        return signed(self.fixed.value['admin.key'], {'alg': 'EdDSA', 'typ': 'JWT'}, claims)

    def body(self, text):
        text = self.simple(text)
        m = re.search(r'<(.) repeated until the body has (\d+) bytes>', text)
        if m:
            text = text.replace(m[0], m[1] * (int(m[2]) - (len(text.encode()) - len(m[0]))))
        m = re.fullmatch(r'<valid body padded with spaces before the last brace to (\d+) bytes>', text)
        if m:
            plain = self.pad_base
            text = plain[:-1] + ' ' * (int(m[1]) - len(plain)) + plain[-1]
        return self.digests(text) if 'report_data' in text or 'primary_style' in text else text

    pad_base = '{"verification_requests":[{"tee":"sample","evidence":"eyJzdm4iOiIxIiwicmVwb3J0X2RhdGEiOiIifQ"}],"policy_ids":["default"]}'

    # What the recorded client hashed where that is not what it sent.
    hashed = {'add-tampered': lambda nonce, key, extra: (nonce, known_members(key), extra[:-1]),
              'jwk-extra-members-hashed-in': lambda nonce, key, extra: (nonce, key, extra)}

    def digests(self, text):
        """Report data: of devices first, because the primary's covers the additional evidence as sent."""
        hashed = self.hashed.get(self.name, lambda nonce, key, extra: (nonce, known_members(key), extra))

        def parts(text):
            body = json.loads(text)
            runtime = body.get('runtime-data', {})
            evidence = body.get('tee-evidence', {})
            return hashed(runtime.get('nonce'), runtime.get('tee-pubkey'), evidence.get('additional_evidence', ''))

        def put(pattern, value_of):
            nonlocal text
            m = re.search(pattern, text)
            while m:
                text = text.replace(m[0], value_of(m), 1)
                m = re.search(pattern, text)

        def digest(hash_name, additional):
            nonce, key, extra = parts(text)
            value = {'nonce': nonce, 'tee-pubkey': key}
            if additional is not None:
                value['additional-evidence'] = extra if additional else ''
            return hashlib.new(hash_name, jcs(value)).digest()

        try:
            parts(text)
        except (ValueError, AttributeError):
            return text
        put(r'<device_report_data[^>]*>', lambda m: lib.b64(digest('sha384', None)))
        put(r'<primary_style[^>]*>', lambda m: lib.b64(digest('sha384', False)))
        put(r'<report_data64[^>]*>', lambda m: lib.b64(digest('sha384', True) + bytes(16)))
        put(r'<report_data_url[^>]*>', lambda m: base64.urlsafe_b64encode(digest('sha384', True)).decode())
        put(r'<report_data(?:-\d)?:base64\((sha\d+)[^>]*>', lambda m: lib.b64(digest(m[1], True)))
        return text


def signed(pem, header, payload):
    t = jws.JWS(json.dumps(payload))
    t.add_signature(jwk.JWK.from_pem(pem.encode()), protected=json.dumps(header))
    return t.serialize(compact=True)


JWT = re.compile(r'eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*')


def shortened(fixed, text):
    """Administrators' tokens of the recordings live ten years; ours may live a day at most. A token that a recorded
    administrator's key signed is signed again, the same but for its end."""
    def one(m):
        try:
            head, claims = (json.loads(lib.unb64u(part)) for part in m[0].split('.')[:2])
        except ValueError:
            return m[0]
        now = int(time.time())
        if not isinstance(claims.get('exp'), int) or claims['exp'] < now + 86400 or 'submods' in claims:
            return m[0]
        for name in ('admin.key', 'adminec.key', 'adminrsa.key', 'admin2.key'):
            if name not in fixed.value:
                continue
            key = jwk.JWK.from_pem(fixed.value[name].encode())
            t = jws.JWS()
            try:
                t.deserialize(m[0], key)
            except Exception:  # signed by another key
                continue
            claims['exp'] = now + 600
            if isinstance(claims.get('iat'), int) and claims['iat'] < now - 3600:
                claims['iat'] = now - 60
            return signed(fixed.value[name], head, claims)
        return m[0]
    return JWT.sub(one, text)


def snp_evidence(rule):
    text = SNP.read_text().rstrip()
    value = json.loads(text)
    m = re.search(r'with ([a-z_.]+) = (\w+)', rule)
    if m:
        at, names = value, m[1].split('.')
        for name in names[:-1]:
            at = at[name]
        at[names[-1]] = json.loads(m[2])
        text = json.dumps(value, separators=(',', ':'))
    m = re.search(r'without ([a-z_.]+)', rule)
    if m:
        at, names = value, m[1].split('.')
        for name in names[:-1]:
            at = at[name]
        del at[names[-1]]
        text = json.dumps(value, separators=(',', ':'))
    return lib.b64u(text.encode())


def request_bytes(entry, flow, inject):
    r = entry['request']
    body = r['body']
    if isinstance(body, dict):
        body = base64.b64decode(body['base64'])
    elif isinstance(body, str):
        body = flow.body(body).encode()
    else:
        body = b''
    changed = isinstance(r['body'], str) and PLACEHOLDER.search(r['body'])
    version = '1.0' if entry.get('note') == 'sent as HTTP/1.0' else '1.1'
    lines = ['%s %s HTTP/%s' % (r['method'], flow.simple(r['path']), version)]
    names = [h[0].lower() for h in r['headers']]
    for name, value in r['headers']:
        value = shortened(flow.fixed, flow.simple(value))
        if name.lower() == 'content-length' and (changed or value == '<content-length>'):
            value = str(len(body))
        lines.append('%s: %s' % (name, value))
    for name, value in inject.items():
        if name.lower() not in names and r['method'] in ('POST', 'DELETE', 'GET') and needs_admin(r):
            lines.append('%s: %s' % (name, value))
    chunked = any(h[0].lower() == 'transfer-encoding' for h in r['headers'])
    data = '\r\n'.join(lines).encode('utf-8', 'surrogateescape') + b'\r\n\r\n'
    if chunked:
        return data + b'%x\r\n' % len(body) + body + b'\r\n0\r\n\r\n'
    return data + body


def needs_admin(request):
    path = request['path'].split('?')[0]
    if re.match(r'/policy(/|$)', path):
        return True
    if re.match(r'/kbs/v0/(attestation-policy|reference-value|resource-policy)', path):
        return True
    return path.startswith('/kbs/v0/resource/') and request['method'] != 'GET'


# ---- comparing ------------------------------------------------------------------------------------------


def same_shape(want, got):
    """Strings with placeholders match by form, everything else must be equal."""
    if isinstance(want, dict) and isinstance(got, dict):
        return want.keys() == got.keys() and all(same_shape(want[k], got[k]) for k in want)
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(map(same_shape, want, got))
    if isinstance(want, str):
        m = re.fullmatch(r'<([a-z_]+)(?:-\d+)?:(.*)>', want)
        if m and m[1] in ('iat', 'exp'):
            return isinstance(got, int)
        if m and isinstance(got, str):
            return m[1] not in SHAPES or bool(re.fullmatch(SHAPES[m[1]], got))
    return want == got


OUR_PAYLOAD = {'nbf', 'jti', 'aud', 'vidimus'}


def payload_difference(want, got):
    """Ours has every member of the recording with an equal value, and more only under our own names."""
    if set(got) - set(want) - OUR_PAYLOAD:
        return 'extra claims %s' % sorted(set(got) - set(want) - OUR_PAYLOAD)
    for name, value in want.items():
        if name == 'submods':
            d = submods_difference(value, got.get(name))
            if d:
                return d
        elif name == 'ear.verifier-id':
            if set(got.get(name, {})) != {'developer', 'build'}:
                return 'verifier id'
        elif not same_shape(value, got.get(name)):
            return '%s: %r, recorded %r' % (name, got.get(name), value)
    return None


def submods_difference(want, got):
    if not isinstance(got, dict) or want.keys() != got.keys():
        return 'submods %s, recorded %s' % (list(got or ()), list(want))
    for name in want:
        w, g = want[name], dict(got[name])
        g.pop('vidimus', None)
        if w.keys() != g.keys():
            return '%s has %s, recorded %s' % (name, sorted(g), sorted(w))
        for member in w:
            a, b = w[member], g[member]
            if member == 'ear.veraison.annotated-evidence':
                if a.keys() != b.keys():
                    return '%s evidence has %s, recorded %s' % (name, sorted(b), sorted(a))
                for k in a:
                    if k == 'snp':
                        missing = [m for m in a[k] if not same_shape(a[k][m], b[k].get(m))]
                        if missing:
                            return '%s: snp claims differ: %s' % (name, missing)
                    elif k == 'report_data' or k == 'runtime_data_claims':
                        continue  # of another nonce
                    elif not same_shape(a[k], b[k]):
                        return '%s: %s is %r, recorded %r' % (name, k, b[k], a[k])
            elif not same_shape(a, b):
                return '%s: %s is %r, recorded %r' % (name, member, b, a)
    return None


def decode(token):
    return json.loads(lib.unb64u(token.split('.')[1]))


def concat_kdf(z, alg):
    part = len(alg).to_bytes(4, 'big') + alg.encode()
    return hashlib.sha256(b'\0\0\0\1' + z + part + bytes(8) + (256).to_bytes(4, 'big')).digest()


def content_key(key, head, wrapped):
    """The key that encrypts the content, unwrapped with a TEE key; None when it is not for this key."""
    private = serialization.load_pem_private_key(key.export_to_pem(private_key=True, password=None), None)
    try:
        if key['kty'] == 'EC' and head['alg'] == 'ECDH-ES+A256KW' and head['epk'].get('crv') == key['crv']:
            peer = jwk.JWK(**head['epk']).get_op_key('verify')
            return keywrap.aes_key_unwrap(concat_kdf(private.exchange(ec.ECDH(), peer), head['alg']), wrapped)
        if key['kty'] == 'RSA' and head['alg'] == 'RSA-OAEP-256':
            return private.decrypt(wrapped, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        if key['kty'] == 'RSA' and head['alg'] == 'RSA1_5':
            return private.decrypt(wrapped, padding.PKCS1v15())
    except (ValueError, keywrap.InvalidUnwrap):
        pass  # another key of the list fits
    return None


def opened(fixed, body):
    """The secret in a resource answer, opened as the guests do: the protected header is parsed, written again in the
    order alg, enc, then by name, and that text is the associated data. Header text and secret, or (text, None)."""
    answer = json.loads(body)
    text = lib.unb64u(answer['protected']).decode()
    head = json.loads(text)
    again = {'alg': head['alg'], 'enc': head['enc']}
    for name in sorted(set(head) - {'alg', 'enc'}):
        again[name] = dict(sorted(head[name].items())) if isinstance(head[name], dict) else head[name]
    aad = lib.b64u(json.dumps(again, separators=(',', ':')).encode()).encode()
    for key in fixed.tee:
        cek = content_key(key, head, lib.unb64u(answer['encrypted_key']))
        if cek:
            sealed = lib.unb64u(answer['ciphertext']) + lib.unb64u(answer['tag'])
            try:
                return text, AESGCM(cek).decrypt(lib.unb64u(answer['iv']), sealed, aad)
            except InvalidTag:
                continue
    return text, None


def header_difference(want, token):
    """Ours is the recorded header and a kid, the thumbprint of the key in it; the signature is by that key."""
    got = json.loads(lib.unb64u(token.split('.')[0]))
    kid, ours = got.pop('kid', None), got.get('jwk', {})
    if not same_shape(want, got):
        return 'token header %s, recorded %s' % (json.dumps(got)[:200], json.dumps(want)[:200])
    key = jwk.JWK(**{k: v for k, v in ours.items() if k != 'x5c'})
    if kid != key.thumbprint():
        return 'kid %s is not the thumbprint of jwk' % kid
    t = jws.JWS()
    try:
        t.deserialize(token, key)
    except jws.InvalidJWSSignature:
        return 'the token is not signed by the key in its header'
    return None


def token_difference(want, body):
    text = body.decode()
    token = json.loads(text)['token'] if text.startswith('{') else text
    return header_difference(want['header'], token) or payload_difference(want['payload'], decode(token))


def difference(entry, fixed, got):
    """None when the answer equals the recording, else a short text."""
    want = entry['response']
    if got is None:
        return None if want['status'] is None else 'no answer'
    status, headers, body = got
    if status != want['status']:
        return 'status %d, recorded %s' % (status, want['status'])
    return body_difference(entry, fixed, headers, body)


def body_difference(entry, fixed, headers, body):
    want = entry['response']
    recorded = want['body']
    if isinstance(recorded, dict) or recorded is None:
        return None
    text = body.decode('utf-8', 'replace')
    kind = next((v for k, v in want['headers'] if k == 'content-type'), None)
    if recorded and kind and kind.split(';')[0] != (media_type(headers) or ''):
        return 'content-type %s, recorded %s' % (media_type(headers), kind)
    if 'decrypted' in want:
        expected = want['decrypted']
        expected = base64.b64decode(expected['base64']) if isinstance(expected, dict) else expected.encode()
        head, plain = opened(fixed, body)
        template = re.sub(r'<[^>]*>', '*', want['protected_text'])
        if not fnmatch.fnmatchcase(head.replace('[', '('), template.replace('[', '(')):
            return 'protected header %s, recorded %s' % (head, want['protected_text'])
        if plain != expected:
            return 'the secret does not open to the recorded bytes'
    decoded = want.get('decoded') or entry.get('decoded')
    if decoded:
        d = token_difference(decoded, body)
        if d:
            return d
    try:
        a, b = json.loads(recorded), json.loads(text)
    except ValueError:
        if same_shape(recorded, text) or PLACEHOLDER.fullmatch(recorded or ''):
            return None
        return None if recorded == text else 'body %r, recorded %r' % (text[:120], recorded[:120])
    if isinstance(a, list) and isinstance(b, list) and any('policy-id' in e for e in a if isinstance(e, dict)):
        a, b = sorted(a, key=json.dumps), sorted(b, key=json.dumps)  # a set there
    return None if same_shape(a, b) else 'body %s, recorded %s' % (text[:200], recorded[:200])


# ---- what holds for every answer ------------------------------------------------------------------------


def media_type(headers):
    value = next((v for k, v in headers if k.lower() == 'content-type'), None)
    return value.split(';')[0].strip() if value is not None else None


def malformed(entry, got, tls_on):
    """What would break a client, listed difference or not; None when nothing would."""
    status, headers, body = got
    request, kbs = entry['request'], re.match(r'/{1,2}kbs(/|$)', entry['request']['path'])
    if status != 200 and request['method'] != 'HEAD':
        kind = media_type(headers)
        if kind == 'text/plain' and not kbs and body:
            pass  # the REST service's errors, and paths that belong to nothing
        elif kind != 'application/json':
            return 'an error of the type %s: %r' % (kind, body[:80])
        else:
            try:
                error = json.loads(body)
            except ValueError:
                return 'an error without JSON body: %r' % body[:80]
            if sorted(error) != ['detail', 'type'] or not error['type'].startswith(lib.ERROR_PREFIX) or not error['detail']:
                return 'an error body of another form: %s' % body[:80]
    if status == 405 and not any(k.lower() == 'allow' and v for k, v in headers):
        return '405 without Allow'
    if any(k.lower() == 'content-encoding' for k, _ in headers):
        return 'a compressed answer'
    cookies = [v for k, v in headers if k.lower() == 'set-cookie']
    wanted = 1 if status == 200 and re.match(r'/{1,2}kbs/v0/(auth|attest)(\?|$)', request['path']) else 0
    form = r'kbs-session-id=[A-Za-z0-9_-]+; Path=/kbs/v0; Max-Age=[1-9]\d*; HttpOnly; SameSite=Strict%s' % ('; Secure' if tls_on else '')
    if len(cookies) != wanted or not all(re.fullmatch(form, c) for c in cookies):
        return 'cookies %s' % cookies
    return None


class Differences:
    """The list of deliberate differences; the docstring of this file says what a rule is."""

    def __init__(self, name, variant):
        rules = json.loads((ROOT / 'tests/interop/differences.json').read_text())
        self.rules = [r for r in rules if name in r['files'] and r.get('variant', variant) == variant]
        self.used = [set() for _ in self.rules]
        self.denial = int(variant)

    def fits(self, rule, entry, got, text, fixed):
        ours, (status, headers, body) = dict(rule['ours']), got
        if ours.get('status') == 'denial':
            ours['status'] = self.denial
        if 'recorded' in rule and rule['recorded'] != entry['response']['status']:
            return False
        if ours.get('status', status) != status or ('text' in ours and not re.search(ours['text'], text)):
            return False
        if ours.get('same_body') and body_difference(entry, fixed, headers, body) is not None:
            return False
        try:
            error = json.loads(body)
            kind, detail = error['type'][len(lib.ERROR_PREFIX):], error['detail']
        except (ValueError, KeyError, TypeError):
            kind, detail = None, body.decode('utf-8', 'replace')
        return ours.get('type', kind) == kind and ('detail' not in ours or bool(re.fullmatch(ours['detail'], detail, re.S)))

    def covers(self, entry, got, text, fixed):
        for i, rule in enumerate(self.rules):
            globs = [g for g in rule['match'] if fnmatch.fnmatchcase(entry['id'], g)]
            if globs and got and self.fits(rule, entry, got, text, fixed):
                self.used[i].update(globs)
                return True
        return False

    def unused(self, name):
        """Globs that no answer needed, of those that fit an entry of this file at all, and rules of this file alone none
        of whose globs was needed: a list that says more than is true is wrong."""
        ids = [e['id'] for e in json.loads((VECTORS / (name + '.json')).read_text())]
        lost = []
        for rule, used in zip(self.rules, self.used):
            idle = [g for g in rule['match'] if g not in used and any(fnmatch.fnmatchcase(i, g) for i in ids)]
            lost += [(g, rule['reason'][:80]) for g in (idle if used or len(rule['files']) > 1 else rule['match'])]
        return lost


# ---- a whole file ---------------------------------------------------------------------------------------


def make_tls(folder):
    cert, key = os.path.join(folder, 'tls.pem'), os.path.join(folder, 'tls.key')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=127.0.0.1',
                    '-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=CA:FALSE', '-keyout', key, '-out', cert],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


def eddsa_jwks(fixed):
    """The keys of the recorded administrators' set that are of kinds we take (Ed25519, P-256)."""
    keys = json.loads(fixed.value['admin-jwks.json'])['keys']
    keys = [k for k in keys if k.get('kty') == 'OKP'][:1]  # one of each: ours refuses a set with a key twice
    with open(fixed.path('admin-jwks-eddsa.json'), 'w') as f:
        json.dump({'keys': keys}, f)


# Entries that go to another pair than the recorded server's, or to several.
#   expired-session: a server whose challenges live 10 s; its /auth is sent first of all, so that little is left to wait
#   multi-*: one trusted issuer of ours has either a certificate or a JWK set; the recorded server had both
#   snp-rv/set: was registered at a KBS and copied into the store of the REST service
PAIRS = [('expired-session/*', ['hdrjwk-short']), ('multi-policy', ['multi', 'multi-jwks']), ('multi-set', ['multi', 'multi-jwks']),
         ('multi-kid*', ['multi-jwks']), ('multi-no-kid', ['multi-jwks']), ('multi-jwk-in-set-no-x5c', ['multi-jwks']),
         ('snp-rv/set', ['auth', 'as'])]


def pair_names(entry):
    return next((names for glob, names in PAIRS if fnmatch.fnmatchcase(entry['id'], glob)), [entry['server']])


def before(entry, pair, cafile, flow):
    """What the recorders did between two requests."""
    if entry['id'] == 'expired-session/auth':
        flow.begun = time.time()
    elif entry['id'] == 'expired-session/attest':
        time.sleep(max(0, flow.begun + 11.1 - time.time()))
    elif entry['id'] == 'report-data-base64url/attest':  # a digest whose two base64 forms differ, as the recorded one's did
        while not re.search('[-_]', flow.body(entry['request']['body']).split('"report_data":"')[1][:64]):
            session = lib.kbs_auth(pair.issuer.guest, cafile=cafile)
            flow.value.update(nonce=session.nonce, session=session.cookie.split('=', 1)[1])
    elif entry['id'] in ('restart/attest', 'restart/get'):
        pair.restart()
    elif entry['id'] == 'S22/secret':  # the default policy again, after those of S13 to S18
        text = (ROOT / 'policies/attestation/default_cpu.rego').read_bytes()
        administer(pair, pair.issuer, '/kbs/v0/attestation-policy', json.dumps({'policy_id': 'default_cpu', 'policy': lib.b64u(text)}), cafile)
    elif entry['id'] == 'S23/resource-policy':  # there it was put into the storage folder
        administer(pair, pair.broker, '/kbs/v0/resource/one/two/three', 'placed by hand', cafile)


def administer(pair, server, path, body, cafile):
    token = shortened(pair.fixed, pair.fixed.value['admin-token'])
    a = lib.http_call('POST', server.guest + path, body, {'Authorization': 'Bearer ' + token}, cafile)
    assert a.status == 200, a


class Replay:
    def __init__(self, args):
        self.bin_dir, self.name = os.path.abspath(args[0]), args[1]
        self.denial = int(args[args.index('--denial-status') + 1]) if '--denial-status' in args else 403
        self.only = args[args.index('--only') + 1] if '--only' in args else '*'
        self.show = '--show' in args  # one JSON line a difference that is in no list, to work with
        tls_on = '--tls' in args
        self.run = lib.Run('replay-%s%s%s' % (self.name, '-tls' if tls_on else '', '-401' if self.denial == 401 else ''))
        self.fixed = Fixed(self.run.folder())
        eddsa_jwks(self.fixed)
        self.tls = make_tls(self.fixed.folder) if tls_on else None
        self.cafile = self.tls[0] if tls_on else None
        self.listed = Differences(self.name, str(self.denial))
        self.pairs, self.flows, self.equal, self.deliberate = {}, {}, 0, 0

    def pair(self, name):
        if name not in self.pairs:
            self.pairs[name] = Pair(self.run, self.fixed, name, self.bin_dir, self.tls, self.denial)
        return self.pairs[name]

    def one(self, entry, direct):
        """Sends one entry, to each pair that it belongs to; the first answer that differs counts."""
        flow = self.flows.setdefault(entry.get('flow') or entry['id'], Flow(self.fixed, entry.get('flow') or entry['id']))
        got, d = None, None
        for name in pair_names(entry):
            pair = self.pair(name)
            before(entry, pair, self.cafile, flow)
            server = pair.address(entry['request']['path'], direct)
            got = exchange(server, request_bytes(entry, flow, pair.inject), self.cafile)
            d = difference(entry, self.fixed, got)
            if d:
                break
        what = '%s (%s %s)' % (entry['id'], entry['request']['method'], entry['request']['path'][:60])
        if got:
            flow.learn(entry['response'], *got)
            wrong = malformed(entry, got, bool(self.tls))
            if wrong:
                self.run.check(what + ' is well formed', False, wrong)
        if d is None:
            self.equal += 1
        elif self.listed.covers(entry, got, d, self.fixed):
            self.deliberate += 1
        elif self.show:
            request, want = entry['request'], entry['response']
            print(json.dumps([entry['id'], entry['server'], request['method'], request['path'][:80], want['status'],
                              got[0] if got else None, d, str(want['body'])[:300],
                              got[2].decode('utf-8', 'replace')[:300] if got else None, str(request['body'])[:400],
                              entry.get('what'), entry.get('note')]), flush=True)
        else:
            self.run.check(what, False, d[:300])

    def all(self):
        entries = json.loads((VECTORS / (self.name + '.json')).read_text())
        entries.sort(key=lambda e: e['id'] != 'expired-session/auth')
        complete = self.only == '*'
        by_cookie = {e['flow'] for e in entries if e.get('flow') and e['request']['path'].startswith('/kbs/v0/resource/')
                     and e['request']['method'] == 'GET'}
        try:
            for entry in entries:
                if fnmatch.fnmatchcase(entry['id'], self.only):
                    self.one(entry, entry.get('flow') not in by_cookie)
        except Exception as failure:  # a server that is not there, or a mistake here: a failed check, and the servers end
            complete = self.run.check('the whole file is replayed', False, repr(failure))
        finally:
            if complete:
                for glob, reason in self.listed.unused(self.name):
                    self.run.check('the listed difference %s occurs' % glob, False, reason)
            print('%s: %d entries equal the recording, %d are deliberate differences'
                  % (self.run.name, self.equal, self.deliberate), flush=True)
            self.run.passed += self.equal + self.deliberate
            self.run.finish()


if __name__ == '__main__':
    Replay(sys.argv[1:]).all()
