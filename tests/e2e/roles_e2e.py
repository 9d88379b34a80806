#!/usr/bin/python3
"""Who may call what, over sockets: every route that the OpenAPI files give to administrators, with every kind of
credential: none, a stranger's, one for another audience, one that is over, one of another role, and one of each configured
role. A role's entries are matched here by a few lines of their own; what they do not allow is 403 and changes nothing.

usage: roles_e2e.py BIN_DIR"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
run = lib.Run("roles")
BIN = lib.bin_dir()
FILL = {"{seq}": "1", "{n}": "1", "{type}": "jti", "{rest}": "a/b"}
METHODS = ("get", "post", "put", "delete")
CONFIG = {
    "issuer": '[passport]\nissuer = "https://issuer.test"\nkey_file = "%s/passport.key"\n[as]\nenabled = true\n',
    "broker": '[accept]\naudience = ["%s"]\n',
}


def routes_of(program):
    """[(METHOD, pattern of a role, path, is it for administrators, has it a body)] of the description that the program serves."""
    with open(os.path.join(ROOT, "docs/api", program + ".json")) as f:
        paths = json.load(f)["paths"]
    rows = []
    for pattern, methods in paths.items():
        path = "/".join(FILL.get(s, s.strip("{}")) if s.startswith("{") else s for s in pattern.split("/"))
        for method in METHODS:
            if method in methods:
                administrators = {"administrator": []} in methods[method].get("security", [])
                rows.append((method.upper(), pattern.replace("{rest}", "*"), path, administrators, "requestBody" in methods[method]))
    return rows


def allows(entry, method, path):
    """METHOD PATTERN: a method or *; literal, {any one}, or * (one or more) as the last segment."""
    verb, pattern = entry.split(" ")
    want, have = pattern.split("/"), path.split("/")
    if verb not in ("*", method) or len(have) < len(want):
        return False
    if want[-1] == "*":
        want, have = want[:-1], have[:len(want) - 1]
    return len(want) == len(have) and all(w == h or w.startswith("{") for w, h in zip(want, have))


def roles_of(rows):
    """A role for each route alone, and some that take several."""
    mine = [r for r in rows if r[3]]
    roles = {"route-%d" % i: ["%s %s" % (method, pattern)] for i, (method, pattern, *_) in enumerate(mine)}
    everything = sorted({"* " + pattern for _, pattern, *_ in mine})
    roles.update({"all": everything, "readers": [e.replace("* ", "GET ", 1) for e in everything if any(
        r[0] == "GET" and "* " + r[1] == e for r in mine)], "native": ["* /api/v1/*"], "kbs": ["* /kbs/v0/*"],
        "native-writers": ["PUT /api/v1/*", "DELETE /api/v1/*"], "two": [roles["route-0"][0], roles["route-1"][0]],
        "one-object": ["* " + next(path for _, pattern, path, *_ in mine if "{" in pattern)]})
    return roles


class Target:
    """A server whose identity `admin` has all roles but one, and identity `other` that one."""

    def __init__(self, program, mode=""):
        folder = run.folder()
        self.program, self.rows = program, routes_of(program)
        self.mine = [r for r in self.rows if r[3]]
        self.roles = roles_of(self.rows)
        self.who, self.other, self.stranger = (lib.Identity(folder, name) for name in ("admin", "other", "stranger"))
        text = self.who.config([r for r in self.roles if r != "two"]) + self.other.config(["two"])
        text += "".join(lib.role(name, allow) for name, allow in self.roles.items())
        self.server = run.server(program, folder, BIN, CONFIG[program] % folder + text, admin=mode)
        self.calls = 0

    def call(self, row, token):
        method, _, path, _, body = row
        native = path.startswith("/api/") or path == "/metrics"
        self.calls += 1
        return lib.http_call(method, (self.server.admin if native else self.server.guest) + path,
                             b"x" if body else None,
                             {"Authorization": "Bearer " + token} if token else {})

    def changes(self):
        return sum(r["event"] == "intent" for r in self.server.audit())


def refused(a):
    """The text of a refusal to an administrator; None: the guard let the request through."""
    if a.status not in (401, 403):
        return None
    body = a.body.decode(errors="replace")
    return body if "admin access denied for endpoint" in body else None


def credentials(t):
    """What opens no route, whatever the role says: (name, token, status)."""
    now = int(time.time())
    w = t.who
    half = w.token(role="all").split(".")
    return [
        ("none", None, 401), ("a stranger's", t.stranger.token(role="all"), 401), ("no token at all", "x", 401),
        ("wrong audience", w.token(role="all", audience="another"), 401), ("no audience", w.token(role="all", audience=None), 401),
        ("expired", w.token(role="all", now=now - 700, life=300), 401), ("of tomorrow", w.token(role="all", now=now + 86400), 401),
        ("lives too long", w.token(role="all", life=90000), 401), ("no role", w.token(role=None), 401),
        ("a changed signature", ".".join(half[:2] + [half[2][:-4] + ("AAAA" if half[2][-4:] != "AAAA" else "BBBB")]), 401),
        ("without signature", ".".join(half[:2]) + ".", 401),
        ("another identity's role", w.token(role="two"), 403), ("a role that nobody has", w.token(role="nobody"), 403),
    ]


def closed(t):
    before = t.changes()  # the issuer's keys
    for name, token, status in credentials(t):
        for row in t.mine:
            a = t.call(row, token)
            run.check("%s: %s %s with %s token" % (t.program, row[0], row[1], name), a.status == status and refused(a), repr(a))
    run.equal(t.program + ": nothing was changed", t.changes(), before)


def matrix(t):
    opened = 0
    for name, allow in t.roles.items():
        token = (t.other if name == "two" else t.who).token(role=name)
        for row in t.mine:
            a = t.call(row, token)
            want = any(allows(entry, row[0], row[2]) for entry in allow)
            opened += want
            if want:
                run.check("%s: role %s may %s %s" % (t.program, name, *row[:2]), not refused(a) and a.status < 500, repr(a))
            else:
                run.check("%s: role %s may not %s %s" % (t.program, name, *row[:2]), a.status == 403 and refused(a), repr(a))
    run.check(t.program + ": each route has a role that opens it", opened >= 2 * len(t.mine), opened)


def denied(program):
    """mode = "deny": nobody, whatever he has."""
    t = Target(program, 'mode = "deny"\n')
    for row in t.mine:
        for token in (None, t.who.token(role="all")):
            a = t.call(row, token)
            run.check("%s denies all: %s %s" % (program, *row[:2]), a.status == 403 and refused(a), repr(a))
    return t.calls


def main():
    calls = 0
    for program in ("issuer", "broker"):
        t = Target(program)
        closed(t)
        matrix(t)
        calls += t.calls + denied(program)
        print("%s: %d routes for administrators of %d, %d roles" % (program, len(t.mine), len(t.rows), len(t.roles)), flush=True)
    print("roles: %d requests" % calls)
    run.finish()


if __name__ == "__main__":
    main()
