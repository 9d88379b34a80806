#!/usr/bin/python3
"""Unmodified clients against our servers: the recorded requests of kbs-client, the Attestation Agent and the
Confidential Data Hub, driven by a model of what these programs do with the answers (clientmodel.py).

usage: clients.py BIN_DIR [--tls]

1. The model is held against the 84 recorded runs of kbs-client with scripted answers: same end, same number of requests.
2. kbs-client's other 86 runs and every transcript of the guest programs are played against our servers, in two
   topologies: one URL (the broker relays /auth and /attest) and two (issuer and broker, passport model). A client
   must get as far as it got with the recorded server, to the same secret, with no more requests; where it gets further
   or stops sooner, that is in the tables below.
"""
import base64
import json
import os
import re
import socket
import ssl
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import clientmodel  # noqa: E402
import lib  # noqa: E402
import replay  # noqa: E402
from clientmodel import Client, Failed  # noqa: E402
from jwcrypto import jwk  # noqa: E402

GUEST = replay.ROOT / 'tests/vectors/guest-wire'
GUEST_FILES = ('aa-token', 'aa-coco-as', 'cdh-resource', 'cdh-resource-errors', 'cdh-secrets')

# Runs that end otherwise than recorded, deliberately: id, whether it succeeds here, why.
OTHERWISE = [
    ('set-resource-url-slash', True, 'a leading //kbs/v0/ loses one slash'),
    ('set-resource-leading-slash', True, '/kbs/v0/resource// loses one slash'),
    ('get-path-leading-slash', True, '/kbs/v0/resource// loses one slash'),
    ('set-resource-no-token-open', False, 'there is no mode that lets everybody administer'),
]


# ---- a connection like the clients' ---------------------------------------------------------------------


class Connection:
    """Kept open from request to request; a server that drops it without having said so breaks real guests."""

    def __init__(self, server, cafile):
        self.server, self.cafile, self.socket, self.closing = server, cafile, None, False

    def open(self):
        self.socket = socket.create_connection(('127.0.0.1', self.server.guest_port), timeout=30)
        if self.cafile:
            context = ssl.create_default_context(cafile=self.cafile)
            self.socket = context.wrap_socket(self.socket, server_hostname='127.0.0.1')

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def exchange(self, data):
        if self.closing:
            self.close()
        if not self.socket:
            self.open()
        self.socket.sendall(data)
        got = b''
        while True:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise Failed('the connection was dropped without an answer')
            got += piece
            head, sep, body = got.partition(b'\r\n\r\n')
            m = re.search(rb'(?i)\r\ncontent-length: *(\d+)', head)
            if sep and not m:
                raise Failed('an answer without Content-Length')
            if sep and len(body) >= int(m[1]):
                break
        lines = head.decode('latin-1').split('\r\n')
        headers = [tuple(p.strip() for p in line.split(':', 1)) for line in lines[1:]]
        self.closing = any(k.lower() == 'connection' and v.lower() == 'close' for k, v in headers)
        return int(lines[0].split()[1]), headers, body


def wire(method, target, headers, body, cookie):
    """The request's bytes: recorded headers with the length of this body and the jar's cookie."""
    lines = ['%s %s HTTP/1.1' % (method, target)]
    for name, value in headers:
        if name == 'cookie':
            continue
        lines.append('%s: %s' % (name, str(len(body)) if name == 'content-length' else value))
    if cookie:
        lines.append('cookie: ' + cookie)
    return '\r\n'.join(lines).encode() + b'\r\n\r\n' + body


def step_of(method, path):
    bare = re.sub(r'^//', '/', path).split('?')[0]
    if bare.endswith('/kbs/v0/auth'):
        return 'auth'
    if bare.endswith('/kbs/v0/attest'):
        return 'attest'
    return 'get' if method == 'GET' and not re.match(r'/kbs/v0/(reference-value|resource-policy)', bare) else 'config'


# ---- kbs-client -----------------------------------------------------------------------------------------


