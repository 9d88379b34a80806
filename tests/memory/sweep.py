#!/usr/bin/python3
"""Memory runs out in the two servers, at every allocation of the main flows: the N-th of a request fails, alone or with
all that follow, for N from 1 until the request passes untouched. Each time the answer is an error or the flow went through
with its record, the server lives, the next request works, and nothing leaks (the sanitizer's status at the end).

usage: sweep.py SWEPT_BIN_DIR BIN_DIR    (SWEPT: servers with tests/memory/inject.c, BIN_DIR: the other programs)
VD_LONG=1 tries every point, else some of each flow, and says where it is now and then: VD_FROM=n, or VD_FROM=lasting:n,
goes on from there. VD_FLOW=name,... tries these flows, VD_AT=n one point."""
import collections
import contextlib
import http.client
import http.server
import json
import mmap
import os
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("e2e", "crash"):
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), folder))
import lib  # noqa: E402
from broker_kill import ISS, Reader  # noqa: E402

run = lib.Run("memory")
SWEPT, BIN = lib.bin_dir(), os.path.abspath(sys.argv[2])
PKI = os.path.join(os.path.dirname(BIN), "simsnp", "Milan")
LONG = os.environ.get("VD_LONG") == "1"
POINTS = 5  # of a flow and a mode, in the short form
ALLOW = b"package policy\nallow := true\n"
SECRET = b"the secret that must not leave without a record"
OWN = "https://swept.test"  # the issuer that can run out of memory
FETCHED = "https://fetched.test"
EVENT = 4  # of inject.c
EVER = (1 << 63) - 1


class Memory:
    """The mapped file that steers inject.c."""
    FIELDS = ("count", "fail_at", "fail_to", "kinds", "failed", "caller")

    def __init__(self, folder):
        path = os.path.join(folder, "memory")
        with open(path, "wb") as f:
            f.write(bytes(8 * len(self.FIELDS)))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 8 * len(self.FIELDS))
        self.set(kinds=int(os.environ.get("VD_KINDS", "15")))
        self.env = dict(os.environ, VD_MEMORY=path)

    def __getattr__(self, name):
        return struct.unpack_from("<Q", self.map, 8 * self.FIELDS.index(name))[0]

    def set(self, **fields):
        for name, value in fields.items():
            struct.pack_into("<Q", self.map, 8 * self.FIELDS.index(name), value)

    def fail(self, n, lasting):
        """The n-th allocation from now on fails."""
        self.set(failed=0)
        first = self.count + n
        self.set(fail_to=EVER if lasting else first)
        self.set(fail_at=first)

    def heal(self):
        self.set(fail_at=0)
        return self.failed


class Side:
    """A server that can run out of memory, and what its record got since it was last asked."""

    def __init__(self, program, config, tls=None):
        self.folder, self.cafile = run.folder(), tls[0] if tls else None
        self.memory = Memory(self.folder)
        self.admin, admin = lib.make_admin_identity(self.folder)
        self.server = run.server(program, self.folder, SWEPT, config(self.folder) + admin, tls=tls, env=self.memory.env)
        self.url, self.at, self.n, self.mapped = self.server.guest, 0, 0, (0, [])

    def maps(self):
        """Memory of the process as it was when it was first asked."""
        pid = self.server.process.pid if self.server.process else None
        if pid and self.mapped[0] != pid:
            with contextlib.suppress(OSError), open("/proc/%d/maps" % pid) as f:
                self.mapped = pid, f.readlines()
        return self.mapped[1]

    def events(self):
        """How many records of each event are new."""
        with open(os.path.join(self.folder, "audit.log"), "rb") as f:
            f.seek(self.at)
            new = f.read()
        new = new[:new.rfind(b"\n") + 1]
        self.at += len(new)
        return collections.Counter(json.loads(line)["event"] for line in new.splitlines())

    def call(self, method, path, body=None, more=None):
        native = path.startswith("/api/")
        return lib.http_call(method, (self.server.admin if native else self.url) + path, body,
                             {**self.admin.bearer(), **(more or {})}, self.cafile, timeout=20)

    def next(self):
        self.n += 1
        return self.n


# ---- flows: prepare() is undisturbed, act() is not; good() judges an answer below 400 -----------------------


class Flow:
    def __init__(self, name, side, act, prepare=lambda: None, good=lambda state, a: a.status in (200, 201), event=None, points=POINTS):
        self.name, self.side, self.act, self.prepare, self.good, self.event = name, side, act, prepare, good, event
        self.points = points


