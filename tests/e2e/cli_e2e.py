#!/usr/bin/python3
"""The command line against both real servers: every verb, its --json form, and its exit codes.

usage: cli_e2e.py BIN_DIR"""
import json
import os
import subprocess
import sys

import lib

BIN = lib.bin_dir()
run = lib.Run("cli")
folder = run.folder()
V = os.path.join(BIN, "vidimus")
OK, USAGE, REMOTE, AUTH, DENIED, NOT_FOUND, VERSION, VERIFY = 0, 1, 2, 3, 4, 5, 6, 8
ALLOW = "package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == \"resource\"\n"
DENY = "package policy\ndefault allow := false\n"


def path(name):
    return os.path.join(folder, name)


def write(name, text):
    with open(os.open(path(name), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return path(name)


env = dict(os.environ)


def vidimus(*args, stdin=None, **more):
    done = subprocess.run([V, *args], input=stdin, capture_output=True, env={**env, **more}, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def expect(what, code, *args, out=None, err=None, stdin=None, **more):
    got, stdout, stderr = vidimus(*args, stdin=stdin, **more)
    run.check(what, got == code and (out is None or out in stdout) and (err is None or err in stderr),
              "exit %d, wanted %d\nstdout: %s\nstderr: %s" % (got, code, stdout[-600:], stderr[-600:]))
    return stdout


def expect_json(what, *args):
    text = expect(what, OK, *args, "--json")
    try:
        return json.loads(text)
    except ValueError:
        run.check(what + " is JSON", False, text[:300])
        return {}


# ---- help and usage ----
text = expect("help lists the verbs", OK, "--help", out="passport verify")
verbs = [line.split()[:2] for line in text.splitlines() if line.startswith("  ") and "  " in line.strip()]
run.check("help lists more than twenty verbs", len(verbs) > 20, str(len(verbs)))
for verb in (["attest"], ["get"], ["policy", "put"], ["secret", "put"], ["explain"], ["admin", "token"], ["audit", "verify"]):
    expect("help of " + " ".join(verb), OK, *verb, "--help", out="usage: vidimus " + " ".join(verb))
expect("no verb", USAGE, err="usage")
expect("unknown noun", USAGE, "abacus", err="unknown noun")
expect("unknown verb", USAGE, "policy", "abacus", err="policy put")
expect("unknown option", USAGE, "attest", "--abacus", err="unknown option")
expect("option without its value", USAGE, "attest", "--issuer", err="needs a value")
expect("too many arguments", USAGE, "explain", "a", "b", err="too many")
expect("version", OK, "--version", out="vidimus ")

# ---- keys and servers ----
expect("keygen", OK, "admin", "keygen", "--out", path("admin.key"), "--quiet")
run.equal("private key is private", os.stat(path("admin.key")).st_mode & 0o777, 0o600)
expect("keygen keeps an old key", USAGE, "admin", "keygen", "--out", path("admin.key"), err="admin.key")
expect("keygen p256", OK, "admin", "keygen", "--type", "p256", "--out", path("stranger.key"), "--quiet")
identity = ('[[admin.identity]]\nname = "you"\npublic_key_file = "%s.pub"\naudience = "here"\nroles = ["admin", "reader"]\n'
            '[[admin.role]]\nname = "admin"\nallow = ["* /api/v1/*", "* /kbs/v0/*"]\n'
            '[[admin.role]]\nname = "reader"\nallow = ["GET /api/v1/status"]\n' % path("admin.key"))
issuer = run.server("issuer", path("issuer"), BIN, identity + '[passport]\nissuer = "https://issuer.test"\nkey_file = "%s"\n'
                    "[tee.sample]\nenabled = true\n" % path("passport.key"))
broker = run.server("broker", path("broker"), BIN, identity + (
    '[[trusted_issuer]]\nname = "file"\nissuer = "https://issuer.test"\njwks_url = "%s/.well-known/jwks.json"\n'
    'algs = ["ES256"]\ntees = ["*"]\nrepositories = ["*"]\naccept_simulated = true\n'
    '[relay]\ntrusted_issuer = "file"\nissuer_url = "%s"\n' % (issuer.guest, issuer.guest)))
token = ["admin", "token", "--key", path("admin.key"), "--audience", "here"]
expect("token", OK, *token, "--role", "admin", "--out", path("token"))
expect("token of a reader", OK, *token, "--role", "reader", "--ttl", "5m", "--out", path("reader"))
expect("token of a stranger", OK, "admin", "token", "--key", path("stranger.key"), "--role", "admin", "--audience", "here", "--out", path("stranger"))
expect("token needs a role", USAGE, *token, err="--role")
expect("bad duration", USAGE, *token, "--role", "admin", "--ttl", "soon", err="duration")
env.update(VIDIMUS_ISSUER_URL=issuer.guest, VIDIMUS_BROKER_URL=broker.guest, VIDIMUS_ISSUER_ADMIN_URL=issuer.admin,
           VIDIMUS_BROKER_ADMIN_URL=broker.admin, VIDIMUS_ISSUER_ADMIN_TOKEN_FILE=path("token"),
           VIDIMUS_BROKER_ADMIN_TOKEN_FILE=path("token"))

# ---- native API: authentication ----
expect("status of the issuer", OK, "status", "--server", "issuer", out="issuer")
expect("status of the broker", OK, "status", "--server", "broker", out="broker")
expect("which server?", USAGE, "status", err="--server")
expect("a stranger's token", AUTH, "status", "--server", "issuer", "--token-file", path("stranger"))
expect("a role that may not", DENIED, "policy", "list", "--server", "issuer", "--token-file", path("reader"))
expect("no token file", USAGE, "status", "--server", "issuer", "--token-file", path("nothing"), err="nothing")
expect("nobody listens", REMOTE, "status", "--server", "issuer", "--issuer-admin", "http://127.0.0.1:1")

# ---- policies ----
write("allow.rego", ALLOW)
write("deny.rego", DENY)
write("broken.rego", "package policy\nallow if {\n")
expect("built-in policy is shown", OK, "policy", "show", "default_cpu", "--server", "issuer", out="package policy")
expect("put a release policy", OK, "policy", "put", "resource-policy", path("allow.rego"), "--server", "broker")
expect("put the next version", OK, "policy", "put", "resource-policy", path("deny.rego"), "--server", "broker")
expect("a stale version", VERSION, "policy", "put", "resource-policy", path("allow.rego"), "--server", "broker", "--if-version", "1")
expect("it must not exist", VERSION, "policy", "put", "resource-policy", path("allow.rego"), "--server", "broker", "--if-version", "0")
expect("the stated version", OK, "policy", "put", "resource-policy", path("allow.rego"), "--server", "broker", "--if-version", "2")
expect("show the newest", OK, "policy", "show", "resource-policy", "--server", "broker", out=ALLOW)
expect("show an old version", OK, "policy", "show", "resource-policy", "--version", "2", "--server", "broker", out=DENY)
items = expect_json("history", "policy", "history", "resource-policy", "--server", "broker").get("items", [])
run.equal("history has three versions", [i.get("version") for i in items], [3, 2, 1])
run.check("history says who", all(i.get("created_by") == "you" for i in items), str(items)[:200])
code, _, err = vidimus("policy", "put", "resource-policy", path("broken.rego"), "--server", "broker")
run.check("a policy that does not compile is refused", code == REMOTE and "policy.compile" in err, "%d %s" % (code, err))
expect("it changed nothing", OK, "policy", "show", "resource-policy", "--server", "broker", out=ALLOW)
expect("an attestation policy", OK, "policy", "put", "mine_cpu", path("deny.rego"), "--server", "issuer")
listed = expect_json("list", "policy", "list", "--server", "issuer").get("items", [])
run.check("the list has it", any(i.get("name") == "mine_cpu" or i.get("id") == "mine_cpu" for i in listed), str(listed)[:300])
expect("remove it", OK, "policy", "rm", "mine_cpu", "--server", "issuer")
expect("it is gone", NOT_FOUND, "policy", "show", "mine_cpu", "--server", "issuer")
expect("nothing to remove", NOT_FOUND, "policy", "rm", "mine_cpu", "--server", "issuer")

# ---- reference values ----
expect("put JSON", OK, "refvalue", "put", "svn", '["1"]')
expect("put a word", OK, "refvalue", "put", "rvps:///a/b c:tag", "plain")
expect("show", OK, "refvalue", "show", "svn", "--json", out='["1"]')
expect("show a name with slashes and blanks", OK, "refvalue", "show", "rvps:///a/b c:tag", out="plain")
write("value.json", '{"a":[1,2]}')
expect("put a file", OK, "refvalue", "put", "tree", "@" + path("value.json"))
expect("put with an end", OK, "refvalue", "put", "short", "1", "--expires", "2099-01-01T00:00:00Z")
expect("a bad end", REMOTE, "refvalue", "put", "short", "1", "--expires", "tomorrow")
names = [i.get("name") for i in expect_json("list", "refvalue", "list").get("items", [])]
run.check("all are listed", {"svn", "tree", "short", "rvps:///a/b c:tag"} <= set(names), str(names))
expect("remove", OK, "refvalue", "rm", "tree")
expect("gone", NOT_FOUND, "refvalue", "show", "tree")

# ---- secrets ----
expect("put from standard input", OK, "secret", "put", "team/key/1", "-", stdin=b"a secret")
write("bytes", "\x00\x01 more")
expect("put a file", OK, "secret", "put", "kbs:///team/key/2", path("bytes"))
expect("a bad name", USAGE, "secret", "put", "team/key", path("bytes"), err="repository/type/tag")
text = json.dumps(expect_json("list", "secret", "list", "team/"))
run.check("both are listed, never the bytes", "key/1" in text and "key/2" in text and "a secret" not in text, text[:300])

# ---- guests ----
expect("where is the issuer?", USAGE, "attest", err="--issuer", VIDIMUS_ISSUER_URL="")
expect("attest", OK, "attest", "--key", path("tee.key"), "--out", path("passport"), "--quiet")
run.equal("the TEE key is private", os.stat(path("tee.key")).st_mode & 0o777, 0o600)
shown = expect_json("show", "passport", "show", path("passport"))
run.equal("header", shown.get("header", {}).get("alg"), "ES256")
expect("verify", OK, "passport", "verify", path("passport"), "--iss", "https://issuer.test", out="verified: true")
expect("verify under another name", VERIFY, "passport", "verify", path("passport"), "--iss", "https://other.test")
expect("verify later", VERIFY, "passport", "verify", path("passport"), "--at", "2099-01-01T00:00:00Z", err="expired")
with open(path("passport")) as f:
    good = f.read().strip()
head, payload, signature = good.split(".")
write("forged", ".".join([head, payload, signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")]))
expect("a forged passport", VERIFY, "passport", "verify", path("forged"))
write("jwks.json", lib.http_call("GET", issuer.guest + "/.well-known/jwks.json").body.decode())
expect("verify offline", OK, "passport", "verify", path("passport"), "--jwks", path("jwks.json"), VIDIMUS_ISSUER_URL="")
expect("not a passport", VERIFY, "passport", "show", path("bytes"))
got = expect("get with the passport", OK, "get", "team/key/1", "--passport", path("passport"), "--key", path("tee.key"))
run.equal("the secret", got, "a secret")
run.equal("get through the issuer", expect("get", OK, "get", "team/key/1", "--issuer", issuer.guest, "--quiet"), "a secret")
run.equal("get through the relay", expect("get", OK, "get", "team/key/1", "--quiet", VIDIMUS_ISSUER_URL=""), "a secret")
expect("to a file", OK, "get", "team/key/2", "--out", path("got"), "--quiet")
with open(path("got")) as f:
    run.equal("the bytes", f.read(), "\x00\x01 more")
expect("a secret that is not there", NOT_FOUND, "get", "team/key/9", "--quiet")
expect("an attester that fails", USAGE, "attest", "--tee", "snp", "--attester", "exit 3", err="attester failed")
expect("an attester that writes no JSON", VERIFY, "attest", "--tee", "snp", "--attester", "cat >/dev/null; echo no")
expect("evidence that is refused", VERIFY, "attest", "--attester", "cat >/dev/null; echo '{\"svn\":\"1\",\"report_data\":\"AAAA\"}'", err="decision")
expect("policy denies", OK, "policy", "put", "resource-policy", path("deny.rego"), "--server", "broker")
code, _, err = vidimus("get", "team/key/1", "--passport", path("passport"), "--key", path("tee.key"))
run.check("denied: exit 4 and a decision id", code == DENIED and "(decision " in err, "%d %s" % (code, err))
decision = err.split("(decision ")[1].split(")")[0] if "(decision " in err else "none"
expect("explain for people", OK, "explain", decision, "--server", "broker", out="team/key/1")
run.check("explain as JSON", expect_json("explain", "explain", decision, "--server", "broker").get("resource") == "team/key/1")
token, a = lib.attest_sample(issuer.guest)
expect("explain a passport of the issuer's", OK, "explain", a.header("vidimus-decision"), "--server", "issuer",
       out=lib.token_parts(token)[1]["jti"])
expect("an unknown decision", NOT_FOUND, "explain", "AAAAAAAAAAAAAAAAAAAAAA", "--server", "broker")

# ---- trusted issuers ----
expect("allow again", OK, "policy", "put", "resource-policy", path("allow.rego"), "--server", "broker")
expect("list", OK, "issuer", "list", out="https://issuer.test")
trust = ["--iss", "https://second.test", "--jwks", path("jwks2.json"), "--alg", "ES256", "--allow-tee", "snp", "--repository", "team"]
expect("trust needs a key source", USAGE, "issuer", "trust", "second", "--iss", "https://second.test", err="--jwks")
other = lib.jwk.JWK.generate(kty="EC", crv="P-256", alg="ES256", kid="one")
write("jwks2.json", json.dumps({"keys": [json.loads(other.export_public())]}))
expect("trust", OK, "issuer", "trust", "second", *trust)
expect("it is listed", OK, "issuer", "list", out="https://second.test")
expect("suspend one of the file", OK, "issuer", "suspend", "file")
expect("its passports are refused at once", AUTH, "get", "team/key/1", "--passport", path("passport"), "--key", path("tee.key"))
expect("resume", OK, "issuer", "suspend", "file", "--resume")
expect("its passports open again", OK, "get", "team/key/1", "--passport", path("passport"), "--key", path("tee.key"))

# ---- removal, audit ----
expect("remove a secret", OK, "secret", "rm", "team/key/2")
expect("it is gone", NOT_FOUND, "get", "team/key/2", "--passport", path("passport"), "--key", path("tee.key"))
expect("audit records", OK, "audit", "show", "--server", "broker", "--limit", "500", "--json", out="release")
log = os.path.join(broker.folder, "audit.log")
expect("audit verify", OK, "audit", "verify", log, out="verified: true")
with open(log) as f:
    lines = f.readlines()
write("cut.log", "".join(lines[:2] + lines[3:]))
expect("a record taken out", VERIFY, "audit", "verify", path("cut.log"))
write("changed.log", "".join(lines).replace("team/key/1", "team/key/7", 1))
expect("a record changed", VERIFY, "audit", "verify", path("changed.log"))
for text in ("a secret", good.split(".")[1]):
    for s in (issuer, broker):
        run.check("no secret and no passport in the log of the " + s.program, text not in s.log())
run.finish()
