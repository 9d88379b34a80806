#!/usr/bin/python3
"""Revocation: the issuer's signed statement and what brokers make of it: passports by jti, policies by digest,
everything before a time, within 15 s and from the next request on; statements and key sets never go back; a required
statement that has expired denies; suspension of an issuer."""
import http.server
import json
import os
import subprocess
import sys
import threading
import time

from jwcrypto import jwk, jws

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib  # noqa: E402

ISS, OWN = "https://issuer.test", "https://own.test"
ALLOW = "package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == \"resource\"\n"
EVERY = 15

run = lib.Run("revocation")
BIN = lib.bin_dir()
folder = run.folder()
who, admin = lib.make_admin_identity(folder)


# ---- an issuer of our own making, whose documents can be anything -----------------------------------


class Own:
    """Key set and statements made here."""

    def __init__(self):
        self.keys = {n: jwk.JWK.generate(kty="EC", crv="P-256") for n in ("passport", "statement")}
        self.set_seq, self.statement, self.hits, self.not_modified = 5, None, 0, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.hits += 1
                etag = '"%d"' % outer.set_seq
                if self.path == "/statement":
                    self.answer(200 if outer.statement else 404, (outer.statement or "").encode())
                elif self.headers.get("If-None-Match") == etag:
                    outer.not_modified += 1
                    self.answer(304, b"", etag)
                else:
                    self.answer(200, json.dumps(outer.set()).encode(), etag)

            def answer(self, status, body, etag=None):
                self.send_response(status)
                self.send_header("Cache-Control", "max-age=1")
                if etag:
                    self.send_header("ETag", etag)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def set(self):
        keys = [dict(json.loads(self.keys["passport"].export_public()), kid="p", alg="ES256"),
                dict(json.loads(self.keys["statement"].export_public()), kid="s", alg="ES256", vidimus_use="revocation")]
        return {"keys": keys, "vidimus_seq": self.set_seq, "iat": 1700000000}

    def sign(self, key, header, payload):
        t = jws.JWS(json.dumps(payload))
        t.add_signature(self.keys[key], protected=json.dumps(dict({"alg": "ES256"}, **header)))
        return t.serialize(compact=True)

    def publish(self, seq, age=0, key="statement", kid="s", typ="vidimus-revocation+jwt", **lists):
        now = int(time.time()) - age
        payload = {"iss": OWN, "iat": now, "exp": now + 120, "seq": seq, "jti": [], "hw_id": [], "policy_sha256": [],
                   "not_before": 0}
        payload.update(lists)
        self.statement = self.sign(key, {"typ": typ, "kid": kid}, payload)

    def passport(self, tee_key, jti, key="passport", kid="p", hw_id=None, iat=None):
        now = int(time.time()) if iat is None else iat
        ours = {"tee": "snp", "debug": False}
        if hw_id:
            ours["hw_id"] = hw_id
        return self.sign(key, {"typ": "JWT", "kid": kid}, {
            "iss": OWN, "iat": now, "nbf": now, "exp": now + 300, "jti": jti,
            "submods": {"cpu0": {
                "ear.status": "affirming", "ear.trustworthiness-vector": {"configuration": 2, "executables": 3, "hardware": 2},
                "ear.appraisal-policy-id": "default",
                "ear.veraison.annotated-evidence": {"snp": {}, "report_data": "00", "runtime_data_claims": {
                    "nonce": "bm9uY2U=", "tee-pubkey": tee_key.public}, "init_data_claims": None},
                "vidimus": ours}},
            "vidimus": {"v": 1, "freshness": "issuer-nonce", "simulated": False,
                        "policies": [{"id": "default", "class": "cpu", "sha256": "00" * 32}]}})


own = Own()
own.publish(7)
issuer = run.server("issuer", os.path.join(folder, "issuer"), BIN, admin + (
    '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\n[revocation]\nkey_file = "%s/revocation.key"\n'
    "[tee.sample]\nenabled = true\n" % (ISS, folder, folder)))
ENTRY = ('[[trusted_issuer]]\nname = "%s"\nissuer = "%s"\njwks_url = "%s"\nrevocation_url = "%s"\nrequire_revocation = true\n'
         'algs = ["ES256"]\ntees = ["*"]\nrepositories = ["*"]\naccept_simulated = true\n')
