#!/usr/bin/python3
"""kill -9 at every durable system call of the writes that an administrator or a guest waits for, against the real
servers. After each kill the server starts again by itself, and what was acknowledged is there, what was not is there
whole or not at all, the audit record verifies, and no intent is left open.

usage: points.py BIN_DIR SHIM     a sample of the points; with VD_LONG=1 every one, and at least 1,000"""
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import lib  # noqa: E402
from broker_kill import ISS, Reader  # noqa: E402
from shim import Shim  # noqa: E402

LONG = os.environ.get("VD_LONG") == "1"
SEED = int(os.environ.get("VD_SEED", str(int(time.time()))))
LEAST = 1000 if LONG else 90
run = lib.Run("crash-points")
BIN = lib.bin_dir()
CLI = os.path.join(BIN, "vidimus")
LIBRARY = os.path.abspath(sys.argv[2])
dice = random.Random(SEED)
# So that checkpoints and new files of the record come in passing.
SMALL = "checkpoint_records = 4\nrotate_bytes = 65536\nreserve = 65536\n"
GONE = (OSError, lib.http.client.HTTPException)


def call(server, method, path, body, headers):
    """The answer, or None when the server was killed before it."""
    try:
        return lib.http_call(method, path if path.startswith("http") else server.admin + "/api/v1" + path, body, headers)
    except GONE:
        return None


class Kept:
    """One object whose value is read back: `acked` was acknowledged last, `tried` was sent without an answer."""

    def __init__(self, read):
        self.read, self.acked, self.tried = read, None, []

    def look(self, what):
        there = self.read()
        ok = there == self.acked or there in self.tried
        run.check(what, ok, "found %r, acknowledged %r, tried %r" % (there, self.acked, self.tried)) if not ok else None
        self.acked, self.tried = there, []