def snp_evidence(session, key):
    runtime = {"nonce": session.nonce, "tee-pubkey": key.public}
    digest = lib.report_data(session.nonce, key.public, "")
    request = json.dumps({"tee": "snp", "runtime_data": runtime, "report_data": lib.b64u(digest)})
    done = subprocess.run([os.path.join(BIN, "simsnp"), "attest", "--pki", PKI], input=request.encode(), stdout=subprocess.PIPE, check=True)
    return {"init-data": None, "runtime-data": runtime,
            "tee-evidence": {"primary_evidence": json.loads(done.stdout), "additional_evidence": ""}}


def issuer_flows():
    subprocess.run([os.path.join(BIN, "simsnp"), "pki", "--pki", PKI, "--line", "Milan"], stdout=subprocess.DEVNULL, check=True)
    side = Side("issuer", lambda folder: (
        '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\n[tee.sample]\nenabled = true\n[tee.snp]\nenabled = true\n'
        'vcek_sources = ["evidence"]\nextra_roots = ["%s/roots.pem"]\n[as]\nenabled = true\n[limits]\nattests_per_source = 1000000\n'
        % (OWN, folder, PKI)))
    key = lib.TeeKey()

    def sample():
        session = lib.kbs_auth(side.url)
        return session, lib.sample_attestation(session, key)

    def snp():
        session = lib.kbs_auth(side.url, tee="snp")
        return session, snp_evidence(session, key)

    def attest(state):
        return lib.kbs_attest(side.url, *state)

    def token(state, a):
        keys = lib.http_call("GET", side.url + "/.well-known/jwks.json").json()
        return lib.token_verify(a.json()["token"], keys)["iss"] == OWN

    def policy():
        return {"type": "rego", "policy_id": "swept",
                "policy": lib.b64u(b"package policy\nimport rego.v1\ndefault hardware := %d\n" % (side.next() % 90))}

    def revocation():
        """Always the same: entries cost memory, those that were taken back too."""
        side.call("DELETE", "/api/v1/revocations/jti/" + "s" * 22)
        return {"type": "jti", "value": "s" * 22}

    def value():
        return {"version": "0.1.0", "type": "sample", "payload": lib.b64(json.dumps({"swept": [side.next()]}).encode())}

    side.call("POST", "/kbs/v0/attestation-policy", policy())
    return side, [
        Flow("auth", side, lambda s: lib.http_call("POST", side.url + "/kbs/v0/auth", s, timeout=20),
             lambda: {"version": "0.4.0", "tee": "sample", "extra-params": ""}, lambda s, a: a.cookie() and len(a.json()["nonce"]) == 44),
        Flow("attest-sample", side, attest, sample, token, "attest"),
        Flow("attest-snp", side, attest, snp, token, "attest"),
        Flow("jwks", side, lambda s: lib.http_call("GET", side.url + "/.well-known/jwks.json", timeout=20),
             good=lambda s, a: len(a.json()["keys"]) == 2),
        Flow("statement", side, lambda s: lib.http_call("GET", side.url + "/.well-known/vidimus-revocation", timeout=20),
             good=lambda s, a: a.body.count(b".") == 2),
        Flow("attestation-policy", side, lambda s: side.call("POST", "/kbs/v0/attestation-policy", s), policy, event="intent"),
        Flow("policy-native", side, lambda s: side.call("PUT", "/api/v1/policies/swept", s, {"If-Match": "*"}),
             lambda: lib.unb64u(policy()["policy"]), event="intent"),
        Flow("reference-value", side, lambda s: side.call("POST", "/kbs/v0/reference-value", s), value, event="intent"),
        Flow("revocation", side, lambda s: side.call("POST", "/api/v1/revocations", s), revocation, event="intent"),
    ]


def tls_flows():
    """Not libevent's own allocations: it crashes when it gets no memory for a TLS connection that it begins."""
    side = Side("issuer", lambda folder: '[passport]\nkey_file = "%s/passport.key"\n' % folder, lib.make_tls(run.folder()))
    side.memory.set(kinds=side.memory.kinds & ~EVENT)
    return side, [
        Flow("tls", side, lambda s: lib.http_call("GET", side.url + "/.well-known/jwks.json", cafile=side.cafile, timeout=20)),
        Flow("tls-admin", side, lambda s: side.call("GET", "/api/v1/keys")),
    ]