class KbsClientRun:
    """One recorded command: its requests as templates, and what its user saw."""

    def __init__(self, run, fixed):
        self.run, self.id, self.fixed, self.exchanges = run, run['id'], fixed, run['exchanges']
        self.arguments = run['client']['arguments']
        self.succeeded = run['client']['exit_status'] == 0
        self.quiet = run['client'].get('environment', {}).get('RUST_LOG') == 'off'
        name = self.arguments[self.arguments.index('--tee-key-file') + 1] if '--tee-key-file' in self.arguments else None
        self.key = (jwk.JWK.from_pem(fixed.value[os.path.basename(name)].encode()) if name
                    else jwk.JWK.generate(kty='EC', crv='P-256'))
        self.flow = replay.Flow(fixed, self.id)

    def template(self, step, count):
        """The recorded request for the count-th step of a kind; the last one again when the recording has no more."""
        fitting = [x for x in self.exchanges if step_of(x['request']['method'], x['request']['path']) == step]
        return fitting[min(count, len(fitting) - 1)]['request'] if fitting else None

    def bytes(self, client, step, count, token=None):
        request = self.template(step, count)
        if request is None:
            raise Failed('the recording has no %s request' % step)
        body = request['body']
        self.flow.value['nonce'] = client.nonce or ''
        if isinstance(body, dict):
            body = base64.b64decode(body['base64'])
        elif isinstance(body, str):
            public = json.loads(self.key.export_public())
            body = re.sub(r'<tee-pubkey\.(\w+):[^>]*>', lambda m: public[m[1]], body)
            body = self.flow.body(body).encode()
        headers = [(k, '127.0.0.1' if k == 'host' else replay.shortened(self.fixed, self.flow.simple(v))) for k, v in request['headers']]
        if token:
            headers = [('authorization', 'Bearer ' + token)] + headers
        cookie = client.jar.header(request['path'].split('?')[0])
        if any(k == 'cookie' for k, _ in headers) and not cookie and not token:
            raise Failed('the cookie of /auth does not come back on %s' % request['path'])
        return wire(request['method'], request['path'], headers, body or b'', None if token else cookie)

    def perform(self, client):
        """What the command does; its output, or Failed."""
        if self.arguments[0] == 'config':
            return client.config()
        if self.arguments[0] == 'attest':
            return client.attest()
        if '--attestation-token' in self.arguments:
            return client.resource(client.other_token)
        return client.resource(client.handshake)


class Scripted:
    """The recorded answers in their order, for the model's own test."""

    def __init__(self, record):
        self.record, self.at = record, 0

    FLAWS = {'token-nonce-array': {'nonce': ['x']}, 'token-aud-array': {'aud': ['a', 'b']}, 'token-exp-float': {'exp': 1.5e9},
             'token-exp-string': {'exp': '1'}, 'token-iss-number': {'iss': 1}}

    def token(self):
        name = self.record['id'].replace('scripted-attest-', '')
        payload = lib.b64u(json.dumps({'iss': 'x', **self.FLAWS.get(name, {})}).encode())
        return 'e30.%s.AA' % (payload + '=' if name == 'token-padded' else payload)

    def send(self, client, step):
        response = self.record['exchanges'][self.at]['response']
        self.at += 1
        if response['status'] in (301, 302, 307, 308):  # the library follows
            return self.send(client, step)
        body = response['body']
        if isinstance(body, dict):
            return response['status'], response['headers'], base64.b64decode(body['base64'])
        return response['status'], response['headers'], re.sub(r'<token:[^>]*>', self.token(), body or '').encode()


def model_test(run, runs, fixed):
    """The model against the recorded experiments."""
    for record in runs:
        command, script = KbsClientRun(record, fixed), Scripted(record)
        client = Client(script.send, [command.key], quiet=command.quiet)
        try:
            output, why = command.perform(client), ''
        except Failed as failure:
            output, why = None, str(failure)
        except IndexError:
            output, why = None, 'the model asks more than the client did'
        run.check('model: %s ends as the client' % command.id, (output is not None) == command.succeeded, why)
        run.equal('model: %s asks as often' % command.id, script.at, len(record['exchanges']))
        if isinstance(output, bytes) and command.succeeded and command.arguments[0] == 'get-resource':
            run.equal('model: %s reads the secret' % command.id, lib.b64(output), record['client']['stdout'].strip())
    print('model: %d recorded experiments with scripted answers' % len(runs))


