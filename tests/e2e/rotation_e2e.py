#!/usr/bin/python3
"""A hundred rotations of the issuer's passport key under load: guests attest and fetch a secret all the time, no
request fails. Keys are published before they sign and retire behind their passports; a restart in the middle changes
nothing; a revoked key is out of the set at once and refused by the broker soon after.

VD_ROTATIONS sets another number."""
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib  # noqa: E402

ROTATIONS = int(os.environ.get("VD_ROTATIONS", "100"))
PUBLISH_BEFORE, LIFE, MAX_AGE, LEEWAY = 6, 10, 1, 1
ISS = "https://issuer.test"
ALLOW = "package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == \"resource\"\n"

run = lib.Run("rotation")
BIN = lib.bin_dir()
folder = run.folder()
who, admin = lib.make_admin_identity(folder)
issuer = run.server("issuer", os.path.join(folder, "issuer"), BIN, admin + (
    '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\nlifetime = %d\npublish_before = %d\njwks_max_age = %d\n'
    "[limits]\nleeway = %d\n[tee.sample]\nenabled = true\n" % (ISS, folder, LIFE, PUBLISH_BEFORE, MAX_AGE, LEEWAY)))
broker = run.server("broker", os.path.join(folder, "broker"), BIN, admin + (
    '[[trusted_issuer]]\nname = "main"\nissuer = "%s"\njwks_url = "%s/.well-known/jwks.json"\nalgs = ["ES256"]\n'
    'tees = ["sample"]\nrepositories = ["*"]\naccept_simulated = true\n' % (ISS, issuer.guest)))


def api(server, method, path, body=None):
    return lib.http_call(method, server.admin + "/api/v1" + path, body, who.bearer())


def jwks(**headers):
    return lib.http_call("GET", issuer.guest + "/.well-known/jwks.json", headers=headers)


def states():
    return {k["kid"]: k["state"] for k in api(issuer, "GET", "/keys").json()["items"]}


run.equal("release policy", lib.http_call("POST", broker.guest + "/kbs/v0/resource-policy",
                                          {"policy": lib.b64u(ALLOW.encode())}, who.bearer()).status, 200)
run.equal("secret", lib.http_call("POST", broker.guest + "/kbs/v0/resource/default/key/1", b"a secret",
                                  dict(who.bearer(), **{"Content-Type": "application/octet-stream"})).status, 200)


class Guest(threading.Thread):
    """Attests, fetches with the fresh passport and with an older one that is still alive."""

    def __init__(self):
        super().__init__(daemon=True)
        self.requests, self.failures, self.kids, self.stop = 0, [], set(), False

    def one(self, what, answer):
        self.requests += 1
        if answer.status != 200:
            self.failures.append("%s: %r at %d" % (what, answer, time.time()))
        return answer.status == 200

    def run(self):
        key, old, old_until = lib.TeeKey(), None, 0
        while not self.stop:
            try:
                session = lib.kbs_auth(issuer.guest)
                if not isinstance(session, lib.Session):
                    self.one("auth", session)
                    continue
                self.requests += 1
                answer = lib.kbs_attest_sample(issuer.guest, session, key)
                if not self.one("attest", answer):
                    continue
                token = answer.json()["token"]
                self.kids.add(lib.token_parts(token)[0]["kid"])
                self.one("get", lib.get_resource(broker.guest, "default/key/1", token))
                if old and time.time() < old_until:
                    self.one("get with an older passport", lib.get_resource(broker.guest, "default/key/1", old))
                else:
                    old, old_until = token, time.time() + LIFE - 2
            except OSError as problem:
                self.failures.append(repr(problem))
                time.sleep(0.05)


# ---- the key set ----
first = jwks()
run.check("the set has number and time", first.json()["vidimus_seq"] >= 1 and abs(first.json()["iat"] - time.time()) < 60)
run.equal("max-age as configured", first.header("cache-control"), "max-age=%d" % MAX_AGE)
again = jwks(**{"If-None-Match": first.header("etag")})
run.equal("304 for who has it", (again.status, again.body, again.header("etag")), (304, b"", first.header("etag")))
run.equal("200 for who has another", jwks(**{"If-None-Match": '"1-x"'}).status, 200)
uses = [k.get("vidimus_use") for k in first.json()["keys"]]
run.equal("one key of passports, one of statements", sorted(uses, key=str), [None, "revocation"])

# ---- rotations under load ----
guests = [Guest() for _ in range(2)]
for g in guests:
    g.start()
start, made, seqs = time.time(), 0, [first.json()["vidimus_seq"]]
for i in range(ROTATIONS):
    a = api(issuer, "POST", "/keys/rotate")
    made += a.status == 201
    if a.status != 201:
        run.check("rotation %d" % i, False, a)
    elif i == 0:
        run.equal("a new key waits", a.json()["state"], "next")
        run.check("and is published", a.json()["kid"] in [k["kid"] for k in jwks().json()["keys"]])
    seqs.append(jwks().json()["vidimus_seq"])
    time.sleep(max(0, start + (i + 1) * 1.0 - time.time()))
last = a.json()["kid"]
end = time.time() + PUBLISH_BEFORE + 30
while states().get(last) != "active" and time.time() < end:
    time.sleep(0.5)
time.sleep(2)
for g in guests:
    g.stop = True
for g in guests:
    g.join(30)
