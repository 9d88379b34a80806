"""Crowds and floods against the real programs, counts only: idle half-requests held open beside good traffic,
ceilings of connections, full queues, limits per source and passport, memory under /auth and under spent
challenges. Usage: floods.py BIN_DIR [RELEASE_BIN_DIR]
Memory is measured with the release build when there is one. VD_LONG=1: ten minutes of each flood."""
import json
import os
import re
import select
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from broker_e2e import ALLOW, ISS, Signer, claims, entry, jwks_file

AUTH = b'{"version":"0.4.0","tee":"sample","extra-params":""}'
AUTH_REQUEST = b"POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(AUTH) + AUTH
LONG = os.environ.get("VD_LONG") == "1"
IDLE = 2000

# How far a stranger goes before he falls silent.
HALVES = [
    b"", b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: a\r\n", b"POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nX: ",
    b"POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
    AUTH_REQUEST[:-1],
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + b"A" * 3000,
]


def dial(port, source="127.0.0.1", timeout=20):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))


def rss_kib(server):
    with open("/proc/%d/status" % server.process.pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def read_all(s):
    got = b""
    while True:
        try:
            piece = s.recv(65536)
        except OSError:
            return got
        if not piece:
            return got
        got += piece


class Test:
    def __init__(self):
        self.run = lib.Run("floods")
        self.bin = lib.bin_dir()
        release = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else ""
        self.fast = release if os.path.exists(os.path.join(release, "vidimus-issuer")) else self.bin
        self.folder = self.run.folder()
        self.check, self.equal = self.run.check, self.run.equal

    def issuer(self, name, limits, bin_folder=None, env=None):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        who, admin = lib.make_admin_identity(folder, allow=["* /api/v1/*", "* /kbs/v0/*", "GET /metrics"])
        s = self.run.server("issuer", folder, bin_folder or self.bin, '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\n'
                            '[tee.sample]\nenabled = true\n[log]\nlevel = "warn"\n[limits]\n%s\n' % (ISS, folder, limits) + admin, env=env)
        return s, who

    def broker(self, name, limits):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        who, admin = lib.make_admin_identity(folder, allow=["* /api/v1/*", "* /kbs/v0/*"])
        self.signer = Signer()
        keys = jwks_file(folder, "keys.json", [self.signer.public()])
        s = self.run.server("broker", folder, self.bin, entry("main", ISS, 'jwks_file = "%s"' % keys) +
                            '[log]\nlevel = "warn"\n[limits]\n%s\n' % limits + admin)
        self.equal(name + ": policy", lib.http_call("POST", s.guest + "/kbs/v0/resource-policy", {"policy": lib.b64u(ALLOW.encode())},
                                                    who.bearer()).status, 200)
        self.equal(name + ": secret", lib.http_call("POST", s.guest + "/kbs/v0/resource/default/key/1", b"x", who.bearer()).status, 200)
        return s, who

    # ---- idle strangers

    def crowd(self, server, n):
        held = []
        for i in range(n):
            s = dial(server.guest_port, "127.0.%d.%d" % (1 + i % 4, 1 + i % 100))
            s.sendall(HALVES[i % len(HALVES)])
            held.append(s)
        return held

    def still_open(self, held):
        poll = select.poll()
        for s in held:
            poll.register(s, select.POLLIN | select.POLLHUP)
        return len(held) - len(poll.poll(0))

    def idle(self, server, good, what):
        before = rss_kib(server)
        held = self.crowd(server, IDLE)
        results = []
        threads = [threading.Thread(target=lambda: results.extend(good() for _ in range(40))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.equal("%s: good traffic goes on beside %d half-requests" % (what, IDLE), results, [200] * 160)
        self.equal("%s: all of them were open the whole time" % what, self.still_open(held), IDLE)
        print("%s: %d half-requests held, %.1f KiB each" % (what, IDLE, (rss_kib(server) - before) / IDLE))
        for s in held:
            s.close()
        end = time.time() + 20
        while good() != 200 and time.time() < end:
            time.sleep(0.1)
        self.equal("%s: afterwards" % what, good(), 200)

    def idle_both(self):
        long = "head_seconds = 30\nrequest_seconds = 45\nbody_bytes_per_second = 1\n"
        s, _ = self.issuer("idle-issuer", long)
        key = lib.TeeKey()
        self.idle(s, lambda: lib.kbs_attest_sample(s.guest, lib.kbs_auth(s.guest), key).status, "issuer")
        s.stop()
        b, _ = self.broker("idle-broker", long + "releases_per_passport = 100000\n")
        token = self.signer.sign(claims(key))
        self.idle(b, lambda: lib.get_resource(b.guest, "default/key/1", token).status, "broker")
        b.stop()

    def deadlines(self):
        """Each silent stranger is let go at his deadline: 408 when something had come, nothing otherwise."""
        s, _ = self.issuer("deadlines", "head_seconds = 1\nrequest_seconds = 2\n")
        held = [(half, dial(s.guest_port)) for half in HALVES * 10]
        for half, c in held:
            c.sendall(half)
        for half, c in held:
            got = read_all(c)
            c.close()
            ok = got == b"" if half == b"" else got.startswith(b"HTTP/1.1 408 ") and got.count(b"HTTP/1.1") == 1 \
                and sorted(json.loads(got.partition(b"\r\n\r\n")[2])) == ["detail", "type"]
            self.check("a silent stranger after %d bytes" % len(half), ok, got[:200])
        s.stop()

    # ---- ceilings of connections

    def full(self, c):
        """Was this connection turned away? Reads what there is within a moment."""
        c.settimeout(0.5)
        got = read_all(c)
        if not got:
            return False
        head, _, body = got.partition(b"\r\n\r\n")
        return head.startswith(b"HTTP/1.1 503 ") and b"Retry-After: " in head and b"Connection: close" in head \
            and sorted(json.loads(body)) == ["detail", "type"]

    def ceilings(self):
        s, who = self.issuer("ceilings", "connections_per_source = 20\nconnections = 100\nhead_seconds = 30\n")
        mine = [dial(s.guest_port) for _ in range(30)]
        turned = sum(self.full(c) for c in mine[20:])
        self.equal("above the ceiling of one source: 503", turned, 10)
        self.equal("below it: not", self.still_open(mine[:20]), 20)
        other = dial(s.guest_port, "127.0.0.2")
        other.sendall(AUTH_REQUEST)
        self.check("another source is served", other.recv(4096).startswith(b"HTTP/1.1 200 "))
        crowd = [dial(s.guest_port, "127.0.1.%d" % (i % 50 + 1)) for i in range(79)]
        time.sleep(0.2)
        late = [dial(s.guest_port, "127.0.2.%d" % (i + 1)) for i in range(10)]
        self.equal("above the ceiling of all: 503", sum(self.full(c) for c in late), 10)
        a = lib.http_call("GET", s.admin + "/api/v1/status", headers=who.bearer())
        self.equal("administrators are served beside it", a.status, 200)
        for c in mine + crowd + late + [other]:
            c.close()
        end = time.time() + 10
        while time.time() < end:
            try:
                if isinstance(lib.kbs_auth(s.guest), lib.Session):
                    break
            except OSError:
                pass
            time.sleep(0.1)
        self.check("room again when they are gone", isinstance(lib.kbs_auth(s.guest), lib.Session))
        s.stop()

    # ---- descriptors, core files

    @staticmethod
    def limit(server, name):
        with open("/proc/%d/limits" % server.process.pid) as f:
            return next(line[len(name):].split()[:2] for line in f if line.startswith(name))

    def wrapped(self, server, command):
        """The same server, started behind a command of the shell."""
        path, program = os.path.join(server.folder, "start"), os.path.join(self.bin, "vidimus-" + server.program)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o700), "w") as f:
            f.write('#!/bin/sh\n%s && exec %s "$@"\n' % (command, program))
        server.binary = path
        return server.start()

    def descriptors(self):
        """A low soft limit is raised; with a low hard one guests are turned away, and nothing else fails."""
        s, _ = self.issuer("descriptors", "connections = 900\n")
        s.stop()
        self.wrapped(s, "ulimit -Sn 300")
        self.check("the soft limit follows the connections", int(self.limit(s, "Max open files")[0]) >= 900 + 256,
                   self.limit(s, "Max open files"))
        s.stop()
        self.wrapped(s, "ulimit -Sn 300 && ulimit -Hn 600")
        self.check("a low hard limit is said", "limits.connections" in s.log() and "LimitNOFILE" in s.log(), s.log()[-300:])
        crowd = [dial(s.guest_port) for _ in range(400)]
        turned = sum(self.full(c) for c in crowd[-20:])
        self.equal("and guests above it are turned away", turned, 20)
        for c in crowd:
            c.close()
        end = time.time() + 10
        status = 0
        while status != 200 and time.time() < end:
            time.sleep(0.1)
            try:
                status = lib.kbs_attest_sample(s.guest, lib.kbs_auth(s.guest), lib.TeeKey()).status
            except (OSError, AttributeError):
                pass
        self.equal("an attest after the crowd", status, 200)
        s.stop()

    def hardened(self):
        s, _ = self.issuer("hardened", "")
        self.equal("core files are switched off", self.limit(s, "Max core file size"), ["0", "0"])
        s.stop()

    # ---- full queues, limits

    def burst(self, port, requests):
        """All requests at once, each on its own connection; [(status, head)]."""
        conns = [dial(port) for _ in requests]
        for c, r in zip(conns, requests):
            c.sendall(r)
        out = []
        for c in conns:
            got = b""
            while b"\r\n\r\n" not in got:
                piece = c.recv(65536)
                if not piece:
                    break
                got += piece
            out.append((int(got.split(b" ", 2)[1]) if got else 0, got.partition(b"\r\n\r\n")[0]))
            c.close()
        return out

    def queue_is_full(self, what, port, make):
        seen, bad = {}, []
        for _ in range(10):
            for status, head in self.burst(port, make()):
                seen[status] = seen.get(status, 0) + 1
                if status == 503 and b"\r\nRetry-After: " not in head:
                    bad.append(head)
            if seen.get(503) and seen.get(200):
                break
        self.check("%s: a full queue is 503, and others are served" % what, set(seen) == {200, 503}, seen)
        self.check("%s: each 503 says when" % what, not bad, bad[:1])

    def queues(self):
        key = lib.TeeKey()
        s, _ = self.issuer("queue-issuer", "workers = 1\nqueue = 1\n")

        def attests():
            out = []
            for _ in range(48):
                session = lib.kbs_auth(s.guest)
                body = json.dumps(lib.sample_attestation(session, key)).encode()
                out.append(b"POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n" %
                           (session.cookie.encode(), len(body)) + body)
            return out
        self.queue_is_full("attest", s.guest_port, attests)
        self.equal("attest: afterwards", lib.kbs_attest_sample(s.guest, lib.kbs_auth(s.guest), key).status, 200)
        s.stop()
        b, _ = self.broker("queue-broker", "workers = 1\nqueue = 1\nreleases_per_passport = 100000\n")
        get = b"GET /kbs/v0/resource/default/key/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n" % \
            self.signer.sign(claims(key)).encode()
        self.queue_is_full("release", b.guest_port, lambda: [get] * 200)
        self.equal("release: afterwards", lib.get_resource(b.guest, "default/key/1", self.signer.sign(claims(key))).status, 200)
        b.stop()

    def rates(self):
        """The limit of one minute: 429 with Retry-After; another source, another passport are not touched."""
        key = lib.TeeKey()
        s, _ = self.issuer("rate-issuer", "attests_per_source = 3\n")
        self.in_one_minute()
        answers = [lib.kbs_attest_sample(s.guest, lib.kbs_auth(s.guest), key) for _ in range(6)]
        self.equal("attests of one source", [a.status for a in answers], [200] * 3 + [429] * 3)
        self.check("429 says when", all(1 <= int(a.header("retry-after")) <= 60 for a in answers[3:]))
        for a in answers[3:]:
            lib.error_type(a)  # the body of the protocol
        bad = [lib.kbs_attest(s.guest, lib.kbs_auth(s.guest), {}).status for _ in range(3)]
        self.equal("bad ones count as well", bad, [429] * 3)
        s.stop()
        b, _ = self.broker("rate-broker", "releases_per_passport = 3\n")
        token, other = self.signer.sign(claims(key)), self.signer.sign(claims(key))
        self.in_one_minute()
        answers = [lib.get_resource(b.guest, "default/key/1", token) for _ in range(6)]
        self.equal("releases of one passport", [a.status for a in answers], [200] * 3 + [429] * 3)
        self.check("429 says when", all(1 <= int(a.header("retry-after")) <= 60 for a in answers[3:]))
        self.equal("another passport", lib.get_resource(b.guest, "default/key/1", other).status, 200)
        b.stop()

    @staticmethod
    def in_one_minute():
        if time.time() % 60 > 45:
            time.sleep(61 - time.time() % 60)

    # ---- memory

    def auths(self, port, n=0, until=0.0):
        """n challenges (or as many as there are until then) over four connections, in batches of 100."""
        counts, batch = [0] * 4, 100

        def one(k):
            with dial(port) as c:
                while (until and time.time() < until) or (not until and counts[k] < n // 4):
                    c.sendall(AUTH_REQUEST * batch)
                    left, tail = batch, b""
                    while left:
                        piece = c.recv(1 << 18)
                        if not piece:
                            return
                        tail += piece
                        seen = tail.count(b'"extra-params":""}')
                        left -= seen
                        tail = tail[tail.rfind(b'"extra-params":""}') + 18:] if seen else tail
                    counts[k] += batch
        threads = [threading.Thread(target=one, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return sum(counts)

    def spends(self, port, n=0, until=0.0):
        """Challenges fetched and spent by an attest that fails; each refusal ends its connection."""
        counts = [0] * 4

        def one(k):
            while (until and time.time() < until) or (not until and counts[k] < n // 4):
                with dial(port) as c:
                    c.sendall(AUTH_REQUEST * 20)
                    got = b""
                    while got.count(b'"extra-params":""}') < 20:
                        piece = c.recv(1 << 18)
                        if not piece:
                            break
                        got += piece
                cookies = re.findall(rb"kbs-session-id=([^;]+)", got)
                for cookie in cookies:
                    with dial(port) as c:
                        c.sendall(b"POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nCookie: kbs-session-id=%s\r\n"
                                  b"Content-Length: 2\r\n\r\n{}" % cookie)
                        counts[k] += read_all(c).startswith(b"HTTP/1.1 400 ")
        threads = [threading.Thread(target=one, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return sum(counts)

    def flat(self, what, points):
        print("%s: resident KiB %s" % (what, points))
        self.check("%s: memory is flat within a tenth" % what, max(points) <= 1.1 * min(points), points)

    def memory(self):
        env = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")
        s, _ = self.issuer("memory", "attests_per_source = 1000000\n", self.fast, env)
        early = lib.kbs_auth(s.guest)  # from before the flood: spent once, and not again after it
        key = lib.TeeKey()
        body = lib.sample_attestation(early, key)
        self.equal("an early challenge", lib.kbs_attest(s.guest, early, body).status, 200)
        minutes = 10 if LONG else 0
        n = 0
        self.auths(s.guest_port, 20000)
        points = []
        for _ in range(minutes or 3):
            n += self.auths(s.guest_port, 200000, time.time() + 60 if minutes else 0)
            points.append(rss_kib(s))
        self.flat("%d challenges" % n, points)
        self.equal("spent stays spent behind the flood", lib.kbs_attest(s.guest, early, body).status, 401)
        n, points = self.spends(s.guest_port, 24000), []  # fills the bounded ring of explanations
        for _ in range(minutes or 2):
            n += self.spends(s.guest_port, 12000, time.time() + 60 if minutes else 0)
            points.append(rss_kib(s))
        self.flat("%d spent challenges" % n, points)
        self.check("spent challenges", n >= 48000, n)
        self.check("the record of refusals is thinned", len(s.audit()) < 1000 + 100 * (minutes + 1), len(s.audit()))
        self.equal("good attests go on", lib.kbs_attest_sample(s.guest, lib.kbs_auth(s.guest), key).status, 200)
        s.stop()

    def main(self):
        self.idle_both()
        self.deadlines()
        self.ceilings()
        self.descriptors()
        self.hardened()
        self.queues()
        self.rates()
        self.memory()
        self.run.finish()


if __name__ == "__main__":
    Test().main()
