#!/usr/bin/python3
"""The wall clock of both servers is put forward and back under load: by seconds, an hour, days. No request is dropped and
none is a server error; what is over is refused; a fresh handshake works soon after each step; a statement of revocation of
a time to come is not trusted (a reset of the issuer ends that), and what was revoked is refused at each time.

usage: clock_e2e.py BIN_DIR SHIM     (SHIM: the library of tests/crash/shim, which puts the clock)"""
import collections
import http.client
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "crash"))
import lib  # noqa: E402
import shim as shims  # noqa: E402

ISS = "https://issuer.test"
STEPS = [5, -5, 3600, -3600, 2 * 86400, -2 * 86400, -30 * 86400, 30 * 86400]
SOON = 75  # seconds after which the broker must have looked again, whatever the clock did

run = lib.Run("clock")
BIN = lib.bin_dir()
folder = run.folder()
who, admin = lib.make_admin_identity(folder)
shim = shims.Shim(folder, os.path.abspath(sys.argv[2]))
issuer = run.server("issuer", folder + "/issuer", BIN, env=shim.env, config=(
    '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\n[tee.sample]\nenabled = true\n' % (ISS, folder)) + admin)
broker = run.server("broker", folder + "/broker", BIN, env=shim.env, config=(
    '[[trusted_issuer]]\nname = "main"\nissuer = "%s"\njwks_url = "%s/.well-known/jwks.json"\nrevocation_url = "%s/.well-known/'
    'vidimus-revocation"\nrequire_revocation = true\nalgs = ["ES256"]\ntees = ["*"]\nrepositories = ["*"]\naccept_simulated = true\n'
    % (ISS, issuer.guest, issuer.guest)) + admin)
offset = [0]


def put_clock(seconds):
    offset[0] += seconds
    shim.set(clock=offset[0] * 1000000000)


def bearer():
    """A token of the servers' time."""
    return who.bearer(now=int(time.time()) + offset[0])


def get(token):
    return lib.get_resource(broker.guest, "r/t/1", token)


class Guest(threading.Thread):
    """Attests and fetches without end, and notes what it is told."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stop, self.seen, self.odd = False, collections.Counter(), []

    def run(self):
        key = lib.TeeKey()
        while not self.stop:
            try:
                token, a = lib.attest_sample(issuer.guest, key)
                self.note("attest", a, (200, 401))
                if token:
                    self.note("fetch", get(token), (200, 401, 503))
            except (OSError, http.client.HTTPException) as failure:
                self.odd.append(repr(failure))
            except AttributeError:  # /auth was refused
                self.odd.append("auth")

    def note(self, what, a, good):
        self.seen[what, a.status] += 1
        if a.status not in good:
            self.odd.append((what, a.status, a.body[:200]))


def fresh():
    token, a = lib.attest_sample(issuer.guest, lib.TeeKey())
    return get(token).status if token else a.status


def until_good(what):
    end = time.time() + SOON
    while fresh() != 200 and time.time() < end:
        time.sleep(0.3)
    run.equal(what + ": a fresh handshake is good", fresh(), 200)


def until_refused(what):
    time.sleep(3)
    token, a = lib.attest_sample(issuer.guest, lib.TeeKey())
    run.check(what + ": the issuer goes on", token, a)
    run.equal(what + ": the broker trusts no statement of a time to come", get(token).status, 503)


def main():
    lib.http_call("POST", broker.guest + "/kbs/v0/resource-policy", {"policy": lib.b64u(b"package policy\nallow := true\n")}, bearer())
    lib.http_call("POST", broker.guest + "/kbs/v0/resource/r/t/1", b"a secret", bearer())
    until_good("at the start")
    taken_back = lib.attest_sample(issuer.guest, lib.TeeKey())[0]
    run.equal("revoke", lib.http_call("POST", issuer.admin + "/api/v1/revocations", {
        "type": "jti", "value": lib.token_parts(taken_back)[1]["jti"]}, bearer()).status, 201)
    end = time.time() + 25
    while get(taken_back).status != 401 and time.time() < end:
        time.sleep(0.3)
    guests = [Guest() for _ in range(2)]
    for g in guests:
        g.start()
    for step in STEPS:
        token = lib.attest_sample(issuer.guest, lib.TeeKey())[0]
        before = get(token).status
        put_clock(step)
        what = "%+d s" % step
        after = get(token).status
        if abs(step) > 600:
            run.check(what + ": a passport of another time is refused", after in (401, 503), after)
        else:
            run.equal(what + ": a passport within the leeway is good", (before, after), (200, 200))
        run.check(what + ": what was revoked is refused", get(taken_back).status in (401, 503))
        if step < -600:
            # The broker has seen statements of a later time, and takes no older ones before it is told to.
            until_refused(what)
            run.equal(what + ": reset", lib.http_call("POST", broker.admin + "/api/v1/trusted-issuers/main/reset", None, bearer()).status, 200)
        until_good(what)
        a = lib.http_call("PUT", broker.admin + "/api/v1/secrets/r/t/%d" % (1000 + STEPS.index(step)), b"x",
                          dict(bearer(), **{"If-None-Match": "*"}))
        run.equal(what + ": an administrator's token of the new time is good", a.status, 201)
    for g in guests:
        g.stop = True
    for g in guests:
        g.join(30)
        run.check("no request was dropped, none a server error", not g.odd, g.odd[:3])
    for server in (issuer, broker):
        server.restart()
        done = subprocess.run([os.path.join(BIN, "vidimus"), "audit", "verify", os.path.join(server.folder, "audit.log")],
                              capture_output=True, text=True)
        run.equal("%s: the record verifies" % server.program, done.returncode, 0)
    until_good("after restarts")
    seen = sum((g.seen for g in guests), collections.Counter())
    print("clock: %d steps, %s" % (len(STEPS), ", ".join("%s %d: %d" % (*k, n) for k, n in sorted(seen.items()))))


if __name__ == "__main__":
    try:
        main()
    except Exception as failure:  # the servers must end whatever happens
        run.check("nothing breaks off", False, repr(failure))
    run.finish()