class Keys:
    """An issuer whose keys change all the time, at a URL that the broker asks again each second."""

    def __init__(self, folder):
        self.readers, self.hits = [Reader(folder)], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with open(outer.readers[-1].file, "rb") as f:
                    body = f.read()
                self.send_response(200)
                self.send_header("Cache-Control", "max-age=1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                outer.hits += 1

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/jwks.json" % self.server.server_address[1]
        self.folder = folder
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def change(self):
        self.readers.append(Reader(self.folder, FETCHED))
        return self.readers[-1]

    def fetched(self, _):
        """The broker has asked since then, and had a moment to read the answer; or it could not ask."""
        before, end = self.hits, time.time() + 2
        while self.hits == before and time.time() < end:
            time.sleep(0.02)
        time.sleep(0.1)
        return lib.Answer(200, [], b"")


def broker_flows(issuer):
    reader, keys = Reader(run.folder()), Keys(run.folder())
    side = Side("broker", lambda folder: (
        '[accept]\naudience = ["swept"]\n[[trusted_issuer]]\nname = "file"\nissuer = "%s"\njwks_file = "%s"\nalgs = ["ES256"]\ntees = ["snp"]\n'
        'repositories = ["*"]\nassume_freshness = "issuer-nonce"\n[[trusted_issuer]]\nname = "url"\nissuer = "%s"\n'
        'jwks_url = "%s/.well-known/jwks.json"\nalgs = ["ES256"]\ntees = ["*"]\nrepositories = ["*"]\naccept_simulated = true\n'
        '[[trusted_issuer]]\nname = "fetched"\nissuer = "%s"\njwks_url = "%s"\nalgs = ["ES256"]\ntees = ["snp"]\nrepositories = ["*"]\n'
        'assume_freshness = "issuer-nonce"\n[relay]\ntrusted_issuer = "url"\nissuer_url = "%s"\n[limits]\nreleases_per_passport = 100000\n'
        % (ISS, reader.file, OWN, issuer.url, FETCHED, keys.url, issuer.url)))

    def fresh():
        reader.until = 0
        return reader.passport()

    def secret(state, a):
        return a.status == 200 and reader.tee.open(a.body) == SECRET

    def last(state, a):
        """What was acknowledged is what is released."""
        b = lib.get_resource(side.url, "r/key/swept", reader.passport())
        return a.status in (200, 201) and reader.tee.open(b.body) == state

    def new_key_taken(state, _):
        """A passport of the new key opens the secret, after a retry perhaps."""
        end = time.time() + 8
        while time.time() < end:
            a = lib.get_resource(side.url, "r/key/1", state.passport())
            if a.status == 200:
                return state.tee.open(a.body) == SECRET
            time.sleep(0.1)
        return False

    def number():
        return b"value %d" % side.next()

    def session():
        s = lib.kbs_auth(side.url)
        return s, lib.sample_attestation(s, lib.TeeKey())

    side.call("POST", "/kbs/v0/resource-policy", {"policy": lib.b64u(ALLOW)})
    side.call("POST", "/kbs/v0/resource/r/key/1", SECRET)
    side.call("POST", "/kbs/v0/resource/r/key/swept", SECRET)
    return side, [
        Flow("resource", side, lambda s: lib.get_resource(side.url, "r/key/1", s), fresh, secret, "release"),
        Flow("resource-cached", side, lambda s: lib.get_resource(side.url, "r/key/1", s), reader.passport, secret, "release"),
        Flow("secret", side, lambda s: side.call("POST", "/kbs/v0/resource/r/key/swept", s), number, last, "intent"),
        Flow("secret-native", side, lambda s: side.call("PUT", "/api/v1/secrets/r/key/swept", s, {"If-Match": "*"}), number, last, "intent"),
        Flow("resource-policy", side, lambda s: side.call("POST", "/kbs/v0/resource-policy", s),
             lambda: {"policy": lib.b64u(ALLOW + b"# %d\n" % side.next())}, event="intent"),
        Flow("relay-auth", side, lambda s: lib.http_call("POST", side.url + "/kbs/v0/auth", s, timeout=20),
             lambda: {"version": "0.4.0", "tee": "sample", "extra-params": ""}, lambda s, a: a.cookie() and len(a.json()["nonce"]) == 44),
        Flow("relay-attest", side, lambda s: lib.kbs_attest(side.url, *s), session),
        Flow("jwks-fetch", side, keys.fetched, keys.change, new_key_taken, points=1),
    ]


# ---- the sweep ---------------------------------------------------------------------------------------


def where(flow, n, lasting):
    """Which allocation it was: the function that made it, or the library."""
    side, name = flow.side, "?"
    at = side.memory.caller
    for line in side.maps():
        span, _, offset, _, _, *path = line.split()
        low, high = (int(x, 16) for x in span.split("-"))
        if low <= at < high and path:
            name = os.path.basename(path[0])
            if name.startswith("vidimus"):
                name = subprocess.run(["addr2line", "-fpe", path[0], hex(at - low + int(offset, 16) - 1)], stdout=subprocess.PIPE,
                                      text=True).stdout.strip()
    return "%s, allocation %d%s, the last of them in %s" % (flow.name, n, " and all that follow" if lasting else "", name)


def attempt(flow, state):
    """The answer, or None when the connection ended without one."""
    try:
        return flow.act(state)
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException):
        return None