broker = run.server("broker", os.path.join(folder, "broker"), BIN, admin
                    + ENTRY % ("main", ISS, issuer.guest + "/.well-known/jwks.json", issuer.guest + "/.well-known/vidimus-revocation")
                    + ENTRY % ("own", OWN, own.url + "/jwks", own.url + "/statement"))
TEE = lib.TeeKey()


def api(server, method, path, body=None, **headers):
    return lib.http_call(method, server.admin + "/api/v1" + path, body, dict(who.bearer(), **headers))


def get(token):
    return lib.get_resource(broker.guest, "default/key/1", token)


def entry(name):
    return api(broker, "GET", "/trusted-issuers/" + name).json()


def until(what, want, probe, seconds=EVERY + 10):
    end = time.time() + seconds
    got = probe()
    while got != want and time.time() < end:
        time.sleep(0.3)
        got = probe()
    return run.equal(what, got, want)


def statement():
    a = lib.http_call("GET", issuer.guest + "/.well-known/vidimus-revocation")
    run.equal("the statement is there", a.status, 200)
    keys = lib.http_call("GET", issuer.guest + "/.well-known/jwks.json").json()
    head, payload = lib.token_parts(a.body.decode())
    marked = [k["kid"] for k in keys["keys"] if k.get("vidimus_use") == "revocation"]
    run.check("signed by a key that is marked for it", head["kid"] in marked and head["typ"] == "vidimus-revocation+jwt", (head, marked))
    lib.token_verify(a.body.decode(), keys)
    run.equal("its members", sorted(payload), ["exp", "hw_id", "iat", "iss", "jti", "not_before", "policy_sha256", "seq"])
    run.equal("it lives 120 s", payload["exp"] - payload["iat"], 120)
    run.check("it is of now", abs(payload["iat"] - time.time()) < 5)
    return payload


