"""Helpers of the end-to-end tests: start the real programs, speak to them over real sockets, make tokens
of administrators, TEE keys and sample evidence. Standard library and jwcrypto only (/usr/bin/python3).

    issuer = Server("issuer", workdir, bin_dir(), config_text)   # init, serve, waits until it is ready
    answer = http("POST", issuer.guest + "/kbs/v0/auth", body)   # -> Answer(status, headers, body)
    token, answer = attest_sample(issuer.guest)                  # /auth + /attest
"""
import base64
import glob
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

from jwcrypto import jwe, jwk, jws

ERROR_PREFIX = "https://github.com/confidential-containers/kbs/errors/"
HASHES = ["sha256", "sha384", "sha512", "sm3"]


def bin_dir():
    """Folder of the programs: first argument, else VD_BIN_DIR."""
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("VD_BIN_DIR")
    if not path:
        sys.exit("usage: %s BIN_DIR (or VD_BIN_DIR)" % sys.argv[0])
    return os.path.abspath(path)


def work_dir(name):
    """A fresh folder for one test; kept when the test fails and VD_KEEP is set."""
    return tempfile.mkdtemp(prefix="vd-%s-" % name)


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64(data):
    return base64.b64encode(data).decode()


def free_port():
    """Below the range of outgoing connections, so that a restart of a server finds its port free again."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


# ---- HTTP ------------------------------------------------------------------------------------------


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        """First value of a header, or None."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)

    def cookie(self):
        """kbs-session-id as "name=value", or None."""
        for value in self.all("set-cookie"):
            if value.startswith("kbs-session-id="):
                return value.split(";")[0]
        return None

    def __repr__(self):
        return "%s %r" % (self.status, self.body[:300])


