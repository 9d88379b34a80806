"""Raw bytes against both planes of both programs: each row of framing_rows.py is a good request with one thing
wrong and a good change by an administrator right behind it. On the guest plane: a refusal with the JSON body of
the KBS protocol, one answer, the connection closed, nothing that followed executed, nothing released or stored.
Usage: framing.py BIN_DIR"""
import json
import os
import socket
import ssl
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from broker_e2e import ISS, Signer, claims, entry, jwks_file
from framing_rows import FRAMING, URIS, P

SECRET = b"the secret of the framing test"
SIZE_ITEMS = ("more than 48 fields", "head above 16 KiB", "request line above 8 KiB")

# What civetweb forgives before any callback (docs/limits.md). It ends the connection after each answer, so none
# of these can hide a second request; the test sees to it that none did.
SWALLOWED = {
    ("Transfer-Encoding with a tab or CR", "CR before the name"),
    ("bare LF", "behind the request line"), ("bare LF", "as the empty line"), ("bare LF", "everywhere"),
    ("bare LF", "first"), ("bare LF", "inside a value"), ("bare LF", "behind a field"),
    ("bare CR", "behind the request line"), ("bare CR", "CR CR LF"), ("bare CR", "first"),
    ("blank before the colon", "of Content-Length"), ("blank before the colon", "of Host"),
    ("folded line", "with a blank"), ("folded line", "line of one blank"), ("folded line", "first field"),
    ("empty field name", "colon first"), ("empty field name", "colon only"), ("empty field name", "blank and colon"),
    ("more than one leading empty line", "two"), ("more than one leading empty line", "three"),
    ("more than one leading empty line", "a hundred"),
    ("blanks of the request line", "two before the target"), ("blanks of the request line", "two behind it"),
    ("blanks of the request line", "before the method"),
}


class Plane:
    """Where a row goes: address, the parts of a good GET and POST, and a change that must never happen."""

    def __init__(self, name, port, get, post, body, change, tls=False):
        self.name, self.port, self.body, self.change, self.tls = name, port, body, change, tls
        (self.gt, self.gf), (self.pt, self.pf) = get, post
        self.answers = 0

    def fill(self, data):
        parts = {b"@GET@": b"GET @GT@ HTTP/1.1\r\nHost: a\r\n@GF@", b"@POST@": b"POST @PT@ HTTP/1.1\r\nHost: a\r\n@PF@"}
        for mark, text in parts.items():
            data = data.replace(mark, text)
        for mark, text in ((b"@GT@", self.gt), (b"@GF@", self.gf), (b"@PT@", self.pt), (b"@PF@", self.pf),
                           (b"@BODY@", self.body), (b"@N@", b"%d" % len(self.body))):
            data = data.replace(mark, text)
        return data

    def dial(self, timeout=15):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            s = context.wrap_socket(s)
        return s

    def send(self, data, half_close=False):
        """(all that came, whether the server closed): reads to the end of the stream."""
        got = b""
        with self.dial() as s:
            try:
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # closed in our face: what it had to say is still there to be read
            while True:
                try:
                    piece = s.recv(65536)
                except (TimeoutError, socket.timeout):
                    return got, False
                except OSError:
                    return got, True
                if not piece:
                    return got, True
                got += piece


def answers(stream):
    """The answers in a stream, as (status, fields, body); None when it is not a row of whole answers."""
    out = []
    while stream:
        head, sep, rest = stream.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        if not sep or not lines[0].startswith(b"HTTP/1.1 "):
            return None
        fields = {k.strip().lower(): v.strip() for k, _, v in (l.partition(b":") for l in lines[1:])}
        n = int(fields.get(b"content-length", b"0"))
        if len(rest) < n:
            return None
        out.append((int(lines[0].split()[1]), fields, rest[:n]))
        stream = rest[n:]
    return out


def is_kbs_error(body):
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return sorted(value) == ["detail", "type"] and value["type"].startswith(lib.ERROR_PREFIX) and len(body) <= 512


def is_native_error(body):
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return value["type"].startswith("urn:vidimus:error:") and "request_id" in value and len(body) <= 512


