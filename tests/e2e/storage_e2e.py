#!/usr/bin/python3
"""The real servers on disks that fill up, turn read-only, fail, and on files that were damaged, swapped or put back from
yesterday; and the audit record from an answer's header to a receipt that is checked without a server.

usage: storage_e2e.py BIN_DIR SHIM     (SHIM: the library of tests/crash/shim, which fails system calls)"""
import contextlib
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "crash"))
import lib  # noqa: E402
import shim as shims  # noqa: E402
from broker_kill import ISS, Reader  # noqa: E402

run = lib.Run("storage")
BIN = lib.bin_dir()
CLI = os.path.join(BIN, "vidimus")
LIBRARY = os.path.abspath(sys.argv[2])
SECRET = b"the secret that must not leave without a record"


class Site:
    """A broker with one secret, one administrator, and a guest that may have it."""

    def __init__(self, audit="", shim=True):
        self.folder = run.folder()
        self.shim = shims.Shim(self.folder, LIBRARY)
        self.reader = Reader(self.folder)
        self.admin, admin_toml = lib.make_admin_identity(self.folder)
        config = audit + (
            '[[trusted_issuer]]\nname = "main"\nissuer = "%s"\njwks_file = "%s"\nalgs = ["ES256"]\ntees = ["snp"]\n'
            'repositories = ["*"]\nassume_freshness = "issuer-nonce"\n[limits]\nreleases_per_passport = 100000\n'
            % (ISS, self.reader.file)) + admin_toml
        self.server = run.server("broker", self.folder, BIN, config, env=self.shim.env if shim else None)
        post = lambda path, body: lib.http_call("POST", self.server.guest + path, body, self.admin.bearer())  # noqa: E731
        post("/kbs/v0/resource-policy", {"policy": lib.b64u(b"package policy\nallow := true\n")})
        post("/kbs/v0/resource/r/key/1", SECRET)
        self.n = 0

    def release(self):
        return lib.get_resource(self.server.guest, "r/key/1", self.reader.passport())

    def put(self, name="r/key/2"):
        self.n += 1
        a = lib.http_call("POST", self.server.guest + "/kbs/v0/resource/" + name, b"value %d" % self.n, self.admin.bearer())
        return a.status

    def health(self):
        return lib.http_call("GET", self.server.guest + "/healthz").status

    def path(self, name):
        return os.path.join(self.folder, name)

    def good(self, what):
        a = self.release()
        run.check(what + ": released", a.status == 200 and self.reader.tee.open(a.body) == SECRET, repr(a))
        run.equal(what + ": stored", self.put(), 200)
        run.equal(what + ": healthy", self.health(), 200)
        return a

    def refused(self, what, health=503):
        """Nothing leaves, nothing is acknowledged; the answers are errors of ours, not silence."""
        for _ in range(3):
            a = self.release()
            run.check(what + ": not released", a.status == 503 and SECRET not in a.body, repr(a))
            run.check(what + ": not stored", self.put() in (500, 503))
        if health:
            run.equal(what + ": not healthy", self.health(), health)

    def verify(self, what, *args, code=0):
        done = subprocess.run([CLI, "audit", "verify", self.path("audit.log"), "--key", self.path("audit.log.pub"), "--json", *args],
                              capture_output=True, text=True)
        run.check(what + ": audit verify", done.returncode == code, done.stdout + done.stderr)
        return json.loads(done.stdout) if code == 0 and done.returncode == 0 else done.stderr

    def will_not_start(self, what, *says):
        try:
            self.server.start()
            run.check(what + ": the start is refused", False, "it started")
            self.server.stop()
        except RuntimeError as e:
            self.server.process = None
            text = str(e).splitlines()[-1] if str(e).splitlines() else ""
            run.check(what + ": the start names it", all(s in str(e) for s in says), "wanted %r in: %s" % (says, str(e)[-500:]))
            return text


# ---- disks ------------------------------------------------------------------------------------------


def full_and_read_only():
    """Fails closed with an error that says so, and recovers without a restart."""
    s = Site("reserve = 65536\n")
    for what, fault in (("full", shims.FULL), ("read-only", shims.READ_ONLY), ("quota", dict(shims.FULL, error=errno.EDQUOT))):
        s.good("before " + what)
        records = len(s.server.audit())
        s.shim.fail(**fault)
        s.refused(what, None)
        run.check(what + ": calls failed", s.shim.failed > 0)
        run.equal(what + ": nothing was recorded as released", len(s.server.audit()), records)
        s.shim.heal()
        end = time.time() + 10
        while s.release().status != 200 and time.time() < end:
            time.sleep(0.1)
        s.good("after " + what)
        s.verify("after " + what)
    log = s.server.log()
    run.check("the log says what is full", "audit.log: No space left on device" in log, log[-2000:])
    run.check("and when it is over", "there is space again" in log)
    # half of a record is written, then nothing more: it is cut off again
    for _ in range(3):
        s.shim.fail(half=True, **shims.FULL)
        s.refused("full in the middle of a record", None)
        s.shim.heal()
        time.sleep(1.1)
        s.good("after it")
    s.server.restart()
    s.good("after a restart")
    r = s.verify("whole")
    run.check("signed", r["checkpoints"] > 0, repr(r))