def http_call(method, url, body=None, headers=None, cafile=None, timeout=60, raw_target=None):
    """One request on a connection of its own. body: bytes, str or a JSON value. `raw_target` is sent as it
    stands instead of the URL's path."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=cafile)
        conn = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    else:
        conn = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body, separators=(",", ":"))
    if isinstance(body, str):
        body = body.encode()
    target = raw_target or (parts.path or "/") + ("?" + parts.query if parts.query else "")
    try:
        conn.putrequest(method, target, skip_accept_encoding=True)
        for key, value in (headers or {}).items():
            conn.putheader(key, value)
        if body is not None:
            conn.putheader("Content-Length", str(len(body)))
        conn.endheaders(body)
        r = conn.getresponse()
        return Answer(r.status, r.getheaders(), r.read())
    finally:
        conn.close()


def raw_call(address, data, timeout=10, pause=None):
    """Sends bytes as they are ("host", port) and returns all that comes until the server closes, or until
    the answer to a Content-Length is complete. `pause`: seconds between two halves."""
    with socket.create_connection(address, timeout=timeout) as s:
        if pause:
            s.sendall(data[: len(data) // 2])
            time.sleep(pause)
            s.sendall(data[len(data) // 2 :])
        else:
            s.sendall(data)
        got = b""
        while True:
            try:
                piece = s.recv(65536)
            except (socket.timeout, ConnectionResetError):
                break
            if not piece:
                break
            got += piece
            head, sep, rest = got.partition(b"\r\n\r\n")
            if sep:
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:") and len(rest) >= int(line.split(b":")[1]):
                        return got
        return got


# ---- programs --------------------------------------------------------------------------------------


class Server:
    """One vidimus-issuer or vidimus-broker: its folder, configuration, process and addresses.

    `config` is TOML text without [guest]/[admin] listen, [root_key], [store], [audit] (they are added below);
    `guest`, `admin` add lines to those tables: admin='[[admin.identity]] ...' goes into `config` instead."""

    def __init__(self, program, folder, bin_folder, config="", guest="", admin="", tls=None, args=(), start=True,
                 env=None, init=True):
        self.program, self.folder = program, os.path.abspath(folder)
        self.binary = os.path.join(bin_folder, "vidimus-" + program)
        self.args, self.env, self.tls, self.process = list(args), env, tls, None
        os.makedirs(self.folder, exist_ok=True)
        self.guest_port, self.admin_port = free_port(), free_port()
        self.config_path = os.path.join(self.folder, program + ".toml")
        self.ready = os.path.join(self.folder, "ready")
        self.log_path = os.path.join(self.folder, program + ".log")
        scheme = "https" if tls else "http"
        self.guest = "%s://127.0.0.1:%d" % (scheme, self.guest_port)
        self.admin = "%s://127.0.0.1:%d" % (scheme, self.admin_port)
        self.write_config(config, guest, admin)
        if init:
            self.verb("init", check=True)
        if start:
            self.start()

    def write_config(self, config, guest="", admin=""):
        secure = 'tls_cert = "%s"\ntls_key = "%s"\n' % self.tls if self.tls else "insecure_http = true\n"
        f = self.folder
        text = (
            '[guest]\nlisten = "127.0.0.1:%d"\n%s%s\n[admin]\nlisten = "127.0.0.1:%d"\n%s%s\n'
            '[root_key]\nfile = "%s/root.key"\n[store]\npath = "%s/store.sqlite"\n[audit]\npath = "%s/audit.log"\n%s\n'
            % (self.guest_port, secure, guest, self.admin_port, secure, admin, f, f, f, config)
        )
        with open(self.config_path, "w") as out:
            out.write(text)
        return text

    def verb(self, name, *args, check=False, timeout=60):
        done = subprocess.run([self.binary, name, "--config", self.config_path, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=self.env, timeout=timeout)
        if check and done.returncode != 0:
            raise RuntimeError("%s %s: %d\n%s" % (self.binary, name, done.returncode, done.stdout.decode()))
        return done.returncode, done.stdout.decode()

    def start(self, timeout=30):
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", self.config_path, "--ready-file", self.ready, *self.args],
            stdout=log, stderr=log, env=self.env)
        log.close()
        end = time.time() + timeout
        while not os.path.exists(self.ready):
            if self.process.poll() is not None:
                raise RuntimeError("%s ended with %d\n%s" % (self.binary, self.process.returncode, self.log()))
            if time.time() > end:
                self.kill()
                raise RuntimeError("%s is not ready after %d s\n%s" % (self.binary, timeout, self.log()))
            time.sleep(0.01)
        return self

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()[-20000:]

    def stop(self, timeout=20):
        """SIGTERM, waits; the exit status."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        status, self.process = self.process.returncode, None
        return status

    def kill(self):
        """kill -9."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def audit(self):
        """Records of the audit record in their order, whatever number of files it has been continued in."""
        record = os.path.join(self.folder, "audit.log")
        lines = []
        for path in glob.glob(record + "*"):
            if path == record or path[len(record) + 1:].isdigit():
                with open(path) as f:
                    lines += [json.loads(line) for line in f if line.strip()]
        return sorted(lines, key=lambda r: r["seq"])


class Run:
    """A test program: named checks, a summary, a nonzero exit when one failed, and servers that always end."""

    def __init__(self, name):
        self.name, self.failed, self.passed, self.servers, self.folders = name, [], 0, [], []

    def folder(self):
        path = work_dir(self.name)
        self.folders.append(path)
        return path

    def server(self, *args, **kw):
        s = Server(*args, **kw)
        self.servers.append(s)
        return s

    def check(self, what, ok, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed.append(what)
            print("FAILED: %s  %s" % (what, detail), flush=True)
        return ok

    def equal(self, what, got, want):
        return self.check(what, got == want, "got %r, wanted %r" % (got, want))

    def finish(self):
        for s in self.servers:
            status = s.stop()
            if status not in (0, None):
                self.failed.append("%s ends with status 0" % s.program)
                print("FAILED: %s ended with %s\n%s" % (s.program, status, s.log()), flush=True)
        if self.failed and os.environ.get("VD_KEEP"):
            print("kept: " + " ".join(self.folders))
        else:
            for path in self.folders:
                shutil.rmtree(path, ignore_errors=True)
        print("%d checks passed, %d failed (%s)" % (self.passed, len(self.failed), self.name))
        sys.exit(1 if self.failed else 0)


# ---- administrators --------------------------------------------------------------------------------


class Identity:
    """A key pair of an administrator and the tokens it signs."""

    def __init__(self, folder, name="admin", alg="EdDSA"):
        self.name, self.alg = name, alg
        self.key = (jwk.JWK.generate(kty="OKP", crv="Ed25519") if alg == "EdDSA"
                    else jwk.JWK.generate(kty="EC", crv="P-256"))
        self.public_file = os.path.join(folder, name + "-public.pem")
        self.private_file = os.path.join(folder, name + "-private.pem")
        with open(self.public_file, "wb") as f:
            f.write(self.key.export_to_pem())
        with open(os.open(self.private_file, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
            f.write(self.key.export_to_pem(private_key=True, password=None))

    def token(self, role="admin", audience="vidimus", life=300, now=None, **claims):
        now = int(time.time()) if now is None else now
        payload = {"iat": now, "exp": now + life}
        if role is not None:
            payload["role"] = role
        if audience is not None:
            payload["aud"] = audience
        payload.update(claims)
        t = jws.JWS(json.dumps(payload))
        t.add_signature(self.key, protected=json.dumps({"alg": self.alg, "typ": "JWT"}))
        return t.serialize(compact=True)

    def bearer(self, **kw):
        return {"Authorization": "Bearer " + self.token(**kw)}

    def config(self, roles, audience="vidimus", default_role=None):
        """The [[admin.identity]] table."""
        text = '[[admin.identity]]\nname = "%s"\npublic_key_file = "%s"\nroles = %s\n' % (
            self.name, self.public_file, json.dumps(roles))
        if audience is not None:
            text += 'audience = "%s"\n' % audience
        if default_role:
            text += 'default_role = "%s"\n' % default_role
        return text


def role(name, allow):
    """A [[admin.role]] table."""
    return '[[admin.role]]\nname = "%s"\nallow = %s\n' % (name, json.dumps(allow))


def make_admin_identity(folder, name="admin", roles=("admin",), allow=None, **kw):
    """(Identity, configuration text): an identity whose role may do everything, unless `allow` says less."""
    who = Identity(folder, name, kw.pop("alg", "EdDSA"))
    text = who.config(list(roles), **kw)
    for r in roles:
        text += role(r, allow or ["* /api/v1/*", "* /kbs/v0/*"])
    return who, text


# ---- KBS protocol, the guest's side ------------------------------------------------------------------


def jcs(value):
    """RFC 8785 for values of strings and objects, which is all that runtime data holds."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


