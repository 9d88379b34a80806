"""vidimus-issuer over real sockets: handshakes of both protocol versions, every way to be refused, single use,
restart, administration, the attestation service's surface, init data, passports checked by jwcrypto.
Usage: issuer_e2e.py BIN_DIR"""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from lib import TeeKey, http_call, kbs_attest, kbs_attest_sample, kbs_auth, sample_attestation

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASE = """[passport]
key_file = "%s/passport.key"
issuer = "https://issuer.test"
[tee.sample]
enabled = true
[tee.sampledevice]
enabled = true
[as]
enabled = true
"""
POLICY = """package policy
import rego.v1
default executables := 33
default hardware := 97
default configuration := 36
executables := 3 if input.sample.launch_digest in query_reference_value("launch_digest")
hardware := 2 if input.sample.svn in query_reference_value("svn")
configuration := 2 if input.sample.debug == false
trust_claims := {"executables": executables, "hardware": hardware, "configuration": configuration}
"""
GPU = """package policy
import rego.v1
default hardware := 97
hardware := 2 if input.sampledevice.svn in query_reference_value("device_svn")
trust_claims := {"hardware": hardware}
"""
ATTEST_TEXT = "Attestation error: RCAR handshake Attest failed"


def set_policy(issuer, who, policy_id, text):
    return http_call("POST", issuer.guest + "/kbs/v0/attestation-policy",
                     {"type": "rego", "policy_id": policy_id, "policy": lib.b64u(text.encode())}, who.bearer())


def set_values(issuer, who, values, **kw):
    message = {"version": "0.1.0", "type": "sample", "payload": lib.b64(json.dumps(values).encode())}
    return http_call("POST", issuer.guest + "/kbs/v0/reference-value", message, who.bearer(**kw))


def jwks(issuer):
    return http_call("GET", issuer.guest + "/.well-known/jwks.json").json()


def attest_ok(run, issuer, what, key=None, **kw):
    """One good handshake; the verified payload."""
    session = kbs_auth(issuer.guest)
    a = kbs_attest_sample(issuer.guest, session, key or TeeKey(), **kw)
    if not run.check(what, a.status == 200, repr(a)):
        return None
    return lib.token_verify(a.json()["token"], jwks(issuer))


# ---- start -------------------------------------------------------------------------------------------


def test_start(run, bin_folder):
    d = run.folder()
    who, admin = lib.make_admin_identity(d)
    s = run.server("issuer", d, bin_folder, BASE % d + admin, init=False, start=False)
    code, out = s.verb("serve")
    run.check("serve before init is refused and names the cure", code != 0 and "init" in out, out)
    s.verb("init", check=True)
    run.equal("the passport key is private", os.stat(d + "/passport.key").st_mode & 0o777, 0o600)
    before = open(d + "/passport.key").read()
    code, out = s.verb("init")
    run.check("a second init is refused", code != 0 and "exists" in out, out)
    run.equal("a refused init changes nothing", open(d + "/passport.key").read(), before)
    code, out = s.verb("check-config")
    run.check("check-config takes the file", code == 0, out)
    done = subprocess.run([s.binary, "config-default"], stdout=subprocess.PIPE, check=False)
    run.check("the default file names the passport key", done.returncode == 0 and b"passport.key" in done.stdout
              and b"relays" in done.stdout)

    os.rename(d + "/passport.key", d + "/away.key")
    code, out = s.verb("serve")
    run.check("a missing passport key stops the start, naming file and cure",
              code != 0 and "passport.key" in out and "init" in out, out)
    os.rename(d + "/away.key", d + "/passport.key")
    subprocess.run(["openssl", "pkey", "-in", d + "/passport.key", "-pubout", "-out", who.public_file], check=True)
    code, out = s.verb("serve")
    run.check("an administrator's key as passport key stops the start", code != 0 and "administrator" in out, out)
    for setting, says in (("passport.alg=HS256", "passport.alg"), ("passport.lifetime=901", "passport.lifetime"),
                          ("tee.sample.enabled=maybe", "tee.sample.enabled"), ("passport.nosuch=1", "passport.nosuch")):
        code, out = s.verb("serve", "--set", setting)
        run.check("--set %s is refused and named" % setting, code != 0 and says in out, out)


# ---- /auth -------------------------------------------------------------------------------------------


def test_auth(run, issuer):
    s = kbs_auth(issuer.guest)
    run.check("a challenge has the exact form",
              re.fullmatch(rb'\{"nonce":"[A-Za-z0-9+/]{43}=","extra-params":""\}', s.answer.body), s.answer)
    run.equal("a challenge is JSON", s.answer.header("content-type"), "application/json")
    cookie = s.answer.header("set-cookie")
    run.check("the cookie has its attributes",
              re.fullmatch(r"kbs-session-id=[A-Za-z0-9_-]+; Path=/kbs/v0; Max-Age=300; HttpOnly; SameSite=Strict", cookie),
              cookie)
    run.check("nonces and cookies differ", len({kbs_auth(issuer.guest).nonce for _ in range(20)}) == 20)
    for version in ("0.4.0", "0.2.0", "0.4.0+build"):
        run.equal("version %s" % version, kbs_auth(issuer.guest, version=version).answer.status, 200)
    for extra in ("", None, {}, [], 1):
        a = http_call("POST", issuer.guest + "/kbs/v0/auth", {"version": "0.4.0", "tee": "sample", "extra-params": extra})
        run.equal("extra-params %r" % (extra,), a.status, 200)

    mismatch = "KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is "
    bad = [
        ("another version", '{"version":"0.3.0","tee":"sample","extra-params":""}', 401, mismatch + "0.3.0"),
        ("an old version", '{"version":"0.1.1","tee":"sample","extra-params":""}', 401, mismatch + "0.1.1"),
        ("no semver", '{"version":"0.4","tee":"sample","extra-params":""}', 401, "failed to parse KBS version"),
        ("v0.4.0", '{"version":"v0.4.0","tee":"sample","extra-params":""}', 401, "failed to parse KBS version"),
        ("unknown tee", '{"version":"0.4.0","tee":"nosuch","extra-params":""}', 401, "RCAR handshake Auth failed"),
        ("tee in capitals", '{"version":"0.4.0","tee":"Sample","extra-params":""}', 401, "RCAR handshake Auth failed"),
        ("a tee that is not enabled", '{"version":"0.4.0","tee":"csv","extra-params":""}', 401,
         "Attestation Service generate challenge failed"),
        ("a device as primary", '{"version":"0.4.0","tee":"sampledevice","extra-params":""}', 401,
         "Attestation Service generate challenge failed"),
        ("no extra-params", '{"version":"0.4.0","tee":"sample"}', 400, "deserialize Request"),
        ("no version", '{"tee":"sample","extra-params":""}', 400, "deserialize Request"),
        ("repeated member", '{"version":"0.4.0","tee":"sample","tee":"sample","extra-params":""}', 400,
         "deserialize Request"),
        ("no JSON", "nope", 400, "deserialize Request"),
        ("empty body", "", 400, "deserialize Request"),
        ("trailing bytes", '{"version":"0.4.0","tee":"sample","extra-params":""}x', 400, "deserialize Request"),
        ("deep", "[" * 100 + "]" * 100, 400, "deserialize Request"),
    ]
    for what, body, status, text in bad:
        a = http_call("POST", issuer.guest + "/kbs/v0/auth", body)
        run.check("/auth, %s: %d" % (what, status), a.status == status and text in a.json()["detail"]
                  and lib.error_type(a) == "AttestationError", repr(a))
    a = http_call("POST", issuer.guest + "/kbs/v0/auth", "x" * 20000)
    run.equal("/auth, 20,000 bytes: 413", a.status, 413)