token_file = os.path.join(folder, "token")
with open(os.open(token_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
    f.write(who.token(life=850))


def vidimus(*args, server="issuer"):
    done = subprocess.run([os.path.join(BIN, "vidimus"), *args, "--%s-admin" % server, getattr(globals()[server], "admin"),
                           "--token-file", token_file], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


run.equal("release policy", lib.http_call("POST", broker.guest + "/kbs/v0/resource-policy",
                                          {"policy": lib.b64u(ALLOW.encode())}, who.bearer()).status, 200)
run.equal("secret", lib.http_call("POST", broker.guest + "/kbs/v0/resource/default/key/1", b"a secret",
                                  dict(who.bearer(), **{"Content-Type": "application/octet-stream"})).status, 200)

# ---- what an issuer of ours revokes ------------------------------------------------------------------
first = statement()
run.equal("the keys are private files", os.stat(folder + "/revocation.key").st_mode & 0o777, 0o600)
tokens = [lib.attest_sample(issuer.guest, TEE)[0] for _ in range(3)]
jtis = [lib.token_parts(t)[1]["jti"] for t in tokens]
policy = lib.token_parts(tokens[0])[1]["vidimus"]["policies"][0]["sha256"]
until("passports are good once the statement was fetched", [200, 200, 200], lambda: [get(t).status for t in tokens])
until("passports of the other issuer too", 200, lambda: get(own.passport(TEE, "own-1")).status)

run.equal("revoke jti", vidimus("revoke", "jti", jtis[0], "--reason", "lost")[0], 0)
run.equal("twice: conflict", vidimus("revoke", "jti", jtis[0])[0], 6)
run.equal("no jti", vidimus("revoke", "jti", "short")[0], 2)
run.equal("no hex", vidimus("revoke", "hw-id", "XYZ")[0], 2)
run.equal("revoke a platform", vidimus("revoke", "hw-id", "ab" * 64)[0], 0)
code, text = vidimus("revoke", "list")
run.check("revoke list", code == 0 and jtis[0] in text and "lost" in text and "ab" * 64 in text, text)
now = statement()
run.check("the number grew", now["seq"] > first["seq"])
run.equal("the lists", (now["jti"], now["hw_id"], now["policy_sha256"], now["not_before"]), ([jtis[0]], ["ab" * 64], [], 0))
until("the revoked one is refused, the others are not", [401, 200, 200], lambda: [get(t).status for t in tokens])
a = get(tokens[0])
run.equal("as a refused passport", lib.error_type(a), "TokenVerifierError")
why = api(broker, "GET", "/decisions/" + a.header("vidimus-decision")).json()
run.check("the owner can read why", "jti" in json.dumps(why) and "passport.revoked" in json.dumps(why), why)

run.equal("revoke a policy", vidimus("revoke", "policy", policy)[0], 0)
run.equal("the issuer mints nothing under it", lib.attest_sample(issuer.guest, TEE)[0], None)
until("all passports made under it are refused", [401, 401, 401], lambda: [get(t).status for t in tokens])
run.equal("take it back", vidimus("revoke", "rm", "policy", policy)[0], 0)
run.equal("not there any more", vidimus("revoke", "rm", "policy", policy)[0], 5)
run.check("the issuer mints again", lib.attest_sample(issuer.guest, TEE)[0])
until("and the broker takes them", [401, 200, 200], lambda: [get(t).status for t in tokens])

time.sleep(1.1)
run.equal("revoke everything before now", vidimus("revoke", "before", "now")[0], 0)
run.equal("a time ahead", vidimus("revoke", "before", "2099-01-01T00:00:00Z")[0], 2)
fresh = lib.attest_sample(issuer.guest, TEE)[0]
until("older ones are refused, a fresh one is not", [401, 401, 401, 200], lambda: [get(t).status for t in tokens + [fresh]])
run.equal("the entry shows the statement", entry("main")["revocation"]["seq"], statement()["seq"])
seq = statement()["seq"]
issuer.restart()
run.equal("numbers and lists outlast a restart", {k: v for k, v in statement().items() if k not in ("iat", "exp")},
          {"iss": ISS, "seq": seq, "jti": [jtis[0]], "hw_id": ["ab" * 64], "policy_sha256": [], "not_before": statement()["not_before"]})
what = [r["detail"].get("what") for r in issuer.audit() if r["event"] == "intent"]
run.equal("each change is on record", (what.count("revocation.add"), what.count("revocation.remove")), (4, 1))

# ---- the key of statements is rotated, and revoked: brokers go on, the number goes on ------------------------


def statement_keys():
    return {k["kid"]: k["state"] for k in api(issuer, "GET", "/revocation-keys").json()["items"]}


def signed_by():
    return lib.token_parts(lib.http_call("GET", issuer.guest + "/.well-known/vidimus-revocation").body.decode())[0]["kid"]


last = [lib.attest_sample(issuer.guest, TEE)[0] for _ in range(3)]
until("fresh passports are good", [200, 200, 200], lambda: [get(t).status for t in last])
old = signed_by()
run.equal("one key of statements", statement_keys(), {old: "active"})
run.equal("rotate", vidimus("key", "rotate", "--revocation")[0], 0)
states = statement_keys()
run.equal("the next one waits", sorted(states.values()), ["active", "next"])
run.equal("both are published", sorted(k["kid"] for k in lib.http_call("GET", issuer.guest + "/.well-known/jwks.json").json()["keys"]
                                      if k.get("vidimus_use") == "revocation"), sorted(states))
run.equal("the old one signs", signed_by(), old)
run.equal("rotate now", vidimus("key", "rotate", "--revocation", "--now")[0], 0)
new = signed_by()
run.equal("the one that waited signs", statement_keys(), {old: "retiring", new: "active"})
run.equal("the number did not change", statement()["seq"], seq)
run.equal("revoke a passport after it", vidimus("revoke", "jti", lib.token_parts(last[0])[1]["jti"])[0], 0)
until("the broker takes the statement of the new key", [401, 200, 200], lambda: [get(t).status for t in last])
run.equal("its number went on", entry("main")["revocation"]["seq"], seq + 1)
issuer.restart()
run.equal("the ring outlasts a restart", (signed_by(), statement_keys()), (new, {old: "retiring", new: "active"}))
code, text = vidimus("key", "revoke", new, "--revocation")
run.equal("revoke the key of statements", code, 0)
run.check("a fresh one takes over at once", signed_by() not in (old, new) and statement_keys()[new] == "revoked", statement_keys())
run.check("the revoked one is not published", new not in lib.http_call("GET", issuer.guest + "/.well-known/jwks.json").body.decode())
run.equal("no key of passports is touched", [k["state"] for k in api(issuer, "GET", "/keys").json()["items"]], ["active"])
run.equal("revoke another passport", vidimus("revoke", "jti", lib.token_parts(last[1])[1]["jti"])[0], 0)
until("the broker follows again", [401, 401, 200], lambda: [get(t).status for t in last])
code, text = vidimus("key", "list", "--revocation")
run.check("key list", code == 0 and old in text and new in text, text)
what = [r["detail"].get("what") for r in issuer.audit() if r["event"] == "intent"]
run.equal("each change is on record", [what.count("revocation-key." + v) for v in ("rotate", "rotate-now", "revoke")], [1, 1, 1])

# ---- suspension: the next request --------------------------------------------------------------------
version = entry("main")["version"]
run.equal("suspend", api(broker, "PUT", "/trusted-issuers/main", {"suspended": True}, **{"If-Match": '"%d"' % version}).status, 200)
run.equal("the next request is refused", get(fresh).status, 401)
run.equal("resume", api(broker, "PUT", "/trusted-issuers/main", {"suspended": False},
                        **{"If-Match": '"%d"' % entry("main")["version"]}).status, 200)
run.equal("and is good again", get(fresh).status, 200)

# ---- statements that are none, and older ones --------------------------------------------------------
good, bad = own.passport(TEE, "own-good", hw_id="aa"), own.passport(TEE, "own-bad", hw_id="00ff")
own.publish(9, jti=["x"], hw_id=["00ff"])
until("a platform is revoked", [200, 401], lambda: [get(good).status, get(bad).status])
run.equal("a passport signed by the key of statements", get(own.passport(TEE, "j", "statement", "s")).status, 401)
run.equal("under the other's id", get(own.passport(TEE, "j", "statement", "p")).status, 401)
run.equal("a statement is no passport", get(own.statement).status, 401)
run.check("unchanged key sets are not sent again", own.not_modified > 0, own.not_modified)
for what, change in (("signed by the key of passports", {"seq": 10, "key": "passport", "kid": "p"}),
                     ("signed by it under the other's id", {"seq": 10, "key": "passport"}),
                     ("typ of a passport", {"seq": 10, "typ": "JWT"}), ("older", {"seq": 8})):
    own.publish(**change)
    time.sleep(EVERY / 2)
    run.equal("a statement %s changes nothing" % what, [get(good).status, get(bad).status], [200, 401])
own.set_seq = 4
time.sleep(3)
own.publish(8)
broker.restart()
until("numbers outlast a restart: older ones are refused", 503, lambda: get(own.passport(TEE, "own-2")).status, 3)
run.check("and the log says so", "older" in broker.log(), broker.log()[-800:])
own.set_seq = 6
until("a key set of a higher number is good again", 6, lambda: entry("own")["jwks_seq"])
run.equal("the statement is still older", get(good).status, 503)
run.equal("its type", lib.error_type(get(good)), "TokenVerifierError")
code, text = vidimus("issuer", "reset", "own", server="broker")
run.check("reset", code == 0, text)
until("the older one is taken then", 200, lambda: get(good).status)
run.equal("what it does not list is good", get(bad).status, 200)
run.equal("the reset is on record", [r["detail"]["name"] for r in broker.audit() if r["event"] == "issuer-reset"], ["own"])
run.equal("reset of nobody", vidimus("issuer", "reset", "nobody", server="broker")[0], 5)

# ---- a required statement that expires -----------------------------------------------------------------
own.publish(11, age=100)
until("a statement near its end", 200, lambda: 200 if entry("own")["revocation"]["seq"] == 11 else 0)
run.equal("is still good", get(good).status, 200)
until("and denies when it has expired", 503, lambda: get(good).status, 25)
run.equal("the other issuer's passports are good all the time", get(fresh).status, 200)
own.publish(12)
until("a new one ends that", 200, lambda: get(good).status)
run.finish()
