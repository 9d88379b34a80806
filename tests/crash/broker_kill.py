#!/usr/bin/python3
"""kill -9 of the broker at random moments under a writing load: every write that was acknowledged is there
after the restart, with its bytes; no write is half there; and the audit chain verifies with every intent closed.

usage: broker_kill.py BIN_DIR [KILLS]     200 kills by default, 2,000 with VD_LONG=1; VD_SEED repeats a run's moments"""
import collections
import hashlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import lib  # noqa: E402

WRITERS, NAMES = 4, 12
ISS = "https://issuer.test"


class Writer(threading.Thread):
    """Writes numbered values to names of its own until the server is gone. `acked` is the last value whose answer
    was 2xx; `tried` holds what was sent after it without an answer: it may be there or not, but whole."""

    def __init__(self, index, server, bearer, state):
        super().__init__(daemon=True)
        self.index, self.server, self.bearer, self.state = index, server, bearer, state
        self.stop, self.acks, self.odd = False, 0, []

    def run(self):
        native = self.index % 2 == 0
        conn = http.client.HTTPConnection("127.0.0.1", self.server.admin_port if native else self.server.guest_port, timeout=10)
        try:
            while not self.stop:
                self.step(conn, native)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            conn.close()

    def step(self, conn, native):
        name = "w%d/key/%d" % (self.index, random.randrange(NAMES))
        s = self.state[name]
        number = s["next"]
        s["next"] += 1
        value = ("%s %d %s" % (name, number, hashlib.sha256(b"%d" % number).hexdigest() * (number % 40))).encode()
        s["tried"].append(value)
        if native:
            # Any version: the writers' names are their own, and after a kill they do not know the version.
            conn.request("PUT", "/api/v1/secrets/" + name, value,
                         dict(self.bearer, **({"If-Match": "*"} if s["there"] else {"If-None-Match": "*"})))
        else:
            conn.request("POST", "/kbs/v0/resource/" + name, value, self.bearer)
        answer = conn.getresponse()
        answer.read()
        if answer.status in (200, 201):
            s["acked"], s["tried"], s["there"] = value, [], True
            self.acks += 1
        elif answer.status == 412 and native:
            s["there"] = not s["there"]  # an unanswered creation had happened
            s["tried"].remove(value)
        else:
            self.odd.append((answer.status, name))


class Reader:
    """Releases secrets to its own key, to see their bytes."""

    def __init__(self, folder, issuer=ISS):
        from jwcrypto import jwk, jws
        self.issuer = issuer
        self.signer, self.jws = jwk.JWK.generate(kty="EC", crv="P-256"), jws
        self.tee = lib.TeeKey()
        self.file = os.path.join(folder, "jwks.json")
        with open(self.file, "w") as f:
            json.dump({"keys": [dict(json.loads(self.signer.export_public()), kid="k")]}, f)
        self.token, self.until = None, 0

    def passport(self):
        now = int(time.time())
        if now > self.until:
            self.until = now + 200
            t = self.jws.JWS(json.dumps({
                "iss": self.issuer, "iat": now, "exp": now + 300,
                "submods": {"cpu0": {"ear.status": "affirming", "ear.appraisal-policy-id": "default",
                                     "ear.trustworthiness-vector": {"configuration": 2, "executables": 3, "hardware": 2},
                                     "ear.veraison.annotated-evidence": {
                                         "snp": {}, "runtime_data_claims": {"tee-pubkey": self.tee.public}}}}}))
            t.add_signature(self.signer, protected=json.dumps({"alg": "ES256", "typ": "JWT", "kid": "k"}))
            self.token = t.serialize(compact=True)
        return self.token

    def read(self, server, name):
        a = lib.get_resource(server.guest, name, self.passport())
        if a.status == 404:
            return None
        assert a.status == 200, a
        return self.tee.open(a.body)


def main():
    run = lib.Run("crash-broker")
    bin_dir = lib.bin_dir()
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("VD_KILLS", "2000" if os.environ.get("VD_LONG") == "1" else "200"))
    seed = int(os.environ.get("VD_SEED", str(int(time.time()))))
    moments = random.Random(seed)
    folder = run.folder()
    reader = Reader(folder)
    admin, admin_toml = lib.make_admin_identity(folder)
    config = ('[[trusted_issuer]]\nname = "main"\nissuer = "%s"\njwks_file = "%s"\nalgs = ["ES256"]\ntees = ["snp"]\n'
              'repositories = ["*"]\nassume_freshness = "issuer-nonce"\n[limits]\nreleases_per_passport = 100000\n' % (ISS, reader.file))
    server = run.server("broker", folder, bin_dir, config + admin_toml)
    policy = "package policy\nallow := true\n"
    lib.http_call("POST", server.guest + "/kbs/v0/resource-policy", {"policy": lib.b64u(policy.encode())}, admin.bearer())
    state = collections.defaultdict(lambda: {"next": 1, "acked": None, "tried": [], "there": False})
    for w in range(WRITERS):
        for n in range(NAMES):
            state["w%d/key/%d" % (w, n)]  # made beforehand: threads share the table
    acks = lost = torn = 0
    began = time.time()
    for kill in range(kills):
        writers = [Writer(i, server, admin.bearer(), state) for i in range(WRITERS)]
        for w in writers:
            w.start()
        time.sleep(moments.uniform(0.005, 0.25))
        server.kill()
        for w in writers:
            w.stop = True
        for w in writers:
            w.join(15)
            acks += w.acks
            run.check("no answer but success (kill %d)" % kill, not w.odd, repr(w.odd[:3])) if w.odd else None
        server.start()
        for name, s in sorted(state.items()):
            if not s["tried"] and kill % 20 != kills % 20:
                continue  # what nobody touched since it was last seen is looked at now and then
            there = reader.read(server, name)
            if there == s["acked"] or there in s["tried"]:
                s["acked"], s["there"] = there, there is not None
            elif there is not None and not there.startswith(name.encode()):
                torn += 1
                print("kill %d: %s holds %r" % (kill, name, there[:60]))
            else:
                lost += 1
                print("kill %d: %s: acknowledged %r, found %r" % (kill, name, s["acked"], there))
            s["tried"] = []
    for name, s in sorted(state.items()):
        run.equal("at the end: " + name, reader.read(server, name), s["acked"])
    server.stop()
    run.equal("acknowledged writes lost", lost, 0)
    run.equal("torn writes", torn, 0)
    run.check("there was a load", acks > kills, "%d writes" % acks)
    records = server.audit()
    open_intents = {r["seq"] for r in records if r.get("event") == "intent"}
    for r in records:
        if r.get("event") in ("done", "aborted"):
            open_intents.discard(r.get("detail", {}).get("intent", r.get("intent")))
    run.equal("intents left open", sorted(open_intents)[:3], [])
    cli = os.path.join(bin_dir, "vidimus")
    done = subprocess.run([cli, "audit", "verify", os.path.join(folder, "audit.log")], capture_output=True, text=True)
    run.equal("audit verify: " + (done.stdout + done.stderr).strip()[:120], done.returncode, 0)
    print("seed %d: %d kills, %d acknowledged writes, %d lost, %d records, %.0f s"
          % (seed, kills, acks, lost, len(records), time.time() - began))
    run.finish()


if __name__ == "__main__":
    main()
