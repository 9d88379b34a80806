#!/usr/bin/python3
"""Rotations of the issuer's keys under load: a hundred of the passport key, and beside them of the key of revocation
statements (a hundred with VD_LONG=1, else as many as fit). Guests attest and fetch a secret all the time from three
brokers that ask for the statement in turn and require it; no request fails and every broker follows the statements.
Keys are published before they sign and retire behind what they signed; a restart in the middle changes nothing; a
revoked key is out of the set at once and refused by the broker soon after.

VD_ROTATIONS and VD_STATEMENT_ROTATIONS set other numbers."""
import calendar
import itertools
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib  # noqa: E402

ROTATIONS = int(os.environ.get("VD_ROTATIONS", "100"))
STATEMENT_ROTATIONS = int(os.environ.get("VD_STATEMENT_ROTATIONS", "100" if os.environ.get("VD_LONG") == "1" else "20"))
PUBLISH_BEFORE, LIFE, MAX_AGE, LEEWAY = 6, 10, 1, 1
# A key of statements stays published for 120 s behind its last one, and there is room for 32.
EVERY, POLL, STATEMENT_LIFE = 5, 15, 120
ISS = "https://issuer.test"
ALLOW = "package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == \"resource\"\n"

run = lib.Run("rotation")
BIN = lib.bin_dir()
folder = run.folder()
who, admin = lib.make_admin_identity(folder)
issuer = run.server("issuer", os.path.join(folder, "issuer"), BIN, admin + (
    '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\nlifetime = %d\npublish_before = %d\njwks_max_age = %d\n'
    "[limits]\nleeway = %d\n[tee.sample]\nenabled = true\n" % (ISS, folder, LIFE, PUBLISH_BEFORE, MAX_AGE, LEEWAY)))


def make_broker(name):
    b = run.server("broker", os.path.join(folder, name), BIN, admin + (
        '[[trusted_issuer]]\nname = "main"\nissuer = "%s"\njwks_url = "%s/.well-known/jwks.json"\n'
        'revocation_url = "%s/.well-known/vidimus-revocation"\nrequire_revocation = true\nalgs = ["ES256"]\n'
        'tees = ["sample"]\nrepositories = ["*"]\naccept_simulated = true\n' % (ISS, issuer.guest, issuer.guest)))
    run.equal("release policy", lib.http_call("POST", b.guest + "/kbs/v0/resource-policy",
                                              {"policy": lib.b64u(ALLOW.encode())}, who.bearer()).status, 200)
    run.equal("secret", lib.http_call("POST", b.guest + "/kbs/v0/resource/default/key/1", b"a secret",
                                      dict(who.bearer(), **{"Content-Type": "application/octet-stream"})).status, 200)
    return b


def api(server, method, path, body=None):
    return lib.http_call(method, server.admin + "/api/v1" + path, body, who.bearer())


def jwks(**headers):
    return lib.http_call("GET", issuer.guest + "/.well-known/jwks.json", headers=headers)


def states(ring="keys"):
    return {k["kid"]: k["state"] for k in api(issuer, "GET", "/" + ring).json()["items"]}


def passport_keys():
    return [k["kid"] for k in jwks().json()["keys"] if "vidimus_use" not in k]


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def followed(b):
    """What a broker has of the issuer's statements, or None."""
    return api(b, "GET", "/trusted-issuers/main").json()["revocation"]


class Guest(threading.Thread):
    """Attests, fetches with the fresh passport and with an older one that is still alive, from each broker in turn."""

    def __init__(self, brokers):
        super().__init__(daemon=True)
        self.brokers = itertools.cycle(brokers)
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
                self.one("get", lib.get_resource(next(self.brokers).guest, "default/key/1", token))
                if old and time.time() < old_until:
                    self.one("get with an older passport", lib.get_resource(next(self.brokers).guest, "default/key/1", old))
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