class KbsClients:
    """kbs-client's runs against a pair."""

    def __init__(self, test, fixed, bin_dir, tls, passport):
        self.test, self.fixed, self.bin_dir, self.tls, self.passport = test, fixed, bin_dir, tls, passport
        self.cafile, self.pairs, self.played, self.local = tls[0] if tls else None, {}, 0, 0
        self.where = 'issuer and broker' if passport else 'one URL'

    def pair(self, name):
        if name not in self.pairs:
            full = name + ('-passport' if self.passport else '-one-url')
            self.pairs[name] = replay.Pair(self.test, self.fixed, full, self.bin_dir, self.tls, 403)
        return self.pairs[name]

    def client(self, command, pair, token=None):
        """A model client of one command: one HTTP client, so one connection a server and one jar."""
        connections, counts = {}, {}

        def send(client, step):
            request = command.template(step, 0) or {'path': '/'}
            server = pair.address(request['path'], self.passport)
            if server not in connections:
                connections[server] = Connection(server, self.cafile)
            count = counts[step] = counts.get(step, -1) + 1
            data = command.bytes(client, step, count, token if step == 'get' else None)
            got = connections[server].exchange(data)
            self.well_formed(command, step, got)
            return got
        return Client(send, [command.key], secure=bool(self.tls), quiet=command.quiet), connections

    def well_formed(self, command, step, got):
        """What our servers promise beyond what the clients insist on."""
        status, headers, body = got
        name = '%s: %s %s' % (self.where, command.id, step)
        if step == 'auth' and status == 200:
            challenge = json.loads(body)
            self.test.check(name + ' has a nonce of 44 characters', re.fullmatch(r'[A-Za-z0-9+/]{43}=', challenge['nonce']), body)
            self.test.equal(name + ' has empty extra-params', challenge['extra-params'], '')
        if status != 200 and (command.template(step, 0) or {'path': ''})['path'].startswith(('/kbs', '//kbs')):
            try:
                clientmodel.error_text(body)
            except Failed as failure:
                self.test.check(name + ' says why', False, str(failure))

    def all(self, runs):
        for record in runs:
            command = KbsClientRun(record, self.fixed)
            pair = self.pair('auth' if record['server'] == 'open' else record['server'])
            wanted = next((ok for i, ok, _ in OTHERWISE if i == command.id), command.succeeded)
            if not record['exchanges']:
                self.local += 1  # ended before any request
            elif self.passport and command.arguments[0] == 'get-resource' and '--attestation-token' not in command.arguments:
                self.played += 1  # the same resource in the passport model: attest at the issuer, get with that token
                token = self.play(command, pair, Client.attest, 2, True)
                if token:
                    self.play(command, pair, lambda c: c.resource(c.other_token), len(record['exchanges']), wanted, token)
            else:
                self.played += 1
                self.play(command, pair, command.perform, len(record['exchanges']), wanted)
        if self.passport:
            self.no_relay()
        print('kbs-client, %s: %d runs played, %d recorded without a request' % (self.where, self.played, self.local), flush=True)

    def play(self, command, pair, perform, most, wanted, token=None):
        """One command; the token of its last handshake. `most`: requests of the recorded run."""
        client, connections = self.client(command, pair, token)
        try:
            output, why = perform(client), ''
        except (Failed, OSError) as failure:
            output, why = None, str(failure)
        for connection in connections.values():
            connection.close()
        name = '%s: %s' % (self.where, command.id)
        self.test.check(name + (' succeeds' if wanted else ' is refused'), (output is not None) == wanted, why)
        self.test.check(name + ' needs no more requests', client.requests <= most, '%d, recorded %d' % (client.requests, most))
        shown = command.run['client']['stdout'].strip()
        if isinstance(output, bytes) and command.succeeded and command.arguments[0] == 'get-resource':
            self.test.equal(name + ' reads the secret', lib.b64(output), shown)
        elif output is not None and 'get-reference-value' in command.arguments:
            self.test.check(name + ' shows the value', json.dumps(output.decode()) in shown, '%r in %r' % (output, shown))
        return client.token

    def no_relay(self):
        """A broker of its own attests nobody: 404 with a body that clients can read, as a resource-only KBS."""
        broker = self.pair('auth').broker
        for path in ('/kbs/v0/auth', '/kbs/v0/attest'):
            a = lib.http_call('POST', broker.guest + path, '{}', {'Content-Type': 'application/json', 'Cookie': 'kbs-session-id=x'}, self.cafile)
            self.test.equal('%s at a broker without relay' % path, (a.status, lib.error_type(a)), (404, 'PluginNotFound'))