def broken_disk():
    """After a failed sync or an I/O error nothing more is acknowledged or released until a restart."""
    s = Site()
    for what, fault, times in (("failed fsync", shims.BROKEN_SYNC, 1), ("I/O error of a write", shims.BROKEN_WRITE, 1),
                               ("failed fsync for good", shims.BROKEN_SYNC, shims.EVER)):
        s.good("before " + what)
        s.shim.fail(times=times if times == shims.EVER else 60, **fault)
        a = s.release()
        run.equal(what + ": not released", a.status, 503)
        s.shim.heal()  # the disk is well again, but what it holds is not known
        s.refused("after " + what)
        run.check(what + ": the log says why", "nothing is released or changed until a restart" in s.server.log())
        s.server.restart()
        s.good("restarted after " + what)
        s.verify("restarted after " + what)


def broken_commit():
    """The record is durable, the store's sync fails: the change is not acknowledged, and the restart finds out."""
    s = Site()
    bad = 0
    for n in range(1, 14):
        s.good("before sync %d" % n)
        s.shim.fail(n=n, times=1, **dict(shims.BROKEN_SYNC, calls=shims.SYNC | shims.WRITE))
        status = s.put("r/key/3")
        failed = s.shim.failed
        s.shim.heal()
        if status == 200:  # the fault hit what comes behind the answer, or nothing
            s.server.restart()
            continue
        bad += 1
        run.check("call %d: not acknowledged" % n, status in (500, 503) and failed > 0, str(status))
        s.refused("call %d" % n)
        s.server.restart()
    run.check("faults hit commits", bad >= 4, str(bad))
    s.verify("in the end")


# ---- files -------------------------------------------------------------------------------------------