ALGS = {"P-256": "ECDH-ES+A256KW", "P-384": "ECDH-ES+A256KW", "P-521": "ECDH-ES+A256KW"}


class TeeKey:
    """A TEE key: EC by default, or RSA."""

    def __init__(self, crv="P-256", rsa=None):
        if rsa:
            self.key = jwk.JWK.generate(kty="RSA", size=rsa)
            pub = json.loads(self.key.export_public())
            self.public = {"alg": "RSA-OAEP-256", "e": pub["e"], "kty": "RSA", "n": pub["n"]}
        else:
            self.key = jwk.JWK.generate(kty="EC", crv=crv)
            pub = json.loads(self.key.export_public())
            self.public = {"alg": ALGS[crv], "crv": crv, "kty": "EC", "x": pub["x"], "y": pub["y"]}

    def open(self, response_body):
        """Opens a resource answer the way the real client does: the header is parsed and written again."""
        r = json.loads(response_body)
        header = json.loads(unb64u(r["protected"]))
        ordered = {k: header[k] for k in ("alg", "enc")}
        ordered.update({k: header[k] for k in sorted(header) if k not in ordered})
        again = json.dumps(ordered, separators=(",", ":"))
        if "epk" in ordered:
            ordered["epk"] = {k: ordered["epk"][k] for k in sorted(ordered["epk"])}
            again = json.dumps(ordered, separators=(",", ":"))
        r["protected"] = b64u(again.encode())
        t = jwe.JWE(algs=["ECDH-ES+A256KW", "RSA-OAEP-256", "A256GCM"])
        t.deserialize(json.dumps(r), self.key)
        return t.payload


class Session:
    """What /auth gave: cookie, nonce, the answer itself."""

    def __init__(self, answer, version, tee):
        self.answer, self.version, self.tee = answer, version, tee
        self.cookie = answer.cookie()
        self.nonce = answer.json()["nonce"]