def undisturbed(flow, where_):
    state = flow.prepare()
    flow.side.events()
    try:
        a = attempt(flow, state)
    except TimeoutError:
        a = None
    ok = a is not None and a.status < 400 and flow.good(state, a)
    run.check(where_ + ": an undisturbed request works", ok, repr(a))
    run.check(where_ + ": with its record", not flow.event or flow.side.events()[flow.event] >= 1)
    return ok


def point(flow, n, lasting, seen):
    """One failure. False when the flow no longer has so many allocations, or when something broke."""
    side, state = flow.side, flow.prepare()
    side.events()
    side.maps()
    side.memory.fail(n, lasting)
    try:
        a = attempt(flow, state)
    except TimeoutError as hang:
        a = hang
    failed = side.memory.heal()
    text = where(flow, n, lasting) if failed else flow.name
    if side.server.process.poll() is not None:
        time.sleep(0.2)
        run.check(text + ": the server lives", False, "%d: %s" % (side.server.process.returncode, side.server.log()[-6000:]))
        side.server.process = None
        side.server.start()
        return True
    if isinstance(a, TimeoutError):
        run.check(text + ": there is an answer", False)
        seen["hangs"] += 1
        return seen["hangs"] < 5
    got, new = ("dropped" if a is None else a.status), side.events()
    if a is not None and a.status < 400:
        run.check(text + ": a success is one", flow.good(state, a), repr(a))
        run.check(text + ": a success has its record", not flow.event or new[flow.event] >= 1, repr(new))
    elif failed == 0:
        run.check(text + ": untouched, it passes", False, repr(a))
    elif a is not None:
        run.check(text + ": an error says which", (lasting or len(a.body) > 10) and SECRET not in a.body, repr(a))
    if failed == 0:
        return False
    seen[got] += 1
    return undisturbed(flow, text) or seen["bad"] < 5


def begin_at():
    """(Not the points that fail alone, the first of the others.)"""
    mode, _, n = os.environ.get("VD_FROM", "1").rpartition(":")
    return mode == "lasting", int(n)


def sweep(flow):
    undisturbed(flow, flow.name)
    seen, tried = collections.Counter(), 0
    only_lasting, first = begin_at()
    for lasting in (True,) if only_lasting else (False, True):
        before = flow.side.memory.count
        undisturbed(flow, flow.name)
        there_are = flow.side.memory.count - before
        step = 1 if LONG else max(1, there_are // flow.points)
        n, first = int(os.environ.get("VD_AT", first)), 1
        while point(flow, n, lasting, seen):
            tried += 1
            if LONG and n % 100 == 0:
                print("%s: at VD_FROM=%s%d of some %d" % (flow.name, "lasting:" if lasting else "", n, there_are), flush=True)
            n += step
            if "VD_AT" in os.environ:
                break
            if n > 4 * there_are + 100:
                run.check(flow.name + ": comes to an end", False, "%d points" % tried)
                break
    answers = ", ".join("%s: %d" % x for x in sorted(seen.items(), key=str))
    print("%s: %d points tried, %d allocations when nothing fails, answers %s" % (flow.name, tried, there_are, answers), flush=True)
    return tried


def record(side):
    """The record is whole, and the server starts from what is left."""
    side.server.restart()
    done = subprocess.run([os.path.join(BIN, "vidimus"), "audit", "verify", os.path.join(side.folder, "audit.log"), "--key",
                           os.path.join(side.folder, "audit.log.pub")], capture_output=True, text=True)
    run.check("%s: the record verifies" % side.server.program, done.returncode == 0, done.stdout + done.stderr)


def sweep_all():
    tried, began, only = 0, time.time(), os.environ.get("VD_FLOW", "").split(",")
    issuer, flows = issuer_flows()
    tls, over_tls = tls_flows()
    broker, more = broker_flows(issuer)
    flows = [f for f in flows + over_tls + more if only == [""] or f.name in only]
    for flow in flows:
        tried += sweep(flow)
    for side in (issuer, tls, broker):
        record(side)
        for flow in flows:
            if flow.side is side:
                undisturbed(flow, "at the end, " + flow.name)
    print("memory: %d failures in %d flows, %.0f s" % (tried, len(flows), time.time() - began))


def main():
    try:
        sweep_all()
    except Exception as failure:  # the servers must end whatever happens
        run.check("the sweep does not break off", False, repr(failure))
    run.finish()


if __name__ == "__main__":
    main()
