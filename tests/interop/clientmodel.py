"""What the stock clients do with an answer: kbs-client, the Attestation Agent and the Confidential Data Hub, modelled
after spec/clients.md. tests/interop/clients.py first runs the model on the recorded experiments with scripted answers,
where it must end as the real client did, and then against our servers.

A model speaks through `send(step) -> (status, headers, body)`; step is "auth", "attest", "get" or "config", and the
model's `nonce`, `token` and `jar` hold what the next request needs."""
import base64
import json
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import replay

HASHES = ('sha256', 'sha384', 'sha512', 'sm3')


class Failed(Exception):
    """The client gives up, or the handshake does; the text is what its user would see."""


def strict_b64u(text):
    """base64url without padding, as the clients' decoder takes it."""
    if not isinstance(text, str) or not re.fullmatch(r'[A-Za-z0-9_-]*', text) or len(text) % 4 == 1:
        raise Failed('not base64url without padding: %r' % str(text)[:40])
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def parsed(body, what):
    try:
        value = json.loads(body)
    except ValueError:
        raise Failed('%s is not JSON: %r' % (what, body[:60])) from None
    if not isinstance(value, dict):
        raise Failed('%s is no object' % what)
    return value


def error_text(body):
    """ErrorInformation: both members, strings."""
    error = parsed(body, 'error body')
    if not isinstance(error.get('type'), str) or not isinstance(error.get('detail'), str):
        raise Failed('error body without type and detail: %r' % body[:80])
    return '%s: %s' % (error['type'].rsplit('/', 1)[-1], error['detail'])


class Jar:
    """The cookie store: any name, Path and Domain respected, Max-Age before Expires, Secure on https or loopback."""

    def __init__(self, host='127.0.0.1', secure=False):
        self.host, self.secure, self.cookies = host, secure, {}

    def take(self, headers, path):
        for name, value in headers:
            if name.lower() != 'set-cookie':
                continue
            pair, *attributes = [part.strip() for part in value.split(';')]
            key, _, content = pair.partition('=')
            at = {a.partition('=')[0].lower(): a.partition('=')[2] for a in attributes}
            if at.get('domain', self.host).lstrip('.') != self.host:
                continue
            scope = at['path'] if at.get('path', '').startswith('/') else path.rsplit('/', 1)[0] or '/'
            gone = int(at['max-age']) <= 0 if 'max-age' in at else '1970' in at.get('expires', '')
            if gone:
                self.cookies.pop(key, None)
            else:
                self.cookies[key] = (content, scope, 'secure' in at)

    def header(self, path):
        """The Cookie header for a path, or None."""
        fitting = ['%s=%s' % (k, c) for k, (c, scope, secure) in self.cookies.items()
                   if path == scope or path.startswith(scope.rstrip('/') + '/')
                   if not secure or self.secure or self.host == '127.0.0.1']
        return '; '.join(fitting) or None


def check_challenge(body):
    """The nonce; raises what would abort the handshake."""
    challenge = parsed(body, 'challenge')
    if not isinstance(challenge.get('nonce'), str) or 'extra-params' not in challenge:
        raise Failed('challenge without nonce or extra-params')
    extra = challenge['extra-params']
    if isinstance(extra, dict) and 'selected-hash-algorithm' in extra:
        name = extra['selected-hash-algorithm']
        if not isinstance(name, str) or name.lower() not in HASHES:
            raise Failed('selected-hash-algorithm %r' % (name,))
    return challenge['nonce']


def check_token(token):
    """Claims as the clients read them."""
    if not isinstance(token, str) or token.count('.') != 2:
        raise Failed('no compact token')
    claims = parsed(strict_b64u(token.split('.')[1]), 'token payload')
    for name in ('exp', 'nbf', 'iat'):
        if name in claims and (isinstance(claims[name], bool) or not isinstance(claims[name], (int, float))):
            raise Failed('%s is no number' % name)
    for name in ('iss', 'sub', 'jti', 'nonce'):
        if name in claims and not isinstance(claims[name], str):
            raise Failed('%s is no string' % name)
    aud = claims.get('aud', '')
    if not isinstance(aud, str) and not (isinstance(aud, list) and all(isinstance(a, str) for a in aud)):
        raise Failed('aud is neither a string nor strings')
    return claims


def open_jwe(keys, body):
    """Opens a resource answer: the header is parsed, written again and that is the associated data."""
    answer = parsed(body, 'resource answer')
    part = {}
    for name in ('protected', 'encrypted_key', 'iv', 'ciphertext', 'tag'):
        if name not in answer:
            raise Failed('resource answer without %s' % name)
        part[name] = strict_b64u(answer[name])
    if 'aad' in answer and not isinstance(answer['aad'], str):
        raise Failed('aad is no string')
    head = parsed(part['protected'], 'protected header')
    ordered = {'alg': head.get('alg'), 'enc': head.get('enc')}
    for name in sorted(set(head) - {'alg', 'enc'}):
        ordered[name] = dict(sorted(head[name].items())) if isinstance(head[name], dict) else head[name]
    again = base64.urlsafe_b64encode(json.dumps(ordered, separators=(',', ':')).encode()).rstrip(b'=')
    if len(part['iv']) != 12 or len(part['tag']) != 16:
        raise Failed('iv or tag of another length')
    for key in keys:
        cek = replay.content_key(key, head, part['encrypted_key'])
        if cek:
            try:
                return AESGCM(cek).decrypt(part['iv'], part['ciphertext'] + part['tag'], again)
            except InvalidTag:
                raise Failed('the resource does not decrypt') from None
    raise Failed('the resource is not for this key')


class Client:
    """One process of kbs-client, or AA and CDH together."""

    def __init__(self, send, keys, secure=False, quiet=False):
        self.send, self.keys, self.quiet = send, keys, quiet
        self.jar, self.nonce, self.token, self.requests = Jar(secure=secure), None, None, 0

    def ask(self, step, path=None):
        self.requests += 1
        status, headers, body = self.send(self, step)
        if any(k.lower() == 'content-encoding' for k, _ in headers):
            body = b'\x1f\x8b compressed bytes are no JSON'
        self.jar.take(headers, path or '/kbs/v0/' + step)
        return status, body

    def handshake(self):
        status, body = self.ask('auth')
        if status != 200:
            raise Failed(error_text(body) if status == 401 else 'auth: %d %r' % (status, body[:80]))
        self.nonce = check_challenge(body)
        status, body = self.ask('attest')
        if status != 200:
            raise Failed(error_text(body) if status == 401 else 'attest: %d %r' % (status, body[:80]))
        token = parsed(body, 'attest answer').get('token')
        check_token(token)
        self.token = token
        return token

    def attest(self):
        """kbs-client attest, AA's GetToken: five handshakes, then the last failure."""
        for left in range(4, -1, -1):
            try:
                return self.handshake()
            except Failed:
                if left == 0:
                    raise

    def resource(self, renew):
        """Three GETs; after each 401 `renew` gets a new session or token, and its failure ends the command."""
        for _ in range(3):
            status, body = self.ask('get')
            if status == 200:
                return open_jwe(self.keys, body)
            text = '' if status == 401 and self.quiet else error_text(body)
            if status != 401:
                raise Failed('%d %s' % (status, text))
            renew()
        raise Failed('request unauthorized')

    def other_token(self):
        """kbs-client with a token file has no other: it goes on with a built-in token and a new key, which fit nothing."""
        self.keys = []

    def config(self):
        """An administrator's command: exactly 200 is success."""
        status, body = self.ask('config')
        if status != 200:
            raise Failed('%d %s' % (status, body.decode('utf-8', 'replace')))
        return body