def kbs_auth(url, tee="sample", version="0.4.0", extra=None, cafile=None):
    """POST /kbs/v0/auth; a Session, or the Answer when it is not 200."""
    extra = {"supported-hash-algorithms": HASHES} if extra is None else extra
    a = http_call("POST", url + "/kbs/v0/auth", {"version": version, "tee": tee, "extra-params": extra},
                  {"Content-Type": "application/json"}, cafile)
    return Session(a, version, tee) if a.status == 200 else a


def report_data(nonce, tee_pubkey, additional=None, hash_name="sha384"):
    """Digest that binds runtime data: additional None leaves the member out (devices, protocol 0.2.0)."""
    value = {"nonce": nonce, "tee-pubkey": tee_pubkey}
    if additional is not None:
        value["additional-evidence"] = additional
    return hashlib.new(hash_name, jcs(value)).digest()


def sample_attestation(session, key, init_data=None, device_svn=None, svn="1", change=None):
    """Body of /attest with sample evidence (and one sampledevice when device_svn is given). change(body) may
    spoil it before it is sent."""
    if session.version == "0.2.0":
        body = {"tee-pubkey": key.public,
                "tee-evidence": {"svn": svn, "report_data": b64(report_data(session.nonce, key.public))}}
    else:
        additional = ""
        if device_svn is not None:
            device = {"svn": device_svn, "report_data": b64(report_data(session.nonce, key.public))}
            additional = json.dumps({"sampledevice": device}, separators=(",", ":"))
        body = {
            "init-data": None if init_data is None else {"format": "toml", "body": init_data},
            "runtime-data": {"nonce": session.nonce, "tee-pubkey": key.public},
            "tee-evidence": {
                "primary_evidence": {"svn": svn,
                                     "report_data": b64(report_data(session.nonce, key.public, additional))},
                "additional_evidence": additional},
        }
    if change:
        body = change(body) or body
    return body


def kbs_attest(url, session, body, cafile=None, cookie=None):
    headers = {"Content-Type": "application/json"}
    cookie = session.cookie if cookie is None and session else cookie
    if cookie:
        headers["Cookie"] = cookie
    return http_call("POST", url + "/kbs/v0/attest", body, headers, cafile)


def kbs_attest_sample(url, session, key, cafile=None, **kw):
    return kbs_attest(url, session, sample_attestation(session, key, **kw), cafile)


def attest_sample(url, key=None, version="0.4.0", extra=None, cafile=None, **kw):
    """The whole handshake: (token or None, answer of /attest)."""
    s = kbs_auth(url, version=version, extra=extra, cafile=cafile)
    a = kbs_attest_sample(url, s, key or TeeKey(), cafile, **kw)
    return (a.json()["token"] if a.status == 200 else None), a


def get_resource(url, path, token=None, cookie=None, cafile=None):
    headers = {}
    if token:
        headers["Authorization"] = "Bearer " + token
    if cookie:
        headers["Cookie"] = cookie
    return http_call("GET", url + "/kbs/v0/resource/" + path, None, headers, cafile)


# ---- tokens ----------------------------------------------------------------------------------------


def token_parts(token):
    """(header, payload) without verification; member order is kept."""
    head, payload, _ = token.split(".")
    return json.loads(unb64u(head)), json.loads(unb64u(payload))


def token_verify(token, jwks):
    """Verifies with the key of a JWK set that the header's kid names; the payload."""
    head, payload = token_parts(token)
    key = next(k for k in jwks["keys"] if k.get("kid") == head["kid"])
    t = jws.JWS()
    t.allowed_algs = [head["alg"]]
    t.deserialize(token, jwk.JWK(**{k: v for k, v in key.items() if k != "x5c"}))
    return payload


def error_type(answer):
    """The variant name of a KBS error body; also checks that it has exactly the two members."""
    body = answer.json()
    assert sorted(body) == ["detail", "type"], body
    assert body["type"].startswith(ERROR_PREFIX), body
    return body["type"][len(ERROR_PREFIX):]


def make_tls(folder, name="server"):
    """Self-signed P-256 certificate for 127.0.0.1; (cert file, key file)."""
    cert, key = os.path.join(folder, name + "-cert.pem"), os.path.join(folder, name + "-key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=vidimus test",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-addext", "basicConstraints=critical,CA:FALSE"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return cert, key
