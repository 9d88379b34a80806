"""Policies under attack, with the real programs: bombs deny and the servers live, what reaches out is refused when
it is set, killed workers are replaced, and the processes end together. Usage: policies_e2e.py BIN_DIR"""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from broker_e2e import ISS, Signer, claims, entry, jwks_file

# The path decides what the policy does.
POLICY = """package policy
import rego.v1
default allow := false
path := data["resource-path"]
allow if path[1] == "key"
allow if { path[1] == "range"; count(numbers.range(1, 1000000000)) == 0 }
allow if { path[1] == "width"; sprintf("%1000000000d", [1]) == "" }
n := numbers.range(1, 10000)
allow if { path[1] == "loops"; some i in n; some j in n; some k in n; i + j + k == 0 }
f(x) := f([x])
allow if { path[1] == "deep"; f(1) with input as {} }
""" + "r0 := [1]\nt0 := [1]\n" + "".join("r%d := [r%d, r%d]\nt%d := [t%d, t%d]\n" % (i, i - 1, i - 1, i, i - 1, i - 1)
                                        for i in range(1, 90)) + 'allow if { path[1] == "equal"; r89 == t89 }\n'
BOMBS = ["range", "width", "loops", "deep", "equal"]


def parents():
    """pid -> (parent, name) of every process that lives."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    text = f.read()
            except OSError:
                continue
            rest = text[text.rindex(")") + 2:].split()
            if rest[0] != "Z":
                found[int(name)] = (int(rest[1]), text[text.index("(") + 1:text.rindex(")")])
    return found


def children(pid):
    return [p for p, (parent, _) in parents().items() if parent == pid]


def until(what, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


class Test:
    def __init__(self):
        self.run = lib.Run("policies")
        self.check, self.equal = self.run.check, self.run.equal
        folder = self.run.folder()
        who, admin = lib.make_admin_identity(folder, allow=["* /api/v1/*", "* /kbs/v0/*", "GET /metrics"])
        self.who, self.signer, self.key = who, Signer(), lib.TeeKey()
        keys = jwks_file(folder, "keys.json", [self.signer.public()])
        self.server = self.run.server("broker", folder, lib.bin_dir(), entry("main", ISS, 'jwks_file = "%s"' % keys) +
                                      '[log]\nlevel = "warn"\n[limits]\npolicy_workers = 3\nreleases_per_passport = 100000\n' + admin)
        self.token = self.signer.sign(claims(self.key))

    def set_policy(self, text):
        return lib.http_call("POST", self.server.guest + "/kbs/v0/resource-policy", {"policy": lib.b64u(text.encode())},
                             self.who.bearer())

    def get(self, tag):
        return lib.get_resource(self.server.guest, "default/%s/1" % tag, token=self.token)

    def nursery(self):
        return children(self.server.process.pid)[0]

    def kill_workers(self):
        for pid in children(self.nursery()):
            os.kill(pid, signal.SIGKILL)

    def bombs(self):
        self.equal("the policy is set", self.set_policy(POLICY).status, 200)
        for tag in ["key"] + BOMBS:
            a = lib.http_call("POST", self.server.guest + "/kbs/v0/resource/default/%s/1" % tag, b"secret", self.who.bearer())
            self.equal("secret " + tag, a.status, 200)
        self.equal("the key is released", self.get("key").status, 200)
        pid = self.server.process.pid
        for tag in BOMBS:
            a = self.get(tag)
            self.equal(tag + ": denied", (a.status, lib.error_type(a)), (403, "PolicyEngineError"))
            self.check(tag + ": has a decision id", a.header("Vidimus-Decision"))
            self.equal(tag + ": the key is still released", self.get("key").status, 200)
        self.check("the server lives", self.server.process.poll() is None and self.server.process.pid == pid)

    def crowd(self):
        """Bombs from three sides; good requests under the same policy are answered, at worst later."""
        stop, seen = threading.Event(), []

        def attack(tag):
            while not stop.is_set():
                seen.append(self.get(tag).status)
        threads = [threading.Thread(target=attack, args=(t,)) for t in BOMBS[:3]]
        for t in threads:
            t.start()
        good, end = [], time.time() + 60
        while good.count(200) < 20 and time.time() < end:
            good.append(self.get("key").status)
        stop.set()
        for t in threads:
            t.join()
        self.check("good requests among bombs: only 200 and 503", set(good) <= {200, 503}, good)
        self.equal("twenty of them were answered", good.count(200), 20)
        self.check("no bomb was answered", set(seen) <= {403, 503}, seen)
        print("beside %d bombs: %d answers, %d asked to come again" % (len(seen), good.count(200), good.count(503)))
        metrics = lib.http_call("GET", self.server.admin + "/metrics", headers=self.who.bearer()).body.decode()
        failed = [int(line.split()[1]) for line in metrics.splitlines() if line.startswith("vidimus_policy_workers_failed_total ")]
        self.check("metrics count what was stopped", failed and failed[0] > 0, metrics[-2000:])

    def refused(self):
        for name in ("http.send({})", "opa.runtime()", "net.lookup_ip_addr(\"x\")"):
            text = "package policy\n\nallow if %s\n" % name
            a = self.set_policy(text)
            self.equal(name + ": KBS answer", (a.status, lib.error_type(a)), (401, "PolicyEngineError"))
            etag = lib.http_call("GET", self.server.admin + "/api/v1/release-policies/resource-policy",
                                 headers=self.who.bearer()).header("ETag")
            a = lib.http_call("PUT", self.server.admin + "/api/v1/release-policies/resource-policy", text.encode(),
                              dict(self.who.bearer(), **{"If-Match": etag, "Content-Type": "text/plain"}))
            self.equal(name + ": place", (a.status, a.json().get("line"), a.json().get("column")), (400, 3, 10))
        nested = "package policy\nallow := " + "[" * 31 + "]" * 31 + "\n"
        self.equal("a text that cannot be compiled in time", self.set_policy(nested).status, 401)
        self.equal("the policy before stays", self.get("key").status, 200)

    def killed(self):
        for _ in range(3):
            self.kill_workers()
            until(lambda: not children(self.nursery()))
            self.equal("workers killed while idle are replaced", self.get("key").status, 200)
        answers = []
        t = threading.Thread(target=lambda: answers.append(self.get("equal")))
        t.start()
        time.sleep(0.1)
        self.kill_workers()
        t.join()
        self.equal("killed in the middle: denied", answers[0].status, 403)
        self.equal("then the next one is answered", self.get("key").status, 200)
        for pid in [self.nursery()] + children(self.nursery()):
            os.kill(pid, signal.SIGTERM)
        self.equal("SIGTERM is for the server alone", self.get("key").status, 200)

    def ends(self):
        def whole():
            return {self.nursery(), *children(self.nursery())}
        old = whole()
        self.server.kill()
        self.check("kill -9 of the server ends all processes", until(lambda: not old & set(parents())))
        self.server.start()
        self.equal("started again", self.get("key").status, 200)
        old = whole()
        os.kill(self.nursery(), signal.SIGKILL)
        self.check("without the process that workers come from the server stops",
                   until(lambda: self.server.process.poll() is not None))
        self.equal("with status 1", self.server.process.returncode, 1)
        self.check("and says so", "the process of the policy workers was ended from outside" in self.server.log())
        self.check("no worker is left", until(lambda: not old & set(parents())))
        self.server.process = None
        self.server.start()
        self.equal("started once more", self.get("key").status, 200)
        old = whole()
        self.equal("SIGTERM stops", self.server.stop(), 0)
        self.check("and leaves no process", until(lambda: not old & set(parents())))


if __name__ == "__main__":
    test = Test()
    try:
        for part in (test.bombs, test.crowd, test.refused, test.killed, test.ends):
            part()
    finally:
        test.run.finish()