# ---- the guest programs ---------------------------------------------------------------------------------


class GuestRun:
    """One scenario of the Attestation Agent (GetToken) and the Confidential Data Hub (one token and one GET a secret)."""

    def __init__(self, scenario, test, pair, as_pair, cafile, passport):
        self.scenario, self.id, self.vars = scenario, scenario['id'], scenario['vars']
        self.test, self.pair, self.as_pair, self.cafile, self.passport = test, pair, as_pair, cafile, passport
        self.name = '%s: %s' % ('issuer and broker' if passport else 'one URL', self.id)
        exchanges = scenario['exchanges']
        self.step = {kind: [x for x in exchanges if step_of(x['request']['method'], x['request']['target']) == kind]
                     for kind in ('auth', 'attest', 'get', 'config')}
        self.handshakes = self.requests = 0

    def fill(self, text, client):
        """Placeholders of the current handshake."""
        n = self.handshakes
        text = text.replace('{{NONCE_%d}}' % n, client.nonce or '').replace('{{TOKEN_%d}}' % n, client.token or '')
        text = re.sub(r'\{\{(TEE_[A-Z]+_\d+)\}\}', lambda m: self.vars[m[1]], text)
        text = re.sub(r'\{\{[A-Z]+_HOST\}\}', '127.0.0.1', text)
        if 'REPORT_DATA' in text:
            value = json.loads(text)
            key = replay.known_members(value['runtime-data']['tee-pubkey'])
            device = lib.b64(lib.report_data(client.nonce, key))
            text = text.replace('{{DEVICE_REPORT_DATA_%d}}' % n, device)
            extra = json.loads(text)['tee-evidence']['additional_evidence']
            text = text.replace('{{REPORT_DATA_%d}}' % n, lib.b64(lib.report_data(client.nonce, key, extra)))
        return text

    def server(self, step):
        if step == 'config':
            return self.as_pair.issuer
        return self.pair.issuer if self.passport and step in ('auth', 'attest') else self.pair.broker

    def send(self, connections, template, client, step):
        request = template['request']
        body = self.fill(request['body'] or '', client).encode()
        headers = [(k, self.fill(v, client)) for k, v in request['headers'] if k != 'cookie']
        cookie = client.jar.header(request['target'].split('?')[0])
        if any(k == 'cookie' for k, _ in request['headers']) and not cookie:
            raise Failed('the cookie of /auth does not come back on %s' % request['target'])
        connection = connections.setdefault(step == 'get', Connection(self.server(step), self.cafile))
        self.requests += 1
        status, headers, body = connection.exchange(wire(request['method'], request['target'], headers, body, cookie))
        if status != 200 and step != 'config':
            clientmodel.error_text(body)
        return status, headers, body

    def get_token(self):
        """AA: a new HTTP client and a new TEE key each time; up to five handshakes."""
        connections = {}

        def send(client, step):
            if step == 'auth':
                self.handshakes += 1
            if self.handshakes > len(self.step[step]):
                raise Failed('more handshakes than recorded')
            return self.send(connections, self.step[step][self.handshakes - 1], client, step)
        client = Client(send, [], secure=bool(self.cafile))
        try:
            return client.attest()
        finally:
            for connection in connections.values():
                connection.close()

    def secret(self, template):
        """CDH: a token from AA, then GET; after a 401 again, three times at most."""
        connections = {}
        client = Client(lambda client, step: self.send(connections, template, client, step), [], secure=bool(self.cafile))

        def renew():
            client.token = self.get_token()
            pem = self.scenario['tee_keys'].get('TEE_KEY_%d' % self.handshakes)
            client.keys = [jwk.JWK.from_pem(pem.encode())] if pem else []
        try:
            renew()
            return client.resource(renew)
        finally:
            for connection in connections.values():
                connection.close()

    def reads(self):
        """The secrets that CDH asks for, in order, each once, with how often the recorded program tries again."""
        reads = []
        for x in self.step['get']:
            if not reads or x['request']['target'] != reads[-1]['request']['target'] or reads[-1]['response']['status'] == 200:
                reads.append(x)
        return reads

    def play(self):
        """Plays it; the checks."""
        if self.step['config']:
            self.attestation_service()
        elif not self.step['get']:
            for _ in self.step['attest']:
                self.test.check(self.name + ' gets a token', self.got(self.get_token))
        tries = 4 if self.id.endswith('default-retry') else 1
        for template in self.reads():
            good, output = template['response']['status'] == 200, None
            for _ in range(1 if good else tries):
                output = self.got(lambda: self.secret(template))
            if good:
                self.test.equal(self.name + ' reads ' + template['request']['target'], output and lib.b64(output[0]), template['plaintext_b64'])
            else:
                self.test.check(self.name + ' is refused', output is None, output)
        self.test.check(self.name + ' needs no more requests', self.requests <= len(self.scenario['exchanges']),
                        '%d, recorded %d' % (self.requests, len(self.scenario['exchanges'])))

    def got(self, act):
        """[what it gave], or None when the client gave up."""
        try:
            return [act()]
        except (Failed, OSError) as failure:
            self.why = str(failure)
            return None

    def attestation_service(self):
        """AA's coco_as: one POST, any 200 body is the token."""
        template, client = self.step['config'][0], Client(None, [])
        status, _, body = self.send({}, template, client, 'config')
        wanted = template['response']['status'] == 200
        self.test.check(self.name + (' gets a token' if wanted else ' is refused'), (status == 200) == wanted, (status, body[:80]))
        if status == 200:
            claims = clientmodel.check_token(body.decode())
            self.test.check(self.name + ': the token says that nothing is fresh', claims['vidimus']['freshness'] == 'none', claims)


