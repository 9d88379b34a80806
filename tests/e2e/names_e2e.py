#!/usr/bin/python3
"""The list of naughty strings, as names of everything that has a name, over sockets: as they are, percent-encoded, and in
bodies. A name is taken only if it is plain; what is there afterwards is exactly what was taken; nothing is a server error.

usage: names_e2e.py BIN_DIR"""
import http.client
import json
import os
import re
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")  # and no dot first
POLICY = "package policy\nimport rego.v1\ndefault allow := false\n"
run = lib.Run("names")
BIN = lib.bin_dir()

with open(os.path.join(ROOT, "tests/vectors/naughty-strings/blns.json")) as f:
    STRINGS = list(dict.fromkeys(json.load(f)))

folder = run.folder()
who, admin = lib.make_admin_identity(folder)
broker = run.server("broker", folder + "/broker", BIN, '[accept]\naudience = ["names"]\n' + admin)
issuer = run.server("issuer", folder + "/issuer", BIN, '[passport]\nkey_file = "%s/passport.key"\n' % folder + admin)


def plain(name):
    return bool(PLAIN.match(name)) and len(name) <= 255


def raw(server, method, prefix, name, body=b"", native=False, **headers):
    """The name's own bytes in the target; None when the server closes without an answer."""
    port = server.admin_port if native else server.guest_port
    head = "%s %s" % (method, prefix)
    fields = dict(who.bearer(), Host="names", Connection="close", **headers)
    fields["Content-Length"] = str(len(body))
    data = head.encode() + name + b" HTTP/1.1\r\n" + "".join("%s: %s\r\n" % x for x in fields.items()).encode() + b"\r\n" + body
    answer = lib.raw_call(("127.0.0.1", port), data)
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.") else None


def judge(what, name, status, taken):
    """A plain name is taken, any other refused as the client's fault (or its connection ends)."""
    if taken:
        run.check("%s %r is taken" % (what, name), status in (200, 201), status)
    else:
        run.check("%s %r is refused" % (what, name), status is None or 400 <= status < 500, status)


def in_targets():
    taken = {"policy": set(), "native": set(), "secret": set()}
    for name in STRINGS:
        for spelling in dict.fromkeys((name.encode(), urllib.parse.quote(name, safe="").encode())):
            ok = plain(name) and spelling == name.encode()
            again = ok and name in taken["policy"]
            status = raw(broker, "POST", "/kbs/v0/resource/r/t/", spelling, b"x")
            judge("secret", spelling, status, ok)
            status = raw(broker, "PUT", "/api/v1/secrets/n/t/", spelling, b"x", True, **{"If-None-Match": "*"})
            judge("native secret", spelling, status, ok and not again)
            status = raw(issuer, "PUT", "/api/v1/policies/", spelling, POLICY.encode(), True, **{"If-None-Match": "*"})
            judge("policy", spelling, status, ok and not again)
            if ok:
                for names in taken.values():
                    names.add(name)
    return taken["policy"]


def in_bodies(taken):
    """The id of a KBS policy is text in JSON: any string can be sent."""
    for name in STRINGS:
        a = lib.http_call("POST", issuer.guest + "/kbs/v0/attestation-policy",
                          {"type": "rego", "policy_id": name, "policy": lib.b64u(POLICY.encode())}, who.bearer())
        judge("policy_id", name, a.status, plain(name))
        if a.status == 200:
            taken.add(name)


def reference_values():
    """Their names are free text: percent-decoded once, given back as they came."""
    kept = {}
    for i, name in enumerate(STRINGS):
        target = "%s/api/v1/reference-values?name=%s" % (issuer.admin, urllib.parse.quote(name, safe=""))
        a = lib.http_call("PUT", target, {"value": i}, {**who.bearer(), "If-None-Match": "*"})
        run.check("value %r is taken or refused" % name, a.status in (200, 201, 400), repr(a))
        if a.status >= 300:
            continue
        kept[name] = i
        a = lib.http_call("GET", target, None, who.bearer())
        run.check("value %r comes back" % name, a.status == 200 and a.json()["value"] == i and a.json()["name"] == name, repr(a))
    run.check("most are names of values", len(kept) > len(STRINGS) / 2, len(kept))
    return kept


def listed(server, path, member):
    found, after = set(), ""
    while after is not None:
        a = lib.http_call("GET", server.admin + "/api/v1" + path + ("?after=" + urllib.parse.quote(after, safe="") if after else ""),
                          None, who.bearer())
        if not run.check("list of " + path, a.status == 200, repr(a)):
            break
        found |= {item[member] for item in a.json()["items"]}
        after = a.json()["next"]
    return found


def main():
    taken = in_targets()
    policies = set(taken)
    in_bodies(policies)
    built_in = listed(issuer, "/policies", "name") - policies
    run.check("what is there was taken, and the reverse", built_in <= {"default", "default_gpu"} and
              policies <= listed(issuer, "/policies", "name"), built_in)
    values = reference_values()
    for server in (issuer, broker):
        server.restart()
        done = subprocess.run([os.path.join(BIN, "vidimus"), "audit", "verify", os.path.join(server.folder, "audit.log")],
                              capture_output=True, text=True)
        run.equal("%s: the record verifies" % server.program, done.returncode, 0)
    print("names: %d naughty strings, %d of them plain names, %d names of values" % (len(STRINGS), len(taken), len(values)))
    run.finish()


if __name__ == "__main__":
    try:
        main()
    except (OSError, http.client.HTTPException) as failure:
        run.check("no server breaks off", False, repr(failure))
        run.finish()