# ---- brokers that ask in turn, so that one of them asks under each key of statements ----
brokers, began = [], time.time()
for i in range(POLL // EVERY):
    time.sleep(max(0, began + i * EVERY - time.time()))
    brokers.append(make_broker("broker-%d" % i))
broker = brokers[0]
for b in brokers:
    end = time.time() + POLL
    while not followed(b) and time.time() < end:
        time.sleep(0.1)
    run.check("a broker has the statement", followed(b))

# ---- rotations under load ----
logged = {b: os.path.getsize(b.log_path) for b in brokers}  # at a start a statement may come before its key
guests = [Guest(brokers) for _ in range(2)]
for g in guests:
    g.start()
seqs, taken, revoked = [first.json()["vidimus_seq"]], {b: set() for b in brokers}, 0
made, statements = [], []
for i in itertools.count():
    begun = time.time()
    if i < ROTATIONS:
        a = api(issuer, "POST", "/keys/rotate")
        made += [a.json()["kid"]] if run.equal("rotation %d" % i, a.status, 201) else []
        if i == 0:
            run.equal("a new key waits", a.json()["state"], "next")
            run.check("and is published", made[0] in passport_keys())
    if i % EVERY == 0 and i // EVERY < STATEMENT_ROTATIONS:
        a = api(issuer, "POST", "/revocation-keys/rotate")
        if run.equal("rotation %d of the key of statements" % (i // EVERY), a.status, 201):
            statements.append(a.json()["kid"])
    if i % (4 * EVERY) == 0 and i // EVERY < STATEMENT_ROTATIONS:
        a = api(issuer, "POST", "/revocations", {"type": "hw-id", "value": "%064x" % i})
        revoked += run.equal("a platform is revoked", a.status, 201)
    seqs.append(jwks().json()["vidimus_seq"])
    for b in brokers:
        taken[b].add(seconds(followed(b)["expires_at"]) - STATEMENT_LIFE)
    if i >= max(ROTATIONS, EVERY * STATEMENT_ROTATIONS) - 1:
        break
    time.sleep(max(0, begun + 1 - time.time()))
last, last_of_statements = made[-1], statements[-1]
end = time.time() + PUBLISH_BEFORE + 30
while (states().get(last), states("revocation-keys").get(last_of_statements)) != ("active", "active") and time.time() < end:
    time.sleep(0.5)
since, end = int(time.time()), time.time() + POLL + 15
while time.time() < end and not all(max(taken[b]) >= since for b in brokers):
    for b in brokers:
        taken[b].add(seconds(followed(b)["expires_at"]) - STATEMENT_LIFE)
    time.sleep(0.5)
for g in guests:
    g.stop = True
for g in guests:
    g.join(30)
requests = sum(g.requests for g in guests)
failures = [f for g in guests for f in g.failures]
kids = set().union(*(g.kids for g in guests))
run.equal("rotations", (len(made), len(statements)), (ROTATIONS, STATEMENT_ROTATIONS))
run.check("no request failed", not failures, "%d of %d: %s" % (len(failures), requests, failures[:3]))
run.check("requests went on all the time", requests > ROTATIONS, requests)
run.check("most keys signed", len(kids) > ROTATIONS // 2, len(kids))
run.check("numbers of the set only grow", seqs == sorted(seqs) and seqs[-1] > seqs[0])
run.equal("the last key is the active one", states()[last], "active")

# ---- every broker went along with the key of statements ----
ring = sorted((seconds(k["active_at"]), k["kid"]) for k in api(issuer, "GET", "/revocation-keys").json()["items"])


def signer(when):
    return [kid for at, kid in ring if at <= when][-1]


by = {b: {signer(when) for when in taken[b]} for b in brokers}
followed_kids = set().union(*by.values())
run.check("most keys signed a statement that a broker took", len(followed_kids) > STATEMENT_ROTATIONS // 2, len(followed_kids))
for b in brokers:
    run.check("each broker took statements of new keys", len(by[b]) > STATEMENT_ROTATIONS // (2 * len(brokers)), len(by[b]))
    run.check("the last one too", last_of_statements in by[b], by[b])
    run.equal("and what they say", followed(b)["hw_id"], revoked)
    gaps = [late - early for early, late in zip(sorted(taken[b]), sorted(taken[b])[1:])]
    run.check("it never went without one", max(gaps) < STATEMENT_LIFE, gaps)
    with open(b.log_path, errors="replace") as f:
        f.seek(logged[b])
        log = f.read()
    run.check("it refused none", "revocation statement of main" not in log, log[-800:])
print("rotations under load: %d of the passport key, %d of the key of statements, %d requests, %d failed; %d keys signed "
      "passports, %d statements that were taken by %d brokers, %d in all"
      % (len(made), len(statements), requests, len(failures), len(kids), len(followed_kids), len(brokers),
         sum(len(taken[b]) for b in brokers)))

# ---- behind their passports, old keys go ----
end = time.time() + LIFE + LEEWAY + MAX_AGE + 15
while len(passport_keys()) > 1 and time.time() < end:
    time.sleep(0.5)
run.equal("retired keys are out of the set", passport_keys(), [last])
before = jwks().json()["vidimus_seq"]
issuer.restart()
run.check("the number outlasts a restart", jwks().json()["vidimus_seq"] >= before)
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
run.equal("each rotation is on record", [records.count(kind + ".rotate") for kind in ("passport-key", "revocation-key")],
          [ROTATIONS, STATEMENT_ROTATIONS])
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
before = jwks()
issuer.restart()
run.equal("a restart changes nothing", (jwks().json(), jwks().header("etag")), (before.json(), before.header("etag")))
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