class Broker:
    program = "broker"

    def __init__(self):
        self.folder = run.folder()
        self.shim = Shim(self.folder, LIBRARY)
        self.reader = Reader(self.folder)
        self.admin, admin_toml = lib.make_admin_identity(self.folder)
        config = SMALL + (
            '[[trusted_issuer]]\nname = "main"\nissuer = "%s"\njwks_file = "%s"\nalgs = ["ES256"]\ntees = ["snp"]\n'
            'repositories = ["*"]\nassume_freshness = "issuer-nonce"\n[limits]\nreleases_per_passport = 100000\n'
            % (ISS, self.reader.file)) + admin_toml
        self.server = run.server("broker", self.folder, BIN, config, env=self.shim.env)
        first = b"package policy\nallow := true\n"
        lib.http_call("POST", self.server.guest + "/kbs/v0/resource-policy", {"policy": lib.b64u(first)}, self.bearer())
        self.released, self.number = 0, 0
        self.kept = {}
        for name in ("r/small/1", "r/small/2", "r/large/1", "r/gone/1"):
            self.kept[name] = Kept(lambda n=name: self.reader.read(self.server, n))
        self.kept["policy"] = Kept(self.read_policy)
        self.kept["policy"].acked = first
        self.kept["suspended"] = Kept(lambda: self.get("/trusted-issuers/main").json()["suspended"])
        self.kept["suspended"].acked = False
        self.kept["issuer"] = Kept(self.read_issuer)
        lib.http_call("POST", self.server.guest + "/kbs/v0/resource/r/release/1", b"release me", self.bearer())

    def bearer(self):
        return self.admin.bearer()

    def get(self, path):
        return lib.http_call("GET", self.server.admin + "/api/v1" + path, None, self.bearer())

    def read_policy(self):
        a = self.get("/release-policies/resource-policy")
        return a.body if a.status == 200 else None

    def read_issuer(self):
        a = self.get("/trusted-issuers/other")
        return a.json()["issuer"] if a.status == 200 else None

    def write(self, kept, value, method, path, body, headers=None, good=(200, 201, 204)):
        self.kept[kept].tried.append(value)
        a = call(self.server, method, path, body, dict(self.bearer(), **(headers or {})))
        if a is None:
            return False
        run.check("%s %s" % (method, path), a.status in good, repr(a))
        self.kept[kept].acked, self.kept[kept].tried = value, []
        return True

    def match(self, path):
        a = self.get(path)
        return {"If-Match": a.header("etag")} if a.status == 200 else {"If-None-Match": "*"}

    def value(self, size=40):
        self.number += 1
        return hashlib.sha256(b"%d" % self.number).hexdigest().encode() * (size // 64 + 1)

    # ---- the scenarios: each prepares, arms, writes ----

    def secret_put(self, arm):
        path = "/secrets/r/small/1"
        match = self.match(path)
        arm()
        value = self.value()
        return self.write("r/small/1", value, "PUT", path, value, match)

    def secret_overwrite(self, arm):
        arm()
        value = self.value(3000)
        return self.write("r/small/2", value, "POST", self.server.guest + "/kbs/v0/resource/r/small/2", value)

    def secret_large(self, arm):
        arm()
        value = self.value(150000)
        return self.write("r/large/1", value, "POST", self.server.guest + "/kbs/v0/resource/r/large/1", value)

    def secret_delete(self, arm):
        url = self.server.guest + "/kbs/v0/resource/r/gone/1"
        if self.kept["r/gone/1"].acked is None:
            value = self.value()
            self.write("r/gone/1", value, "POST", url, value)
        arm()
        return self.write("r/gone/1", None, "DELETE", url, None)

    def policy_put(self, arm):
        path = "/release-policies/resource-policy"
        match = self.match(path)
        arm()
        self.number += 1
        text = b"package policy\n# %d %s\nallow := true\n" % (self.number, b"x" * 3000)
        return self.write("policy", text, "PUT", path, text, dict(match, **{"Content-Type": "text/plain"}))

    def issuer_suspend(self, arm):
        path = "/trusted-issuers/main"
        match = self.match(path)
        want = not self.kept["suspended"].acked
        arm()
        done = self.write("suspended", want, "PUT", path, {"suspended": want}, match)
        return done

    def issuer_trust(self, arm):
        path = "/trusted-issuers/other"
        match = self.match(path)
        arm()
        self.number += 1
        iss = "https://other-%d.test" % self.number
        jwks = {"keys": [json.loads(self.reader.signer.export_public())]}
        return self.write("issuer", iss, "PUT", path,
                          {"issuer": iss, "jwks": jwks, "algs": ["ES256"], "tees": ["snp"], "repositories": ["*"]}, match)

    def release(self, arm):
        token = self.reader.passport()
        arm()
        done = True
        for _ in range(5):
            try:
                a = lib.get_resource(self.server.guest, "r/release/1", token)
            except GONE:
                return False
            if run.check("release", a.status == 200, repr(a)):
                run.check("the released bytes", self.reader.tee.open(a.body) == b"release me")
                self.released += 1
        return done

    def look(self):
        self.kept["suspended"].look("suspension")
        self.settle()
        for name, k in self.kept.items():
            if name != "suspended":
                k.look(name)

    def settle(self):
        """Passports of a suspended issuer open nothing: it is resumed before secrets are read."""
        path = "/trusted-issuers/main"
        if self.kept["suspended"].acked:
            self.write("suspended", False, "PUT", path, {"suspended": False}, self.match(path))

    def finish(self, records):
        got = sum(r["event"] == "release" and r["detail"]["resource"] == "r/release/1" for r in records)
        run.check("a record for each of %d releases" % self.released, got >= self.released, str(got))

    scenarios = ("secret_put", "secret_overwrite", "secret_large", "secret_delete", "policy_put", "issuer_suspend",
                 "issuer_trust", "release")


class Issuer:
    program = "issuer"

    def __init__(self):
        self.folder = run.folder()
        self.shim = Shim(self.folder, LIBRARY)
        self.admin, admin_toml = lib.make_admin_identity(self.folder)
        config = SMALL + ('[passport]\nkey_file = "%s/passport.key"\nissuer = "https://issuer.test"\n[tee.sample]\nenabled = true\n'
                          % self.folder) + admin_toml
        self.server = run.server("issuer", self.folder, BIN, config, env=self.shim.env)
        self.number, self.passports = 0, 0
        self.kept = {"value": Kept(lambda: self.read_value("one")), "bulk": Kept(self.read_bulk), "policy": Kept(self.read_policy)}

    bearer, get, write, match = Broker.bearer, Broker.get, Broker.write, Broker.match

    def read_value(self, name):
        a = self.get("/reference-values?name=" + name)
        return a.json()["value"] if a.status == 200 else None

    def read_bulk(self):
        """One number when all have it; a list of what is there when they differ."""
        all_of = [self.read_value("bulk-%d" % i) for i in range(20)]
        return all_of[0] if all(v == all_of[0] for v in all_of) else all_of

    def read_policy(self):
        a = self.get("/policies/points")
        return a.body if a.status == 200 else None

    def refvalue_set(self, arm):
        path = "/reference-values?name=one"
        match = self.match(path)
        arm()
        self.number += 1
        return self.write("value", self.number, "PUT", path, {"value": self.number}, match)

    def refvalue_bulk(self, arm):
        arm()
        self.number += 1
        values = {"bulk-%d" % i: self.number for i in range(20)}
        message = {"version": "0.1.0", "type": "sample", "payload": lib.b64(json.dumps(values).encode())}
        return self.write("bulk", self.number, "POST", "/reference-values", message)

    def policy_put(self, arm):
        path = "/policies/points"
        match = self.match(path)
        arm()
        self.number += 1
        text = b"package policy\n# %d %s\ntrust_claims := {}\n" % (self.number, b"y" * 3000)
        return self.write("policy", text, "PUT", path, text, dict(match, **{"Content-Type": "text/plain"}))

    def attest(self, arm):
        key = lib.TeeKey()
        sessions = [lib.kbs_auth(self.server.guest) for _ in range(5)]
        arm()
        for s in sessions:
            try:
                a = lib.kbs_attest_sample(self.server.guest, s, key)
            except GONE:
                return False
            self.passports += run.check("attest", a.status == 200, repr(a))
        return True

    def look(self):
        for name, k in self.kept.items():
            k.look(name)

    def settle(self):
        pass

    def finish(self, records):
        got = sum(r["event"] == "attest" for r in records)
        run.check("a record for each of %d passports" % self.passports, got >= self.passports, str(got))

    scenarios = ("refvalue_set", "refvalue_bulk", "policy_put", "attest")


totals = {"kills": 0, "half": 0, "starts": [], "by": {}, "calls": {}}


def records_of(folder):
    names = sorted(n for n in os.listdir(folder) if n.startswith("audit.log.0")) + ["audit.log"]
    out = []
    for n in names:
        with open(os.path.join(folder, n)) as f:
            out += [json.loads(line) for line in f if line.strip()]
    return out


def verify(side):
    """Offline, while the server runs: the chain over all files and every checkpoint."""
    done = subprocess.run([CLI, "audit", "verify", os.path.join(side.folder, "audit.log"), "--key",
                           os.path.join(side.folder, "audit.log.pub")], capture_output=True, text=True)
    run.check("audit verify", done.returncode == 0, done.stdout + done.stderr)


def again(side):
    """Starts the server that was killed and looks at everything it promised."""
    side.server.kill()
    side.shim.heal()
    began = time.time()
    side.server.start()
    totals["starts"].append(time.time() - began)
    side.look()


def calls_of(side, name):
    before = []
    run.check(name + " without a kill", getattr(side, name)(lambda: before.append(side.shim.count)) is True)
    n = side.shim.count - before[0]
    side.settle()
    return n


def points(side, name, share):
    n = max(1, calls_of(side, name))
    totals["calls"][side.program + " " + name] = n
    every = list(range(1, n + 1))
    some = every if share is None or share >= n else sorted(dice.sample(every, share))
    for i in some:
        half = dice.random() < 0.5
        acked = getattr(side, name)(lambda: side.shim.kill_at_nth(i, half))
        dead = not acked
        if not dead:  # fewer calls than the time before, or one behind the answer
            try:
                side.server.process.wait(0.05)
                dead = True
            except subprocess.TimeoutExpired:
                side.shim.heal()
                side.settle()
        if dead:
            totals["kills"] += 1
            totals["half"] += half
            totals["by"][side.program + " " + name] = totals["by"].get(side.program + " " + name, 0) + 1
            again(side)


def init_points(program, share):
    """init itself: after a kill it is either whole (serve starts) or refused by name, never half taken for whole."""
    folder = run.folder()
    shim = Shim(folder, LIBRARY)
    state = os.path.join(folder, "state")
    config = "" if program == "broker" else '[passport]\nkey_file = "%s/passport.key"\nissuer = "https://issuer.test"\n' % state
    s = lib.Server(program, state, BIN, SMALL + config, env=shim.env, init=False, start=False)
    text = open(s.config_path).read()
    s.verb("init", check=True)
    n = shim.count
    totals["calls"][program + " init"] = n
    wanted = list(range(1, n + 1)) if share is None else sorted(dice.sample(range(1, n + 1), min(share, n)))
    for i in wanted:
        shim.heal()
        shutil.rmtree(state)
        os.mkdir(state)
        with open(s.config_path, "w") as f:
            f.write(text)
        shim.kill_at_nth(i, dice.random() < 0.5)
        code, out = s.verb("init")
        shim.heal()
        if code != -9:
            run.check("init %d without a kill" % i, code == 0, out)
            continue
        totals["kills"] += 1
        totals["by"][program + " init"] = totals["by"].get(program + " init", 0) + 1
        code, out = s.verb("init")
        run.check("a second init, point %d: made anew or refused by name" % i,
                  code == 0 or (code == 1 and "exists already" in out), out)
        try:
            s.start()
            s.stop()
        except RuntimeError as e:
            s.process = None
            run.check("a start after init was killed at %d says what is missing" % i,
                      state in str(e).split("\n", 1)[-1], str(e)[-400:])


def main():
    began = time.time()
    sides = [Broker(), Issuer()]
    share = None if LONG else 7
    rounds = 0
    while rounds == 0 or (LONG and totals["kills"] < LEAST):
        rounds += 1
        for side in sides:
            for name in side.scenarios:
                points(side, name, share)
            verify(side)
        init_points("broker", share)
        init_points("issuer", share)
    for side in sides:
        side.server.stop()
        verify(side)
        records = records_of(side.folder)
        side.finish(records)
        intents = {r["seq"] for r in records if r["event"] == "intent"}
        closed = {r["detail"]["intent"] for r in records if r["event"] in ("done", "aborted")}
        run.equal("intents left open", sorted(intents - closed)[:3], [])
        files = [n for n in os.listdir(side.folder) if n.startswith("audit.log.0")]
        print("%s: %d records in %d files, %d checkpoints" % (side.program, len(records), len(files) + 1,
                                                             sum(r["event"] == "checkpoint" for r in records)))
    starts = sorted(totals["starts"])
    run.check("at least %d kill points" % (LEAST if LONG else 60), totals["kills"] >= (LEAST if LONG else 60), str(totals["kills"]))
    for name, n in sorted(totals["by"].items()):
        print("  %-28s %4d of %d calls" % (name, n, totals["calls"][name]))
    print("seed %d: %d kill points (%d with a torn write), restart %.0f ms in the middle, %.0f ms at most, %.0f s"
          % (SEED, totals["kills"], totals["half"], 1e3 * starts[len(starts) // 2], 1e3 * starts[-1], time.time() - began))
    run.finish()


if __name__ == "__main__":
    main()