requests = sum(g.requests for g in guests)
failures = [f for g in guests for f in g.failures]
kids = set().union(*(g.kids for g in guests))
run.equal("rotations", made, ROTATIONS)
run.check("no request failed", not failures, "%d of %d: %s" % (len(failures), requests, failures[:3]))
run.check("requests went on all the time", requests > ROTATIONS, requests)
run.check("most keys signed", len(kids) > ROTATIONS // 2, len(kids))
run.check("numbers of the set only grow", seqs == sorted(seqs) and seqs[-1] > seqs[0])
run.equal("the last key is the active one", states()[last], "active")
print("rotations under load: %d rotations, %d requests, %d failed, %d keys signed" % (made, requests, len(failures), len(kids)))

# ---- behind their passports, old keys go ----
end = time.time() + LIFE + LEEWAY + MAX_AGE + 15
while len(jwks().json()["keys"]) > 2 and time.time() < end:
    time.sleep(0.5)
run.equal("retired keys are out of the set", [k["kid"] for k in jwks().json()["keys"] if "vidimus_use" not in k], [last])
before = jwks()
issuer.restart()
run.equal("a restart changes nothing", (jwks().json(), jwks().header("etag")), (before.json(), before.header("etag")))
token, _ = lib.attest_sample(issuer.guest)
run.equal("the same key signs", lib.token_parts(token)[0]["kid"], last)
run.equal("and the broker takes it", lib.get_resource(broker.guest, "default/key/1", token).status, 200)

# ---- by the command line, at once; then revoked ----
token_file = os.path.join(folder, "token")
with open(os.open(token_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
    f.write(who.token(life=800))


def vidimus(*args):
    return subprocess.run([os.path.join(BIN, "vidimus"), *args, "--issuer-admin", issuer.admin, "--token-file", token_file],
                          capture_output=True, text=True, timeout=60)


done = vidimus("key", "rotate", "--now")
run.check("rotate --now", done.returncode == 0 and "active" in done.stdout, done)
now = [k for k, s in states().items() if s == "active"]
run.check("another key signs", now and now[0] != last, now)
token, _ = lib.attest_sample(issuer.guest)
run.equal("at once", lib.token_parts(token)[0]["kid"], now[0])
end = time.time() + 15  # the restart made a fetch fail, so the broker waits a little longer
while lib.get_resource(broker.guest, "default/key/1", token).status != 200 and time.time() < end:
    time.sleep(0.5)
    token, _ = lib.attest_sample(issuer.guest)
run.equal("the broker fetched it", lib.get_resource(broker.guest, "default/key/1", token).status, 200)
run.check("key list", "retiring" in vidimus("key", "list").stdout)
done = vidimus("key", "revoke", now[0])
run.check("key revoke", done.returncode == 0 and "revoked" in done.stdout, done)
run.check("out of the set at once", now[0] not in [k["kid"] for k in jwks().json()["keys"]])
run.equal("revoked twice: conflict", vidimus("key", "revoke", now[0]).returncode != 0, True)
run.equal("an unknown key: not found", vidimus("key", "revoke", "x").returncode, 5)
end = time.time() + MAX_AGE + 10
while lib.get_resource(broker.guest, "default/key/1", token).status == 200 and time.time() < end:
    time.sleep(0.5)
run.equal("the broker refuses its passports", lib.get_resource(broker.guest, "default/key/1", token).status, 401)
token, _ = lib.attest_sample(issuer.guest)
run.check("a fresh key signs", lib.token_parts(token)[0]["kid"] not in (last, now[0]))
records = [r["detail"].get("what") for r in issuer.audit() if r["event"] == "intent"]
run.equal("each rotation is on record", records.count("passport-key.rotate"), ROTATIONS)
run.equal("so is the revocation", records.count("passport-key.revoke"), 1)
private = open(os.path.join(issuer.folder, "store.sqlite"), "rb").read()
run.check("no private key lies open in the store", b"PRIVATE KEY" not in private)

# ---- keys that live in a PKCS#11 token ----
hsm = os.path.join(folder, "hsm")
os.mkdir(hsm)
with open(hsm + ".conf", "w") as f:
    f.write("directories.tokendir = %s\nlog.level = ERROR\n" % hsm)
with open(os.open(hsm + ".pin", os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
    f.write("1234\n")
env = dict(os.environ, SOFTHSM2_CONF=hsm + ".conf")
subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "vidimus", "--pin", "1234", "--so-pin", "123456"],
               check=True, env=env, stdout=subprocess.DEVNULL)
PKCS11 = ('[passport]\nissuer = "%s"\nkey_file = "' + folder + '/none.key"\npkcs11_module = "/usr/lib/softhsm/libsofthsm2.so"\npkcs11_token = "%s"\n'
          'pkcs11_key_label = "passport"\npkcs11_pin_file = "%s.pin"\n[tee.sample]\nenabled = true\n')
issuer = run.server("issuer", os.path.join(folder, "issuer-hsm"), BIN, admin + PKCS11 % (ISS, "vidimus", hsm), env=env)
token, _ = lib.attest_sample(issuer.guest)
lib.token_verify(token, jwks().json())
run.equal("its key is in the token", [k["origin"] for k in api(issuer, "GET", "/keys").json()["items"]], ["pkcs11"])
run.equal("rotation in the token", api(issuer, "POST", "/keys/rotate", {"now": True}).status, 201)
issuer.restart()
other, _ = lib.attest_sample(issuer.guest)
lib.token_verify(other, jwks().json())
run.check("another key signs", lib.token_parts(other)[0]["kid"] != lib.token_parts(token)[0]["kid"])
issuer.write_config(admin + PKCS11 % (ISS, "nobody", hsm))
code, out = issuer.verb("check-config")
run.equal("check-config takes the settings", code, 0)
issuer.stop()
code, out = issuer.verb("serve", timeout=30)
run.check("a token that is not there stops the start", code != 0 and "pkcs11_token" in out, out)
run.finish()