def guests(test, fixed, bin_dir, tls, passport):
    pair = replay.Pair(test, fixed, 'auth-passport' if passport else 'auth-guests', bin_dir, tls, 403)
    as_pair = replay.Pair(test, fixed, 'as-signed', bin_dir, tls, 403)
    cafile, played = tls[0] if tls else None, 0
    scenarios = [s for name in GUEST_FILES for s in json.loads((GUEST / (name + '.json')).read_text())['scenarios']]
    for scenario in scenarios:
        for x in scenario['exchanges']:
            if 'plaintext_b64' in x:
                path = x['request']['target'].split('?')[0]
                replay.administer(pair, pair.broker, path, base64.b64decode(x['plaintext_b64']), cafile)
    for scenario in scenarios:
        rego = 'package policy\ndefault allow = %s\n' % ('false' if 'denied' in scenario['id'] else 'true')
        replay.administer(pair, pair.broker, '/kbs/v0/resource-policy', json.dumps({'policy': lib.b64u(rego.encode())}), cafile)
        if scenario['exchanges']:
            GuestRun(scenario, test, pair, as_pair, cafile, passport).play()
            played += 1
    print('guest programs, %s: %d scenarios played, %d recorded without a request'
          % ('issuer and broker' if passport else 'one URL', played, len(scenarios) - played), flush=True)


def main():
    bin_dir = os.path.abspath(sys.argv[1])
    tls_on = '--tls' in sys.argv
    test = lib.Run('clients%s' % ('-tls' if tls_on else ''))
    fixed = replay.Fixed(test.folder())
    replay.eddsa_jwks(fixed)
    tls = replay.make_tls(fixed.folder) if tls_on else None
    runs = json.loads((replay.VECTORS / 'client-requests.json').read_text())
    scripted = [r for r in runs if r['server'] == 'scripted']
    try:
        model_test(test, scripted, fixed)
        for passport in (False, True):
            KbsClients(test, fixed, bin_dir, tls, passport).all([r for r in runs if r['server'] != 'scripted'])
            guests(test, fixed, bin_dir, tls, passport)
    except Exception as failure:  # the servers must end whatever happens
        test.check('every run is played', False, repr(failure))
    test.finish()


if __name__ == '__main__':
    main()