def attest_with_audience(issuer, audience):
    session = kbs_auth(issuer.guest, extra={"vidimus-audience": audience})
    return lib.token_parts(kbs_attest_sample(issuer.guest, session, TeeKey()).json()["token"])[1]


def test_audience(run, issuer):
    for value in ("", "b c", [], ["a"] * 5, [""], ["x" * 129], ["a\n"], ["\u00e9"], [1], {"a": 1}, None, 7):
        a = kbs_auth(issuer.guest, extra={"vidimus-audience": value})
        ok = isinstance(a, lib.Answer) and a.status == 400
        run.check("audience %r: 400" % (value,), ok, getattr(a, "answer", a))
    run.equal("one audience as a string", attest_with_audience(issuer, "broker")["aud"], ["broker"])
    s = kbs_auth(issuer.guest, extra={"vidimus-audience": ["https://broker.test", "b"]})
    a = kbs_attest_sample(issuer.guest, s, TeeKey())
    run.equal("an audience that was asked for is in the passport",
              lib.token_verify(a.json()["token"], jwks(issuer))["aud"], ["https://broker.test", "b"])


# ---- /attest -----------------------------------------------------------------------------------------


def test_passport(run, issuer):
    key = TeeKey()
    session = kbs_auth(issuer.guest)
    before = int(time.time())
    a = kbs_attest_sample(issuer.guest, session, key)
    run.equal("attest: 200", a.status, 200)
    run.equal("only the member token", list(a.json()), ["token"])
    run.equal("the same cookie comes back", a.cookie(), session.cookie)
    token = a.json()["token"]
    head, payload = lib.token_parts(token)
    lib.token_verify(token, jwks(issuer))
    run.equal("header members in order", list(head), ["alg", "typ", "kid", "jwk"])
    run.equal("jwk members in order", list(head["jwk"]), ["alg", "kty", "crv", "x", "y"])
    run.equal("algorithm", head["alg"], "ES256")
    run.equal("the kid is the thumbprint", head["kid"], lib.jwk.JWK(**head["jwk"]).thumbprint())
    run.equal("claims in order", list(payload), ["eat_profile", "iss", "iat", "nbf", "exp", "jti", "ear.verifier-id",
                                                 "submods", "vidimus"])
    run.equal("profile", payload["eat_profile"], "tag:github.com,2024:confidential-containers/Trustee")
    run.equal("issuer", payload["iss"], "https://issuer.test")
    run.check("times", before <= payload["iat"] <= int(time.time()) and payload["nbf"] == payload["iat"]
              and payload["exp"] == payload["iat"] + 300)
    run.check("jti has 22 characters", re.fullmatch(r"[A-Za-z0-9_-]{22}", payload["jti"]))
    sub = payload["submods"]["cpu0"]
    run.equal("submod members in order", [k for k in sub if not k.startswith("ear.trustee")],
              ["ear.status", "ear.trustworthiness-vector", "ear.appraisal-policy-id", "ear.veraison.annotated-evidence",
               "vidimus"])
    run.equal("base policy id", sub["ear.appraisal-policy-id"], "default")
    run.equal("what is ours in the submod", sub["vidimus"], {"tee": "sample", "debug": False})
    ours = payload["vidimus"]
    run.check("our facts", ours["v"] == 1 and ours["freshness"] == "issuer-nonce" and ours["simulated"] is True, ours)
    run.equal("the policy's digest", ours["policies"],
              [{"id": "default", "class": "cpu", "sha256": hashlib.sha256(POLICY.encode()).hexdigest()}])
    evidence = sub["ear.veraison.annotated-evidence"]
    run.equal("annotated evidence", evidence, {
        "report_data": lib.b64(lib.report_data(session.nonce, key.public, "")),
        "runtime_data_claims": {"additional-evidence": "", "nonce": session.nonce, "tee-pubkey": key.public},
        "sample": {"svn": "1", "launch_digest": "abcde", "platform_version": {"major": 1, "minor": 4}, "debug": False}})
    decision = a.header("vidimus-decision")
    run.check("a decision id", decision and re.fullmatch(r"[A-Za-z0-9_-]{22}", decision), decision)
    last = issuer.audit()[-1]
    run.check("the record is in the file before the answer",
              last["event"] == "attest" and last["detail"]["passport"] == payload["jti"]
              and last["detail"]["decision"] == decision and last["detail"]["kid"] == head["kid"], last)
    for what, k in (("P-384", TeeKey("P-384")), ("P-521", TeeKey("P-521")), ("RSA-2048", TeeKey(rsa=2048))):
        p = attest_ok(run, issuer, "attest with a %s key" % what, k)
        run.equal("the %s key is in the passport" % what, p["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
                  ["runtime_data_claims"]["tee-pubkey"], k.public)
    extra = TeeKey()
    extra.public = dict(extra.public, use="enc")
    s = kbs_auth(issuer.guest)
    plain = {k: v for k, v in extra.public.items() if k != "use"}
    body = sample_attestation(s, extra)
    body["tee-evidence"]["primary_evidence"]["report_data"] = lib.b64(lib.report_data(s.nonce, plain, ""))
    a = kbs_attest(issuer.guest, s, body)
    run.equal("further members of a key are dropped before hashing", a.status, 200)


def spoil(path, value):
    """A change of one member of an attestation body; value may be a function of the old one."""
    def change(body):
        at = body
        for name in path[:-1]:
            at = at[name]
        if value is KeyError:
            del at[path[-1]]
        else:
            at[path[-1]] = value(at[path[-1]]) if callable(value) else value
        return body
    return change


PRIMARY = ("tee-evidence", "primary_evidence")
ADDITIONAL = ("tee-evidence", "additional_evidence")
KEY = ("runtime-data", "tee-pubkey")
REFUSED = [
    ("nonce of another challenge", spoil(("runtime-data", "nonce"), lib.b64(b"\1" * 32)), 401),
    ("empty nonce", spoil(("runtime-data", "nonce"), ""), 401),
    ("no nonce", spoil(("runtime-data", "nonce"), KeyError), 400),
    ("another key than was hashed", spoil(KEY, TeeKey().public), 401),
    ("report data of zeros", spoil(PRIMARY + ("report_data",), lib.b64(bytes(48))), 401),
    ("empty report data", spoil(PRIMARY + ("report_data",), ""), 401),
    ("no report data", spoil(PRIMARY + ("report_data",), KeyError), 401),
    ("report data that is no base64", spoil(PRIMARY + ("report_data",), "***"), 401),
    ("report data in base64url", spoil(PRIMARY + ("report_data",), "_" * 64), 401),
    ("no svn", spoil(PRIMARY + ("svn",), KeyError), 401),
    ("svn as a number", spoil(PRIMARY + ("svn",), 1), 401),
    ("evidence is null", spoil(PRIMARY, None), 401),
    ("evidence is a text", spoil(PRIMARY, "x"), 401),
    ("no primary evidence", spoil(PRIMARY, KeyError), 400),
    ("no tee-evidence", spoil(("tee-evidence",), KeyError), 400),
    ("no runtime-data", spoil(("runtime-data",), KeyError), 400),
    ("no key", spoil(KEY, KeyError), 400),
    ("key without alg", spoil(KEY + ("alg",), KeyError), 401),
    ("key of an unknown kty", spoil(KEY + ("kty",), "OKP"), 401),
    ("key with a number", spoil(KEY + ("x",), 1), 401),
    ("additional evidence is null", spoil(ADDITIONAL, None), 400),
    ("additional evidence is an object", spoil(ADDITIONAL, {}), 400),
    ("additional evidence appears after hashing", spoil(ADDITIONAL, "{}"), 401),
    ("additional evidence is a blank", spoil(ADDITIONAL, " "), 400),
    ("additional evidence of an unknown tee", spoil(ADDITIONAL, '{"nosuch":{}}'), 400),
    ("init data in another format", spoil(("init-data",), {"format": "json", "body": "{}"}), 401),
    ("init data that is no TOML", spoil(("init-data",), {"format": "toml", "body": "not toml ["}), 401),
    ("init data without body", spoil(("init-data",), {"format": "toml"}), 400),
]


def test_refusals(run, issuer):
    key = TeeKey()
    for what, change, status in REFUSED:
        s = kbs_auth(issuer.guest)
        good = sample_attestation(s, key)
        a = kbs_attest(issuer.guest, s, change(json.loads(json.dumps(good))))
        run.check("/attest, %s: %d" % (what, status), a.status == status and lib.error_type(a) == "AttestationError"
                  and "token" not in a.json(), repr(a))
        again = kbs_attest(issuer.guest, s, good)
        run.equal("/attest, %s burns the challenge" % what, again.status, 401)
    for what, body in (("no JSON", "{"), ("empty", ""), ("array", "[]"), ("repeated member", '{"a":1,"a":2}')):
        s = kbs_auth(issuer.guest)
        a = kbs_attest(issuer.guest, s, body)
        run.equal("/attest, body: %s: 400" % what, a.status, 400)
        run.equal("/attest, body: %s burns the challenge" % what,
                  kbs_attest_sample(issuer.guest, s, key).status, 401)
    s = kbs_auth(issuer.guest)
    good = sample_attestation(s, key)
    for what, cookie in (("no cookie", ""), ("another name", "session=" + s.cookie.split("=")[1]),
                         ("a UUID", "kbs-session-id=" + "0" * 32), ("empty", "kbs-session-id="),
                         ("cut", s.cookie[:-1]), ("longer", s.cookie + "A"),
                         ("huge", "kbs-session-id=" + "A" * 9000)):
        a = kbs_attest(issuer.guest, s, good, cookie=cookie)
        run.check("/attest, cookie: %s: 401" % what, a.status == 401 and a.json()["detail"] == ATTEST_TEXT, repr(a))
    other = kbs_auth(issuer.guest)
    run.equal("/attest with the cookie of another challenge: 401",
              kbs_attest(issuer.guest, s, good, cookie=other.cookie).status, 401)
    a = kbs_attest(issuer.guest, s, good, cookie="x=1; " + s.cookie + "; y=2")
    run.equal("refused cookies burn no challenge; others beside it do no harm", a.status, 200)
    run.equal("a second attest on the same challenge: 401", kbs_attest(issuer.guest, s, good).status, 401)


def test_dialects(run, issuer):
    key = TeeKey()
    s = kbs_auth(issuer.guest, version="0.2.0")
    a = kbs_attest_sample(issuer.guest, s, key)
    run.check("protocol 0.2.0", a.status == 200, repr(a))
    runtime = lib.token_verify(a.json()["token"], jwks(issuer))["submods"]["cpu0"][
        "ear.veraison.annotated-evidence"]["runtime_data_claims"]
    run.equal("0.2.0: no additional-evidence", runtime, {"nonce": s.nonce, "tee-pubkey": key.public})
    s = kbs_auth(issuer.guest, version="0.2.0")
    newer = lib.Session(s.answer, "0.4.0", "sample")
    run.equal("a 0.4.0 body on a 0.2.0 challenge: 4xx", kbs_attest_sample(issuer.guest, newer, key).status // 100, 4)
    s = kbs_auth(issuer.guest)
    older = lib.Session(s.answer, "0.2.0", "sample")
    run.equal("a 0.2.0 body on a 0.4.0 challenge: 400", kbs_attest_sample(issuer.guest, older, key).status, 400)
    s = kbs_auth(issuer.guest, version="0.2.0")
    a = kbs_attest(issuer.guest, s, sample_attestation(s, key, change=spoil(("tee-evidence", "report_data"), lib.b64(bytes(48)))))
    run.equal("0.2.0: wrong report data: 401", a.status, 401)


def parallel(issuer, session, body, n):
    results, gate = [], threading.Barrier(n)

    def one():
        gate.wait()
        try:
            a = kbs_attest(issuer.guest, session, body)
            results.append((a.status, a.json()))
        except OSError as e:
            results.append((0, str(e)))
    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_single_use(run, issuer):
    for turn in range(5):
        key, s = TeeKey(), kbs_auth(issuer.guest)
        results = parallel(issuer, s, sample_attestation(s, key), 64)
        tokens = [r for status, r in results if status == 200]
        refused = [r for status, r in results if status == 401]
        run.check("64 parallel attests, one passport (%d)" % turn, len(tokens) == 1 and len(refused) == 63,
                  sorted(status for status, _ in results))


def test_restart(run, issuer):
    key = TeeKey()
    outstanding = [kbs_auth(issuer.guest) for _ in range(3)]
    used = kbs_auth(issuer.guest)
    body = sample_attestation(used, key)
    run.equal("before the restart", kbs_attest(issuer.guest, used, body).status, 200)
    kid = jwks(issuer)["keys"][0]["kid"]
    issuer.kill()
    issuer.start()
    for s in outstanding:
        run.equal("a restart voids what is outstanding", kbs_attest_sample(issuer.guest, s, key).status, 401)
    run.equal("no replay over a restart", kbs_attest(issuer.guest, used, body).status, 401)
    run.equal("the passport key stays", jwks(issuer)["keys"][0]["kid"], kid)
    p = attest_ok(run, issuer, "after the restart")
    run.equal("policies and reference values stay", p["submods"]["cpu0"]["ear.status"], "affirming")


# ---- composite evidence, init data -------------------------------------------------------------------


def test_devices(run, issuer):
    key = TeeKey()
    p = attest_ok(run, issuer, "composite evidence", key, device_svn="2")
    run.equal("two submods", list(p["submods"]), ["cpu0", "gpu0"])
    gpu = p["submods"]["gpu0"]
    run.equal("the device's policy decides", (gpu["ear.status"], gpu["ear.trustworthiness-vector"]),
              ("affirming", {"hardware": 2}))
    run.equal("the device's runtime data has no additional evidence",
              sorted(gpu["ear.veraison.annotated-evidence"]["runtime_data_claims"]), ["nonce", "tee-pubkey"])
    run.equal("another svn is not affirming",
              attest_ok(run, issuer, "device 9", key, device_svn="9")["submods"]["gpu0"]["ear.status"], "contraindicated")

    def with_device(evidence, rehash=True):
        s = kbs_auth(issuer.guest)
        body = sample_attestation(s, key, device_svn="2")
        additional = evidence(s, json.loads(body["tee-evidence"]["additional_evidence"]))
        body["tee-evidence"]["additional_evidence"] = additional
        if rehash:
            body["tee-evidence"]["primary_evidence"]["report_data"] = lib.b64(
                lib.report_data(s.nonce, key.public, additional))
        return kbs_attest(issuer.guest, s, body)

    def other_nonce(s, devices):
        devices["sampledevice"]["report_data"] = lib.b64(lib.report_data(lib.b64(b"x" * 32), key.public))
        return json.dumps(devices)

    def bound_like_primary(s, devices):
        devices["sampledevice"]["report_data"] = lib.b64(lib.report_data(s.nonce, key.public, ""))
        return json.dumps(devices)

    run.equal("a device of another challenge: 401", with_device(other_nonce).status, 401)
    run.equal("a device bound as if it were the primary: 401", with_device(bound_like_primary).status, 401)
    run.equal("a device dropped after hashing: 401", with_device(lambda s, d: "", rehash=False).status, 401)
    run.equal("a blank more than was hashed: 401", with_device(lambda s, d: json.dumps(d) + " ", rehash=False).status, 401)
    a = with_device(lambda s, d: '{"nvidia":{}}')
    run.equal("a device that is not enabled: 401", (a.status, a.json()["detail"]), (401, ATTEST_TEXT))
    run.equal("a device named twice: 4xx", with_device(
        lambda s, d: '{"sampledevice":%s,"sampledevice":%s}' % ((json.dumps(d["sampledevice"]),) * 2)).status // 100, 4)
    spaced = with_device(lambda s, d: json.dumps(d, indent=2))
    run.equal("the text is hashed as it was sent", spaced.status, 200)


INIT = '''version = "0.1.0"
algorithm = "%s"
[data]
"cdh.toml" = """
socket = "unix:///run/x.sock"
[image]
extra_root_certificates = ["CERT-A"]
f = 1.5
"""
"policy.rego" = """
policy_data := {"containers": [{"OCI": {"Process": {"Args": ["/pause"]}}}]}"""
"other" = "plain"
'''


def test_init_data(run, issuer):
    for alg in ("sha256", "sha384", "sha512"):
        text = INIT % alg
        p = attest_ok(run, issuer, "init data with %s" % alg, init_data=text)
        evidence = p["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
        run.equal("digest over the text with %s" % alg, evidence["init_data"],
                  lib.b64(hashlib.new(alg, text.encode()).digest()))
        run.equal("claims of init data", evidence["init_data_claims"], {
            "cdh.toml": {"socket": "unix:///run/x.sock", "image": {"extra_root_certificates": ["CERT-A"], "f": 1.5}},
            "agent_policy_claims": {"containers": [{"OCI": {"Process": {"Args": ["/pause"]}}}]}, "other": "plain"})
    p = attest_ok(run, issuer, "no init data")
    run.check("without init data there are no claims of it",
              "init_data_claims" not in p["submods"]["cpu0"]["ear.veraison.annotated-evidence"])
    for what, text in (("capital algorithm", INIT % "SHA256"), ("md5", INIT % "md5"), ("no data", 'version="1"\nalgorithm="sha256"\n'),
                       ("a number in data", 'version="1"\nalgorithm="sha256"\n[data]\na = 1\n')):
        s = kbs_auth(issuer.guest)
        run.equal("init data, %s: 401" % what, kbs_attest_sample(issuer.guest, s, TeeKey(), init_data=text).status, 401)


# ---- administration ----------------------------------------------------------------------------------


def test_kbs_admin(run, issuer, who, tester, stranger):
    url = issuer.guest + "/kbs/v0"
    body = {"type": "rego", "policy_id": "mine", "policy": lib.b64u(POLICY.encode())}
    post = lambda path, data, headers=None: http_call("POST", url + path, data, headers)
    run.equal("set a policy", (lambda a: (a.status, a.body))(post("/attestation-policy", body, who.bearer())), (200, b""))
    cases = [("no token", {}, 401, "Failed to parse HTTP Auth Bearer header"),
             ("a stranger's token", stranger.bearer(), 401, "Cannot verify token with any of the issuers"),
             ("an expired token", who.bearer(now=int(time.time()) - 4000), 401, "Cannot verify token with any of the issuers"),
             ("another audience", who.bearer(audience="x"), 401, "Cannot verify token with any of the issuers"),
             ("a role that may not", tester.bearer(role="tester"), 403, "Role tester not allowed"),
             ("lower-case scheme", {"Authorization": "bearer " + who.token()}, 401, "Failed to parse HTTP Auth Bearer header")]
    for what, headers, status, text in cases:
        a = post("/attestation-policy", body, headers)
        run.check("policy, %s: %d" % (what, status), a.status == status and text in a.json()["detail"]
                  and lib.error_type(a) == "AdminAuthAccess", repr(a))
    passport, _ = lib.attest_sample(issuer.guest)
    run.equal("a passport is no administrator's token",
              post("/attestation-policy", body, {"Authorization": "Bearer " + passport}).status, 401)
    for what, data in (("no id", {"policy": body["policy"]}), ("no policy", {"policy_id": "mine"}),
                       ("policy as a number", dict(body, policy=1)), ("padded base64", dict(body, policy="cGFja2FnZQ==")),
                       ("no Rego", dict(body, policy=lib.b64u(b"nope {"))), ("id with a slash", dict(body, policy_id="../x")),
                       ("empty id", dict(body, policy_id="")), ("array", [1]), ("no JSON", "nope")):
        a = post("/attestation-policy", data, who.bearer())
        run.check("policy, %s: 401 with the protocol's text" % what, a.status == 401
                  and a.json()["detail"] == "Attestation error: Set Attestation Policy failed", repr(a))
    a = post("/attestation-policy", "x" * 300000, who.bearer())
    run.equal("policy, 300,000 bytes: 413", a.status, 413)

    a = set_values(issuer, tester, {"a/b.c": [1.0, "x"], "svn2": {"k": None}}, role="tester")
    run.equal("a tester may set reference values", (a.status, a.body, a.header("content-type")), (200, b"", "application/json"))
    a = http_call("GET", url + "/reference-value/a/b.c", headers=tester.bearer(role="tester"))
    run.equal("a value with a slash in its name", (a.status, a.body), (200, b'[1.0,"x"]'))
    a = http_call("GET", url + "/reference-value/a/b.c?x=1", headers=tester.bearer(role="tester"))
    run.equal("a query does no harm", a.status, 200)
    a = http_call("GET", url + "/reference-value/nosuch", headers=who.bearer())
    run.check("an unknown value: 404", a.status == 404 and lib.error_type(a) == "RvpsError"
              and "No reference value found for the given id" in a.json()["detail"], repr(a))
    run.equal("values need a token", http_call("GET", url + "/reference-value/a/b.c").status, 401)
    for what, message in (("unknown type", {"type": "nosuch", "payload": "e30="}), ("no payload", {"type": "sample"}),
                          ("payload is no base64", {"type": "sample", "payload": "***"}),
                          ("payload is a list", {"type": "sample", "payload": "W10="}),
                          ("another version", {"version": "1.0", "type": "sample", "payload": "e30="})):
        a = post("/reference-value", message, who.bearer())
        run.check("reference value, %s: 401 RvpsError" % what, a.status == 401 and lib.error_type(a) == "RvpsError", repr(a))
    records = [r for r in issuer.audit() if r["event"] == "intent"]
    run.check("changes are on record with who made them",
              any(r["detail"]["identity"] == "tester" and r["detail"]["what"] == "reference-value.put" for r in records))


def test_values_decide(run, issuer, who):
    run.equal("values that do not fit", set_values(issuer, who, {"svn": ["9"], "launch_digest": ["zzz"]}).status, 200)
    s = kbs_auth(issuer.guest)
    a = kbs_attest_sample(issuer.guest, s, TeeKey())
    sub = lib.token_parts(a.json()["token"])[1]["submods"]["cpu0"]
    run.equal("are seen at once", (sub["ear.status"], sub["ear.trustworthiness-vector"]),
              ("contraindicated", {"configuration": 2, "executables": 33, "hardware": 97}))
    x = http_call("GET", issuer.admin + "/api/v1/decisions/" + a.header("vidimus-decision"), headers=who.bearer())
    run.equal("the decision can be explained", x.status, 200)
    run.equal("under its id, with its passport", (x.json()["id"], x.json()["passport"]["jti"]),
              (a.header("vidimus-decision"), lib.token_parts(a.json()["token"])[1]["jti"]))
    findings = x.json()["appraisals"][0]["findings"]
    run.check("the explanation names claim, observed, expected and nearest",
              any(f.get("reference_value") == "svn" and f["claim"] == "sample.svn" and f["observed"] == "1"
                  and f["expected"] == ["9"] and f["nearest"] == "9" for f in findings), findings)
    set_values(issuer, who, {"svn": ["1"], "launch_digest": ["abcde"]})
    run.equal("values that fit", attest_ok(run, issuer, "attest")["submods"]["cpu0"]["ear.status"], "affirming")


def test_refusal_explained(run, issuer, who):
    s = kbs_auth(issuer.guest)
    a = kbs_attest(issuer.guest, s, sample_attestation(s, TeeKey(), change=spoil(PRIMARY + ("report_data",), lib.b64(bytes(48)))))
    decision = a.header("vidimus-decision")
    x = http_call("GET", issuer.admin + "/api/v1/decisions/" + (decision or "none"), headers=who.bearer())
    run.check("a refusal has a decision that explains it", x.status == 200 and x.json()["outcome"] == "refused"
              and x.json()["error"] == "evidence.report-data"
              and any(c["name"] == "report data" and c["ok"] is False for c in x.json()["checks"]), repr(x))
    run.equal("explanations need a token",
              http_call("GET", issuer.admin + "/api/v1/decisions/" + (decision or "none")).status, 401)
    before = sum(r["event"] == "attest" and r["detail"].get("outcome") == "refused" for r in issuer.audit())
    for _ in range(30):
        s = kbs_auth(issuer.guest)
        kbs_attest(issuer.guest, s, "{}")
    after = sum(r["event"] == "attest" and r["detail"].get("outcome") == "refused" for r in issuer.audit())
    run.check("thirty refusals of one source make at most a record a minute", after - before <= 2, (before, after))


def test_native(run, issuer, who):
    url, auth = issuer.admin + "/api/v1", who.bearer()
    call = lambda method, path, body=None, **h: http_call(method, url + path, body, {**auth, **{k.replace("_", "-"): v for k, v in h.items()}})
    a = call("PUT", "/policies/native_cpu", POLICY, If_None_Match="*", Content_Type="text/plain")
    run.check("create a policy: 201", a.status == 201 and a.header("etag") == '"1"', repr(a))
    run.equal("create it again: 412", call("PUT", "/policies/native_cpu", POLICY, If_None_Match="*").status, 412)
    run.equal("change without a condition: 428", call("PUT", "/policies/native_cpu", POLICY).status, 428)
    run.equal("change with an old version: 412", call("PUT", "/policies/native_cpu", POLICY, If_Match='"7"').status, 412)
    a = call("PUT", "/policies/native_cpu", POLICY + "# two\n", If_Match='"1"')
    run.check("change: 200", a.status == 200 and a.header("etag") == '"2"', repr(a))
    a = call("PUT", "/policies/native_cpu", "package policy\nnope {\n", If_Match='"2"')
    run.check("Rego that does not compile: 400 with its line", a.status == 400 and a.json()["type"] == "urn:vidimus:error:policy.compile"
              and a.json()["line"] == 2 and a.header("content-type") == "application/problem+json", repr(a))
    a = call("GET", "/policies/native_cpu")
    run.check("read it", a.status == 200 and a.body.decode() == POLICY + "# two\n" and a.header("etag") == '"2"', repr(a))
    run.equal("read version 1", call("GET", "/policies/native_cpu/versions/1").body.decode(), POLICY)
    run.equal("history", [i["version"] for i in call("GET", "/policies/native_cpu/versions").json()["items"]], [2, 1])
    run.check("list", "native_cpu" in [i["name"] for i in call("GET", "/policies").json()["items"]])
    run.equal("delete with an old version: 412", call("DELETE", "/policies/native_cpu", If_Match='"1"').status, 412)
    run.equal("delete: 204", call("DELETE", "/policies/native_cpu", If_Match='"2"').status, 204)
    run.equal("deleted: 404", call("GET", "/policies/native_cpu").status, 404)
    run.equal("a policy id with a dot first: 400", call("PUT", "/policies/.x", POLICY, If_None_Match="*").status, 400)

    name = "rvps%3A%2F%2F%2Fa%20b%2F%C3%A9"
    a = call("PUT", "/reference-values?name=" + name, {"value": ["x", 1.0]}, If_None_Match="*")
    run.check("set a value with a strange name: 201", a.status == 201 and a.json()["name"] == "rvps:///a b/\u00e9", repr(a))
    a = call("GET", "/reference-values?name=" + name)
    run.check("read it", a.status == 200 and a.json()["value"] == ["x", 1.0] and b"1.0" in a.body and a.json()["expired"] is False, repr(a))
    a = call("PUT", "/reference-values?name=" + name, {"value": 2, "expires_at": "2099-01-01T00:00:00Z"}, If_Match='"1"')
    run.equal("change it", (a.status, a.json()["version"]), (200, 2))
    run.equal("its expiry", call("GET", "/reference-values?name=" + name).json()["expires_at"], "2099-01-01T00:00:00Z")
    for what, body in (("no value", {}), ("an expiry in the past", {"value": 1, "expires_at": "2001-01-01T00:00:00Z"}),
                       ("an expiry that is none", {"value": 1, "expires_at": "soon"}), ("no JSON", "x")):
        run.equal("a value, %s: 400" % what, call("PUT", "/reference-values?name=z", body, If_None_Match="*").status, 400)
    run.equal("without a name: 400", call("PUT", "/reference-values", {"value": 1}, If_None_Match="*").status, 400)
    for i in range(5):
        call("PUT", "/reference-values?name=page-%d" % i, {"value": i}, If_None_Match="*")
    first = call("GET", "/reference-values?prefix=page-&limit=3").json()
    rest = call("GET", "/reference-values?prefix=page-&limit=3&after=" + first["next"]).json()
    run.equal("pages", ([i["value"] for i in first["items"]], [i["value"] for i in rest["items"]], rest["next"]),
              ([0, 1, 2], [3, 4], None))
    message = {"version": "0.1.0", "type": "sample", "payload": lib.b64(b'{"m1": 1, "m2": [2]}')}
    a = call("POST", "/reference-values", message)
    run.equal("a whole message", (a.status, [i["name"] for i in a.json()["items"]]), (200, ["m1", "m2"]))
    bad = {"version": "0.1.0", "type": "sample", "payload": lib.b64(b'{"m3": 1, "": 2}')}
    run.equal("a message with one bad name", call("POST", "/reference-values", bad).status, 400)
    run.equal("sets nothing", call("GET", "/reference-values?name=m3").status, 404)
    run.equal("remove a value: 204", call("DELETE", "/reference-values?name=m1", If_Match='"1"').status, 204)
    run.equal("removed: 404", call("GET", "/reference-values?name=m1").status, 404)

    keys = call("GET", "/keys").json()["items"]
    run.check("the passport keys", len(keys) == 1 and keys[0]["kid"] == jwks(issuer)["keys"][0]["kid"] and "d" not in keys[0]["jwk"])
    status = call("GET", "/status").json()
    run.check("status", status.get("issuer") == "https://issuer.test" and "sample" in status.get("tees", []), status)
    with open(os.path.join(ROOT, "docs/api/issuer.json"), "rb") as f:
        run.equal("the OpenAPI file is served as it is", http_call("GET", url + "/openapi.json").body, f.read())
    metrics = http_call("GET", issuer.admin + "/metrics", headers=auth)
    run.check("metrics count passports", b"vidimus_passports_total" in metrics.body, metrics)
    run.equal("native routes need a token", http_call("GET", url + "/policies").status, 401)
    run.check("native routes are not on the guest plane", http_call("GET", issuer.guest + "/api/v1/policies").status == 404)
    run.check("guest routes are not on the admin plane", http_call("POST", issuer.admin + "/kbs/v0/auth", {}).status == 404)


def test_public(run, issuer):
    a = http_call("GET", issuer.guest + "/healthz")
    run.equal("healthz", (a.status, a.body), (200, b""))
    a = http_call("GET", issuer.guest + "/.well-known/jwks.json")
    run.check("key set", a.status == 200 and a.header("content-type") == "application/json"
              and a.header("cache-control") == "max-age=300" and a.json()["keys"][0]["use"] == "sig", (a, a.headers))
    for method, path, status in (("GET", "/kbs/v0/auth", 405), ("PUT", "/kbs/v0/attest", 405), ("POST", "/.well-known/jwks.json", 405),
                                 ("GET", "/kbs/v0/nosuch", 404), ("GET", "/kbs/v0", 404), ("GET", "/", 404),
                                 ("GET", "/kbs/v0/resource/a/b/c", 404), ("POST", "/kbs/v0/auth/x", 404)):
        a = http_call(method, issuer.guest + path)
        run.equal("%s %s: %d" % (method, path, status), a.status, status)
        if path.startswith("/kbs/v0/"):
            run.check("%s %s has the KBS body" % (method, path), sorted(a.json()) == ["detail", "type"], a)
    a = http_call("POST", issuer.guest + "//kbs/v0/auth", {"version": "0.4.0", "tee": "sample", "extra-params": ""},
                  raw_target="//kbs/v0/auth")
    run.equal("a leading double slash is forgiven", a.status, 200)


# ---- the attestation service's surface -------------------------------------------------------------------


def as_request(evidence=None, policy_ids=(), **more):
    evidence = {"svn": "1", "report_data": ""} if evidence is None else evidence
    request = {"tee": "sample", "evidence": lib.b64u(json.dumps(evidence).encode()), **more}
    return {"verification_requests": [request], "policy_ids": list(policy_ids)}


def test_as(run, issuer, who):
    json_type = {"Content-Type": "application/json"}
    post = lambda body, headers=json_type: http_call("POST", issuer.guest + "/attestation", body, headers)
    a = post(as_request())
    run.check("evidence alone", a.status == 200 and a.header("content-type") is None, (a, a.headers))
    p = lib.token_verify(a.body.decode(), jwks(issuer))
    run.equal("says that nothing is fresh", p["vidimus"]["freshness"], "none")
    evidence = p["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    run.equal("runtime data is null", (evidence["report_data"], evidence["runtime_data_claims"]), ("", None))
    a = post(as_request({"svn": "1", "report_data": lib.b64(b"0123456789abcdef")}, runtime_data={"raw": lib.b64u(b"0123456789abcdef")}))
    run.check("raw runtime data as it stands", a.status == 200, a)
    run.equal("is the caller's", lib.token_parts(a.body.decode())[1]["vidimus"]["freshness"], "caller-data")
    structured = {"b": 1, "a": "test", "c": {"d": "e"}, "f": 1.0, "\u00e9": [3, 1]}
    canonical = '{"a":"test","b":1,"c":{"d":"e"},"f":1,"\u00e9":[3,1]}'.encode()
    for alg in (None, "sha256", "SHA384", "sha512"):
        digest = hashlib.new((alg or "sha384").lower(), canonical).digest()
        more = {"runtime_data_hash_algorithm": alg} if alg else {}
        a = post(as_request({"svn": "1", "report_data": lib.b64(digest)}, runtime_data={"structured": structured}, **more))
        run.check("structured runtime data, %s" % alg, a.status == 200, a)
    run.equal("structured data in the passport", lib.token_parts(a.body.decode())[1]["submods"]["cpu0"][
        "ear.veraison.annotated-evidence"]["runtime_data_claims"], structured)
    a = post(as_request(init_data={"init_data_toml": INIT % "sha256"}))
    run.check("init data as TOML", a.status == 200 and "cdh.toml" in lib.token_parts(a.body.decode())[1]["submods"]["cpu0"][
        "ear.veraison.annotated-evidence"]["init_data_claims"], a)
    a = post(as_request(init_data={"init_data_digest": lib.b64u(b"\1" * 32)}))
    run.check("init data as a digest", a.status == 200 and lib.token_parts(a.body.decode())[1]["submods"]["cpu0"][
        "ear.veraison.annotated-evidence"]["init_data_claims"] is None, a)
    for value in (None, [], "x", 1.5, True):
        digest = hashlib.sha384(json.dumps(value).encode()).digest()
        a = post(as_request({"svn": "1", "report_data": lib.b64(digest)}, runtime_data={"structured": value}))
        run.check("structured runtime data may be %r" % (value,), a.status == 200, a)
    two = as_request()
    two["verification_requests"].append({"tee": "sampledevice", "evidence": lib.b64u(b'{"svn":"2"}')})
    run.equal("two pieces of evidence", list(lib.token_parts(post(two).body.decode())[1]["submods"]), ["cpu0", "gpu0"])

    bad = [("no content type", as_request(), {}, 400), ("another content type", as_request(), {"Content-Type": "text/plain"}, 400),
           ("a +json type", as_request(), {"Content-Type": "application/x+json; charset=utf-8"}, 200),
           ("no JSON", "{", json_type, 400), ("no requests", {"policy_ids": []}, json_type, 400),
           ("empty requests", {"verification_requests": [], "policy_ids": []}, json_type, 400),
           ("no policy_ids", {"verification_requests": as_request()["verification_requests"]}, json_type, 400),
           ("policy_ids null", dict(as_request(), policy_ids=None), json_type, 400),
           ("two policies", as_request(policy_ids=["default", "default"]), json_type, 400),
           ("an unknown policy", as_request(policy_ids=["nosuch"]), json_type, 400),
           ("a policy that cannot be", as_request(policy_ids=["../x"]), json_type, 400),
           ("the default by name", as_request(policy_ids=["default"]), json_type, 200),
           ("a tee that is not enabled", {"verification_requests": [{"tee": "cca", "evidence": "e30"}], "policy_ids": []}, json_type, 403),
           ("an unknown tee", {"verification_requests": [{"tee": "x", "evidence": "e30"}], "policy_ids": []}, json_type, 400),
           ("evidence with padding", {"verification_requests": [{"tee": "sample", "evidence": "e30="}], "policy_ids": []}, json_type, 400),
           ("evidence that is no JSON", {"verification_requests": [{"tee": "sample", "evidence": "eA"}], "policy_ids": []}, json_type, 400),
           ("two kinds of runtime data", as_request(runtime_data={"raw": "", "structured": {}}), json_type, 400),
           ("padded raw data", as_request(runtime_data={"raw": "eA=="}), json_type, 400),
           ("wrong raw data", as_request(runtime_data={"raw": "eA"}), json_type, 403),
           ("raw data that is hashed", as_request({"svn": "1", "report_data": lib.b64(hashlib.sha384(b"x").digest())},
                                                  runtime_data={"raw": "eA"}), json_type, 403),
           ("an unknown hash", as_request(runtime_data={"structured": {}}, runtime_data_hash_algorithm="sha-384"), json_type, 400)]
    for what, body, headers, status in bad:
        a = post(body, headers)
        run.check("/attestation, %s: %d" % (what, status), a.status == status and (
            status == 200 or (a.header("content-type") or "").startswith("text/plain")), (a, a.headers))
    for body, status in (({"tee": "sample", "tee_params": ""}, 200), ({"tee": "sample", "tee_params": "{}"}, 200),
                         ({"tee": "sample"}, 400), ({"tee_params": ""}, 400), ({"tee": "sample", "tee_params": {}}, 400),
                         ({"tee": "nosuch", "tee_params": ""}, 400)):
        a = http_call("POST", issuer.guest + "/challenge", body, json_type)
        run.check("/challenge %s: %d" % (json.dumps(body), status), a.status == status and (status != 200 or a.body == b""), a)

    policy = {"policy_id": "as_cpu", "policy": lib.b64u(POLICY.encode())}
    set_it = lambda body, headers: http_call("POST", issuer.guest + "/policy", body, {**json_type, **headers})
    run.equal("/policy needs an administrator", set_it(policy, {}).status, 401)
    run.equal("/policy", (lambda a: (a.status, a.body))(set_it(policy, who.bearer())), (200, b""))
    run.equal("/policy that does not compile: 400", set_it(dict(policy, policy="bm9wZSB7"), who.bearer()).status, 400)
    ids = [i["policy-id"] for i in http_call("GET", issuer.guest + "/policy", headers=who.bearer()).json()]
    run.check("list of policies", "as_cpu" in ids and "default_cpu" in ids and len(ids) == len(set(ids)), ids)
    a = http_call("GET", issuer.guest + "/policy/as_cpu", headers=who.bearer())
    run.equal("a policy's text", (a.status, a.body.decode()), (200, POLICY))
    run.equal("an unknown policy: 404", http_call("GET", issuer.guest + "/policy/nosuch", headers=who.bearer()).status, 404)
    a = post(as_request(policy_ids=["as"]))
    run.check("the chosen policy is named", a.status == 200 and lib.token_parts(a.body.decode())[1]["submods"]["cpu0"][
        "ear.appraisal-policy-id"] == "as", a)


# ---- other configurations --------------------------------------------------------------------------------


def test_limits(run, bin_folder):
    d = run.folder()
    who, admin = lib.make_admin_identity(d)
    config = BASE % d + admin + "[limits]\nattests_per_source = 4\nrelays_per_source = 1000\n"
    s = run.server("issuer", d, bin_folder, config.replace("[as]\nenabled = true\n", ""), guest="kbs_admin = false\n")
    run.equal("kbs_admin = false: 404", set_policy(s, who, "default_cpu", POLICY).status, 404)
    for method, path in (("POST", "/attestation"), ("GET", "/attestation"), ("POST", "/challenge"), ("GET", "/policy"), ("GET", "/policy/x")):
        run.equal("[as] off: %s %s is 404" % (method, path), http_call(method, s.guest + path, headers=who.bearer()).status, 404)
    a = http_call("PUT", s.admin + "/api/v1/policies/default_cpu", POLICY, {**who.bearer(), "If-None-Match": "*"})
    run.equal("a policy by the native route", a.status, 201)
    if time.time() % 60 > 50:
        time.sleep(61 - time.time() % 60)
    key = TeeKey()
    for i in range(4):
        run.equal("within the limit", kbs_attest_sample(s.guest, kbs_auth(s.guest), key).status, 200)
    session = kbs_auth(s.guest)
    body = sample_attestation(session, key)
    records = len(s.audit())
    a = kbs_attest(s.guest, session, body)
    run.check("above the limit: 429 with Retry-After", a.status == 429 and 1 <= int(a.header("retry-after") or 0) <= 60, (a, a.headers))
    run.equal("nothing is recorded", len(s.audit()), records)
    s.stop()
    s.args = ["--set", 'limits.relays=["127.0.0.1"]']
    s.start()
    ok = [kbs_attest_sample(s.guest, kbs_auth(s.guest), key).status for _ in range(8)]
    run.equal("a named relay has a limit of its own", ok, [200] * 8)
    s.stop()
    s.args = ["--set", "passport.max_bytes=4096", "--set", "limits.attests_per_source=100"]
    s.start()
    a = kbs_attest_sample(s.guest, kbs_auth(s.guest), key, init_data=INIT % "sha256" + '"big" = "%s"\n' % ("x" * 5000))
    run.equal("a passport above max_bytes is refused", a.status, 401)
    x = http_call("GET", s.admin + "/api/v1/decisions/" + a.header("vidimus-decision"), headers=who.bearer())
    run.equal("and says so", x.json()["error"], "passport.too-large")
    s.stop()
    s.args = ["--set", "challenge.lifetime=10"]
    s.start()
    session = kbs_auth(s.guest)
    run.check("the cookie lives as long as the challenge", "Max-Age=10;" in session.answer.header("set-cookie"))
    time.sleep(11)
    run.equal("an expired challenge: 401", kbs_attest_sample(s.guest, session, key).status, 401)


def test_algorithms_and_tls(run, bin_folder):
    for alg, crv in (("ES384", "P-384"), ("EdDSA", "Ed25519")):
        d = run.folder()
        cert, keyfile = lib.make_tls(d)
        who, admin = lib.make_admin_identity(d, alg="ES256")
        s = run.server("issuer", d, bin_folder, (BASE % d).replace("[tee.sample]", 'alg = "%s"\n[tee.sample]' % alg, 1) + admin,
                       tls=(cert, keyfile))
        a = http_call("POST", s.guest + "/kbs/v0/attestation-policy",
                      {"policy_id": "default_cpu", "policy": lib.b64u(POLICY.encode())}, who.bearer(), cafile=cert)
        run.equal("HTTPS: a policy", a.status, 200)
        session = kbs_auth(s.guest, cafile=cert)
        run.check("HTTPS: the cookie is Secure", session.answer.header("set-cookie").endswith("; Secure"))
        a = kbs_attest_sample(s.guest, session, TeeKey(), cafile=cert)
        keys = http_call("GET", s.guest + "/.well-known/jwks.json", cafile=cert).json()
        run.equal("HTTPS: attest with %s" % alg, a.status, 200)
        lib.token_verify(a.json()["token"], keys)
        run.equal("the key set has a %s key" % crv, keys["keys"][0]["crv"], crv)
        s.stop()


def test_certificate(run, bin_folder):
    d = run.folder()
    who, admin = lib.make_admin_identity(d)
    s = run.server("issuer", d, bin_folder, BASE % d + admin, start=False)
    subprocess.run(["openssl", "req", "-x509", "-key", d + "/passport.key", "-out", d + "/cert.pem", "-days", "3",
                    "-subj", "/CN=passport"], check=True, stderr=subprocess.DEVNULL)
    s.args = ["--set", "passport.cert_file=" + d + "/cert.pem"]
    s.start()
    set_policy(s, who, "default_cpu", POLICY)
    token, _ = lib.attest_sample(s.guest)
    head = lib.token_parts(token)[0]
    der = base64.b64decode(head["jwk"]["x5c"][0])
    pem = open(d + "/cert.pem").read()
    run.equal("x5c is the certificate", der, base64.b64decode("".join(pem.split("\n")[1:-2])))
    run.equal("jwk members in order", list(head["jwk"]), ["alg", "x5c", "kty", "crv", "x", "y"])
    s.stop()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    d + "/o.key", "-out", d + "/other.pem", "-days", "3", "-subj", "/CN=x"], check=True, stderr=subprocess.DEVNULL)
    code, out = s.verb("serve", "--set", "passport.cert_file=" + d + "/other.pem")
    run.check("a certificate of another key stops the start", code != 0 and "other.pem" in out, out)


def test_defaults(run, bin_folder):
    """Nothing stored: the policies that the program carries, or a refusal."""
    d = run.folder()
    who, admin = lib.make_admin_identity(d)
    s = run.server("issuer", d, bin_folder, BASE % d + admin)
    token, a = lib.attest_sample(s.guest)
    if run.check("the built-in policy appraises sample evidence", a.status == 200, a):
        status = lib.token_parts(token)[1]["submods"]["cpu0"]["ear.status"]
        run.equal("and does not affirm it without reference values", status, "contraindicated")
    a = http_call("GET", s.admin + "/api/v1/policies/default_cpu", headers=who.bearer())
    run.check("its text is readable as version 0", a.status == 200 and a.header("etag") == '"0"' and b"package policy" in a.body, a)
    P2 = POLICY.replace("default hardware := 97", "default hardware := 2")
    set_policy(s, who, "default_cpu", P2)
    run.equal("a stored policy wins", lib.token_parts(lib.attest_sample(s.guest)[0])[1]["submods"]["cpu0"]
              ["ear.trustworthiness-vector"]["hardware"], 2)
    http_call("DELETE", s.admin + "/api/v1/policies/default_cpu", headers={**who.bearer(), "If-Match": '"1"'})
    run.equal("deleting it brings the built-in one back", lib.token_parts(lib.attest_sample(s.guest)[0])[1]["submods"]["cpu0"]
              ["ear.trustworthiness-vector"]["hardware"], 97)


def main():
    bin_folder = lib.bin_dir()
    run = lib.Run("issuer_e2e")
    d = run.folder()
    who = lib.Identity(d, "admin")
    tester = lib.Identity(d, "tester", "ES256")
    stranger = lib.Identity(d, "stranger")
    config = BASE % d + who.config(["admin"]) + tester.config(["tester"]) + lib.role("admin", ["* /api/v1/*", "* /kbs/v0/*", "* /policy", "* /policy/{id}", "GET /metrics"]) \
        + lib.role("tester", ["POST /kbs/v0/reference-value", "GET /kbs/v0/reference-value/*"])
    issuer = run.server("issuer", d, bin_folder, config)
    run.equal("set the CPU policy", set_policy(issuer, who, "default_cpu", POLICY).status, 200)
    run.equal("set the device policy", set_policy(issuer, who, "default_gpu", GPU).status, 200)
    run.equal("set reference values", set_values(issuer, who, {"svn": ["1"], "launch_digest": ["abcde"], "device_svn": ["2"]}).status, 200)
    test_auth(run, issuer)
    test_audience(run, issuer)
    test_passport(run, issuer)
    test_refusals(run, issuer)
    test_dialects(run, issuer)
    test_single_use(run, issuer)
    test_devices(run, issuer)
    test_init_data(run, issuer)
    test_kbs_admin(run, issuer, who, tester, stranger)
    test_values_decide(run, issuer, who)
    test_refusal_explained(run, issuer, who)
    test_native(run, issuer, who)
    test_public(run, issuer)
    test_as(run, issuer, who)
    test_restart(run, issuer)
    run.check("no secret, token or cookie in the log", not any(x in issuer.log() for x in ("kbs-session-id=", "eyJ")))
    issuer.stop()
    test_start(run, bin_folder)
    test_limits(run, bin_folder)
    test_algorithms_and_tls(run, bin_folder)
    test_certificate(run, bin_folder)
    test_defaults(run, bin_folder)
    run.finish()


if __name__ == "__main__":
    main()