def damaged_store():
    s = Site()
    for i in range(60):
        s.put("r/many/%d" % i)
    s.server.stop()
    db = s.path("store.sqlite")
    whole = open(db, "rb").read()
    other = Site()
    other.server.stop()
    foreign = open(other.path("store.sqlite"), "rb").read()
    page = 4096
    cases = [("empty", b""), ("not a database", b"hello" * 2000), ("cut at a page", whole[:3 * page]),
             ("cut in a page", whole[:len(whole) - 100]), ("cut to its header", whole[:100]), ("another server's", foreign)]
    for at in range(1, len(whole) // page):
        cases.append(("header of page %d" % (at + 1), whole[:at * page] + b"\xff" * 16 + whole[at * page + 16:]))
    for at in range(0, len(whole) // page, 3):
        cases.append(("zeros in page %d" % (at + 1), whole[:at * page] + bytes(page) + whole[(at + 1) * page:]))
    named = 0
    for what, data in cases:
        with open(db, "wb") as f:
            f.write(data)
        for extra in ("-wal", "-shm"):
            if os.path.exists(db + extra):
                os.unlink(db + extra)
        s.will_not_start("store: " + what, db)
        named += 1
    os.unlink(db)
    s.will_not_start("store: gone", db, "does not exist")
    with open(db, "wb") as f:
        f.write(whole)
    s.server.start()
    s.good("the whole store again")
    print("storage: %d damaged stores named" % (named + 1))


@contextlib.contextmanager
def edited(db, whole):
    """The store as it was, open for somebody with an editor."""
    for extra in ("-wal", "-shm"):
        if os.path.exists(db + extra):
            os.unlink(db + extra)
    with open(db, "wb") as f:
        f.write(whole)
    with contextlib.closing(sqlite3.connect(db)) as c:
        yield c
        c.commit()


def flipped_rows():
    """Any changed column and any two rows swapped: the row is refused by name when it is asked for, never served."""
    s = Site()
    for i in range(4):
        s.put("r/row/%d" % i)
    s.server.stop()
    db = s.path("store.sqlite")
    whole = open(db, "rb").read()
    with edited(db, whole) as c:
        columns = [r[1] for r in c.execute("pragma table_info(object)") if r[1] != "id"]  # the place of a row
    cases = 0
    for column in columns:
        with edited(db, whole) as c:
            value = c.execute("select %s from object where name='r/row/0'" % column).fetchone()[0]
            if isinstance(value, bytes):
                changed = bytes([value[0] ^ 1]) + value[1:]
            elif isinstance(value, int):
                changed = value + 1000
            elif isinstance(value, str):
                changed = "deleted" if column == "state" else value + "x"
            else:
                continue
            if column == "name":
                changed = "r/row/9"
            c.execute("update object set %s=? where name='r/row/0'" % column, (changed,))
        name = "r/row/9" if column == "name" else "r/row/0"
        s.server.start()
        a = lib.get_resource(s.server.guest, name, s.reader.passport())
        run.check("column %s changed: not served" % column, a.status != 200 and b"ciphertext" not in a.body, repr(a))
        run.equal("the others are", s.release().status, 200)
        s.server.stop()
        cases += 1
    with edited(db, whole) as c:
        rows = dict(c.execute("select name, body from object where name in ('r/row/1','r/row/2')").fetchall())
        c.execute("update object set body=? where name='r/row/1'", (rows["r/row/2"],))
        c.execute("update object set body=? where name='r/row/2'", (rows["r/row/1"],))
    s.server.start()
    for name in ("r/row/1", "r/row/2"):
        a = lib.get_resource(s.server.guest, name, s.reader.passport())
        run.check("swapped row %s: not served" % name, a.status == 500 or a.status == 503, repr(a))
    run.check("a damaged row is named in the log", "r/row/0" in s.server.log())
    print("storage: %d columns changed" % cases)


def copy_state(s, names, to):
    os.makedirs(to, exist_ok=True)
    for n in names:
        if os.path.exists(s.path(n)):
            shutil.copy(s.path(n), os.path.join(to, n))


STORE = ("store.sqlite", "store.sqlite-wal", "store.sqlite-shm")


def rolled_back():
    s = Site()
    s.server.stop()
    yesterday = s.path("yesterday")
    copy_state(s, STORE + ("audit.log", "audit.log.head"), yesterday)
    s.server.start()
    for _ in range(3):
        s.good("today")
    s.server.stop()
    today = s.path("today")
    copy_state(s, STORE + ("audit.log", "audit.log.head"), today)

    def put_back(folder, names):
        for n in STORE if names is STORE else ():
            if os.path.exists(s.path(n)):
                os.unlink(s.path(n))
        copy = [n for n in names if os.path.exists(os.path.join(folder, n))]
        for n in copy:
            shutil.copy(os.path.join(folder, n), s.path(n))

    # the store alone
    put_back(yesterday, STORE)
    s.will_not_start("older store", "the store lacks change", "accept-rollback")
    code, out = s.server.verb("accept-rollback")
    run.check("without --yes it only says what it is", code == 1 and "the store lacks change" in out and "--yes" in out, out)
    s.will_not_start("and nothing was accepted", "the store lacks change")
    code, out = s.server.verb("accept-rollback", "--yes")
    run.check("accepted", code == 0 and "accepted and recorded" in out, out)
    s.server.start()
    a = s.release()
    run.check("it goes on with the older store", a.status == 200, repr(a))
    events = [(r["event"], r["detail"].get("identity")) for r in s.server.audit()]
    run.check("and that is recorded", ("rollback-accepted", "console uid %d" % os.getuid()) in events, repr(events[-5:]))
    code, out = s.server.verb("accept-rollback", "--yes")
    run.check("not while the server runs", code == 1 and "already" in out, out)
    s.server.stop()
    code, out = s.server.verb("accept-rollback", "--yes")
    run.check("nothing to accept any more", code == 0 and "nothing was rolled back" in out, out)
    s.verify("after the acceptance")

    # the record alone: its head file tells
    put_back(today, STORE)
    put_back(today, ("audit.log", "audit.log.head"))
    put_back(yesterday, ("audit.log",))
    s.will_not_start("older record", "but its head file tells of", "accept-rollback")
    put_back(today, ("audit.log",))
    os.unlink(s.path("audit.log.head"))
    s.will_not_start("head file gone", "audit.log.head is missing")
    put_back(yesterday, ("audit.log.head",))
    s.server.start()
    s.good("an older head of the same record is no harm")
    s.server.stop()

    # everything together: only a head that somebody kept elsewhere shows it
    kept = s.path("kept.head")
    shutil.copy(s.path("audit.log.head"), kept)
    put_back(yesterday, STORE)
    put_back(yesterday, ("audit.log", "audit.log.head"))
    s.server.start()
    s.server.stop()
    text = s.verify("all files of yesterday, with the head that was kept", "--head", kept, code=8)
    run.check("it says which record is not there", "head that was kept" in text, text)
    s.verify("all files of yesterday, without it")


def second_process():
    s = Site()
    code, out = s.server.verb("serve")
    run.check("a second process is refused", code == 1 and "is held" in out and str(s.server.process.pid) in out, out)
    s.good("the first goes on")
    s.server.kill()
    s.server.start()
    s.good("the lock of a process that was killed holds nobody up")


# ---- the record -------------------------------------------------------------------------------------------


def record():
    s = Site("checkpoint_records = 20\nrotate_bytes = 65536\n")
    env = dict(os.environ, VIDIMUS_BROKER_ADMIN_URL=s.server.admin)
    token = s.path("token")
    with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
        f.write(s.admin.token())

    def cli(what, code, *args):
        done = subprocess.run([CLI, "audit", *args], capture_output=True, text=True, env=env)
        run.check(what, done.returncode == code, "%d\n%s%s" % (done.returncode, done.stdout[-500:], done.stderr[-500:]))
        return done.stdout

    remote = ("--server", "broker", "--token-file", token)
    head, key, pub = s.path("kept.head"), s.path("key.jwk"), s.path("audit.log.pub")
    cli("key", 0, "key", *remote, "--out", key)
    cli("head", 0, "head", *remote, "--out", head)
    seqs = [int(s.good("release %d" % i).header("Vidimus-Audit")) for i in range(60)]
    run.check("sequences grow", seqs == sorted(set(seqs)))
    for i in range(100):  # until the record has several files
        s.release()
    older = [n for n in os.listdir(s.folder) if n.startswith("audit.log.0")]
    run.check("the record has several files", len(older) >= 1, repr(older))
    for seq in (seqs[0], seqs[30], seqs[-1]):
        receipt = s.path("receipt")
        cli("receipt", 0, "receipt", str(seq), *remote, "--out", receipt)
        said = json.loads(cli("check it with the PEM", 0, "check-receipt", receipt, "--key", pub, "--json"))
        run.equal("it is about that record", (said["seq"], said["event"]), (seq, "release"))
        cli("check it with the JWK", 0, "check-receipt", receipt, "--key", key)
        line = json.load(open(receipt))["record"]
        cli("and with the record", 0, "check-receipt", receipt, "--key", pub, "--record", line)
        cli("not with another", 8, "check-receipt", receipt, "--key", pub, "--record", line.replace("r/key/1", "r/key/2"))
        cli("not with another key", 8, "check-receipt", receipt, "--key", s.admin.public_file)
        forged = json.load(open(receipt))
        forged["record"] = line.replace("r/key/1", "r/key/2")
        with open(s.path("forged"), "w") as f:
            json.dump(forged, f)
        cli("not changed", 8, "check-receipt", s.path("forged"), "--key", pub)
    cli("no receipt of what is not there", 5, "receipt", "99999999", *remote)
    pages, after = [], 0
    while after is not None:
        a = lib.http_call("GET", s.server.admin + "/api/v1/audit?limit=50&after=%d" % after, None, s.admin.bearer()).json()
        pages += [r["seq"] for r in a["items"]]
        after = a["next"]
    run.equal("pages go over all files", pages, list(range(1, len(pages) + 1)))
    s.server.stop()
    whole = s.verify("all files")
    run.check("every record is signed at the end", whole["signed_to"] == whole["last_seq"] - 1 and whole["files"] == len(older) + 1, repr(whole))
    s.verify("with the head that was kept", "--head", head)
    part = s.path("part.jsonl")
    said = json.loads(cli("export", 0, "export", s.path("audit.log"), "--from", str(seqs[10]), "--to", str(seqs[40]), "--key", pub,
                          "--out", part, "--json"))
    alone = json.loads(cli("the export alone", 0, "verify", part, "--key", pub, "--json"))
    run.check("it holds what was asked for", alone["export"] and alone["first_seq"] <= seqs[10] and alone["last_seq"] >= seqs[40]
              and said["records"] == alone["records"], repr((said, alone)))
    lines = open(part).read().splitlines(True)
    for what, text in (("a line less", lines[:5] + lines[6:]), ("the end cut", lines[:-1]), ("a byte changed", [
            lines[0], lines[1].replace("r/key", "r/kex")] + lines[2:])):
        with open(part, "w") as f:
            f.writelines(text)
        cli("export, " + what, 8, "verify", part, "--key", pub)
    os.rename(s.path(sorted(older)[0]), s.path("away"))
    s.server.start()
    s.good("without the oldest file")


def main():
    for test in (full_and_read_only, broken_disk, broken_commit, damaged_store, flipped_rows, rolled_back, second_process, record):
        began = time.time()
        before = run.passed
        test()
        print("%-20s %3d checks, %.1f s" % (test.__name__, run.passed - before, time.time() - began), flush=True)
    run.finish()


if __name__ == "__main__":
    main()