class Test:
    def __init__(self):
        self.run = lib.Run("framing")
        self.bin = lib.bin_dir()
        self.folder = self.run.folder()
        self.check, self.equal = self.run.check, self.run.equal

    # ---- servers

    def admin_config(self, folder):
        os.makedirs(folder, exist_ok=True)
        return lib.make_admin_identity(folder, allow=["* /api/v1/*", "* /kbs/v0/*", "GET /metrics"])

    def start_issuer(self):
        folder = os.path.join(self.folder, "issuer")
        who, config = self.admin_config(folder)
        s = self.run.server("issuer", folder, self.bin, '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\n'
                            "[tee.sample]\nenabled = true\n[limits]\nhead_seconds = 2\n" % (ISS, folder) + config)
        return s, who

    def start_broker(self, name, tls=None):
        folder = os.path.join(self.folder, name)
        who, config = self.admin_config(folder)
        self.signer = Signer()
        keys = jwks_file(folder, "keys.json", [self.signer.public()])
        s = self.run.server("broker", folder, self.bin, entry("main", ISS, 'jwks_file = "%s"' % keys) +
                            "[limits]\nhead_seconds = 2\nreleases_per_passport = 100000\n" + config, tls=tls)
        cafile = tls[0] if tls else None
        self.equal(name + ": a secret is set", lib.http_call("POST", s.guest + "/kbs/v0/resource/default/key/1", SECRET,
                                                             who.bearer(), cafile=cafile).status, 200)
        self.key = lib.TeeKey()
        return s, who

    @staticmethod
    def credentials(token):
        return b"Authorization: Bearer " + token.encode() + b"\r\n"

    def change_request(self, target, body, who, method=b"POST", more=b""):
        return (method + b" " + target + b" HTTP/1.1\r\nHost: a\r\n" + self.credentials(who.token()) + more +
                b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def broker_plane(self, s, who, name, tls=False):
        auth = self.credentials(self.signer.sign(claims(self.key)))
        admin = self.credentials(who.token())
        change = self.change_request(b"/kbs/v0/resource/default/smuggled/1", b"x", who)
        return Plane(name, s.guest_port, (b"/kbs/v0/resource/default/key/1", auth),
                     (b"/kbs/v0/resource/default/framing/1", admin), b"stored", change, tls)

    def issuer_plane(self, s, who):
        body = json.dumps({"policy_id": "smuggled", "policy": lib.b64u(b"package policy\n")}).encode()
        change = self.change_request(b"/kbs/v0/attestation-policy", body, who)
        auth = b'{"version":"0.4.0","tee":"sample","extra-params":""}'
        return Plane("issuer", s.guest_port, (b"/.well-known/jwks.json", b""), (b"/kbs/v0/auth", b""), auth, change)

    def admin_plane(self, s, who, name):
        admin = self.credentials(who.token())
        broker = s.program == "broker"
        base = b"/api/v1/secrets/default/smuggled/" if broker else b"/api/v1/policies/smuggled"
        body = b"x" if broker else b"package policy\n"
        change = self.change_request(base + (b"2" if broker else b""), body, who, b"PUT", b"If-None-Match: *\r\n")
        # a POST that stores: none on the broker's native API, so its rows go to a PUT by another name
        return Plane(name, s.admin_port, (b"/api/v1/status", admin), (b"/api/v1/status", admin), b"{}", change)

    # ---- rows

    def refused(self, plane, label, data, statuses, native=False, one_close=True):
        """The whole rule for one row; the status."""
        stream, closed = plane.send(plane.fill(data) + plane.change)
        got = answers(stream)
        ok = got is not None and len(got) == 1 and closed
        if ok:
            status, fields, body = got[0]
            shape = is_native_error(body) if native else is_kbs_error(body)
            ok = status in statuses and fields.get(b"connection") == b"close" and shape \
                and fields.get(b"content-type", b"").split(b";")[0] in (b"application/json", b"application/problem+json")
            ok = ok and SECRET not in stream
        self.check("%s: %s" % (plane.name, label), ok, "closed %s, %r" % (closed, stream[:300]))

    def framing(self, plane):
        for item, spelling, data in FRAMING:
            statuses = (400, 431) if item in SIZE_ITEMS else (400,)
            self.refused(plane, "%s (%s)" % (item, spelling), data, statuses)

    def uris(self, plane, other=()):
        for item, path, statuses in URIS:
            self.refused(plane, "target %s: %r" % (item, path[:60]), b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n@GF@\r\n",
                         statuses + other)

    def heads(self, plane):
        """A refused HEAD has no body, and 405 is an answer like others."""
        for method, want in ((b"HEAD", 405), (b"OPTIONS", 405), (b"DELETE", 405)):
            if method == b"DELETE" and plane.name != "issuer":
                continue
            stream, closed = plane.send(plane.fill(method + b" @GT@ HTTP/1.1\r\nHost: a\r\n@GF@\r\n") + plane.change)
            got = stream.partition(b"\r\n\r\n")
            self.check("%s: %s is refused and the connection closed" % (plane.name, method.decode()),
                       closed and stream.startswith(b"HTTP/1.1 %d " % want) and stream.count(b"HTTP/1.1 ") == 1
                       and (method != b"HEAD" or got[2] == b""), stream[:200])

    def good(self, plane):
        """What must pass: the good requests themselves, and what the strict rules still allow."""
        get, post = plane.fill(b"@GET@\r\n"), plane.fill(b"@POST@Content-Length: @N@\r\n\r\n@BODY@")
        close = plane.fill(b"@GET@Connection: close\r\n\r\n")
        rows = [
            ("a good GET", get, 1), ("a good POST", post, 1), ("one leading empty line", b"\r\n" + get, 1),
            ("Content-Length 0 on GET", plane.fill(b"@GET@Content-Length: 0\r\n\r\n"), 1),
            ("41 fields", plane.fill(b"@GET@" + b"".join(b"X-%d: y\r\n" % i for i in range(40)) + b"\r\n"), 1),
            ("a head of 15 KiB", plane.fill(b"@GET@" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(13)) + b"\r\n"), 1),
            ("blanks around a value", plane.fill(b"@GET@X: \t y \t \r\n\r\n"), 1),
            ("HTTP/1.0 without Host", plane.fill(b"GET @GT@ HTTP/1.0\r\n@GF@\r\n"), 1),
            ("bytes above 7f in a value", plane.fill("@GET@X: \u00e4\r\n\r\n".encode()), 1),
            ("100-continue, body at once", plane.fill(b"@POST@Expect: 100-continue\r\nContent-Length: @N@\r\n\r\n@BODY@"), 1),
            ("three pipelined GET", get * 3, 3), ("pipelined POST, GET, POST", post + get + post, 3),
            ("sixty pipelined", (get + post) * 30, 60),
        ]
        for what, data, n in rows:
            stream, closed = plane.send(data + close)
            got = answers(stream)
            ten = what.startswith("HTTP/1.0")
            self.check("%s: %s" % (plane.name, what), got is not None and closed and [a[0] for a in got] == [200] * (n + (not ten)),
                       stream[:300])
        for what, field in (("close", b"Connection: close"), ("Close", b"connection: Close"), ("a list", b"Connection: x, close")):
            stream, closed = plane.send(plane.fill(b"@GET@" + field + b"\r\n\r\n") + plane.change)
            got = answers(stream)
            self.check("%s: nothing behind Connection: %s" % (plane.name, what),
                       got is not None and closed and [a[0] for a in got] == [200], stream[:300])

    def rewrites(self, plane):
        for path in ("//kbs/v0/resource/default/key/1", P + "/default/key/1", "/" + P + "/default/key/1"):
            stream, _ = plane.send(plane.fill(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n@GF@Connection: close\r\n\r\n"))
            got = answers(stream)
            self.check("%s: %s is read with one slash less" % (plane.name, path), got and got[0][0] == 200
                       and self.key.open(got[0][2]) == SECRET, stream[:200])

    def in_pieces(self, plane):
        """How the bytes arrive changes nothing: byte by byte, for one row of each item."""
        seen, rows = set(), []
        for item, spelling, data in FRAMING:
            if item not in seen and item not in SIZE_ITEMS:
                seen.add(item)
                rows.append((item, spelling, data))

        def one(row):
            data, got, closed = plane.fill(row[2]) + plane.change, b"", False
            with plane.dial() as s:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    for i in range(min(len(data), 400)):
                        s.sendall(data[i:i + 1])
                    s.sendall(data[400:])
                except OSError:
                    pass
                try:
                    while True:
                        piece = s.recv(65536)
                        if not piece:
                            closed = True
                            break
                        got += piece
                except (TimeoutError, socket.timeout):
                    pass
                except OSError:
                    closed = True
            result = answers(got)
            self.check("%s: byte by byte, %s (%s)" % (plane.name, row[0], row[1]),
                       closed and result is not None and len(result) == 1 and result[0][0] == 400 and is_kbs_error(result[0][2]),
                       got[:200])
        threads = [threading.Thread(target=one, args=(r,)) for r in rows]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def admin_rows(self, plane, base):
        """The same lists on the admin plane: refused in its own shape, or in the list of what civetweb swallows."""
        refused = swallowed = 0
        for item, spelling, data in FRAMING:
            stream, closed = plane.send(plane.fill(data) + plane.change, half_close=not plane.tls)
            got = answers(stream)
            if data.startswith(b"HEAD "):  # an answer to HEAD has no body
                got = answers(stream.partition(b"\r\n\r\n")[0].replace(b"Content-Length", b"X") + b"\r\n\r\n")
            said_no = stream == b"" or (got and len(got) == 1 and 400 <= got[0][0] < 500
                                        and got[0][1].get(b"connection") == b"close")
            forgiven = got is not None and len(got) == 1 and got[0][0] == 200 and (item, spelling) in SWALLOWED
            refused, swallowed = refused + bool(said_no), swallowed + bool(forgiven)
            self.check("%s: %s (%s)" % (plane.name, item, spelling), closed and (said_no or forgiven), stream[:200])
        for item, path, _ in URIS:
            path = path.replace(b"/kbs/v0/resource", base).replace(b"/KBS/v0/resource", base.upper()).replace(b"/kbs/", b"/api/")
            stream, closed = plane.send(plane.fill(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n@GF@\r\n") + plane.change)
            got = answers(stream)
            said_no = stream == b"" or (got and len(got) == 1 and 400 <= got[0][0] < 500)
            harmless = item == "a query key twice" or path.endswith(b" ")  # no policy reads it here; two blanks in the line
            self.check("%s: target %s: %r" % (plane.name, item, path[:60]), closed and (said_no or harmless), stream[:200])
        print("%s: %d framing rows refused, %d swallowed (listed), %d targets" % (plane.name, refused, swallowed, len(URIS)))

    def nothing_changed(self, s, who):
        """No change that stood behind a refusal, and none that was itself refused, has happened."""
        cafile = s.tls[0] if s.tls else None
        if s.program == "broker":
            items = lib.http_call("GET", s.admin + "/api/v1/secrets?prefix=default/", None, who.bearer(), cafile=cafile).json()["items"]
            self.equal("%s: nothing was smuggled" % s.program, sorted(i["name"] for i in items), ["default/framing/1", "default/key/1"])
            version = [i["version"] for i in items if i["name"] == "default/framing/1"]
            self.equal("%s: only the good POSTs were stored" % s.program, version, [self.good_posts])
        else:
            items = lib.http_call("GET", s.admin + "/api/v1/policies", None, who.bearer(), cafile=cafile).json()["items"]
            self.check("issuer: nothing was smuggled", all("smuggled" not in json.dumps(i) for i in items), items)

    def main(self):
        items = {i for i, _, _ in FRAMING}
        targets = {i for i, _, _ in URIS}
        self.check("each item has three spellings", all(
            sum(1 for row in table if row[0] == i) >= 3 for table, names in ((FRAMING, items), (URIS, targets)) for i in names))
        print("list: %d framing items in %d spellings, %d target items in %d" % (len(items), len(FRAMING), len(targets), len(URIS)))
        self.good_posts = 1 + 2 + 1 + 30  # in good(): alone, pipelined, with Expect, sixty
        issuer, who = self.start_issuer()
        plane = self.issuer_plane(issuer, who)
        self.good(plane)
        self.framing(plane)
        self.uris(plane, other=(404,))
        self.heads(plane)
        self.in_pieces(plane)
        self.admin_rows(self.admin_plane(issuer, who, "issuer admin"), b"/api/v1/policies")
        self.nothing_changed(issuer, who)
        issuer.stop()
        for name, tls in (("broker", None), ("broker over TLS", lib.make_tls(self.folder))):
            b, who = self.start_broker(name.replace(" ", "-"), tls)
            plane = self.broker_plane(b, who, name, tls is not None)
            self.good(plane)
            self.rewrites(plane)
            self.framing(plane)
            self.uris(plane)
            self.heads(plane)
            if not tls:
                self.in_pieces(plane)
                self.admin_rows(self.admin_plane(b, who, "broker admin"), b"/api/v1/secrets")
            self.nothing_changed(b, who)
            self.check(name + ": no secret and no token in the log", SECRET.decode() not in b.log() and "eyJ" not in b.log())
            b.stop()
        self.run.finish()


if __name__ == "__main__":
    Test().main()
