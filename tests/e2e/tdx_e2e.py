#!/usr/bin/python3
"""Simulated TDX guests and SGX enclaves from the quote to the secret: `verify` with statuses and refusals of which no
genuine evidence is public, and the whole KBS protocol with a live nonce, event log, issuer and broker.

usage: tdx_e2e.py BIN_DIR"""
import base64
import json
import os
import subprocess

import lib

BIN = lib.bin_dir()
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
run = lib.Run("tdx")
folder = run.folder()
PKI = os.path.join(folder, "pki")
EXTRA = 'extra_roots=["%s/root.pem"]' % PKI
AT = "2026-06-01T00:00:00Z"


def path(name):
    return os.path.join(folder, name)


def sim(verb, *args, stdin=None):
    done = subprocess.run([os.path.join(BIN, "simtdx"), verb, "--pki", PKI, *args], input=stdin, stdout=subprocess.PIPE,
                          check=True)
    return done.stdout


def collateral(name, *args):
    where = path(name)
    sim("collateral", "--out", where, *args)
    return where


def write(name, data):
    with open(path(name), "wb") as f:
        f.write(data)
    return path(name)


# ---- the verb verify ---------------------------------------------------------------------------------


def verify(tee, evidence, where, *args, at=AT):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("VIDIMUS_")}
    done = subprocess.run([os.path.join(BIN, "vidimus-issuer"), "verify", "--json", "--tee", tee, "--at", at, "--collateral",
                           where, "--set", "tee.dcap." + EXTRA, *args, evidence], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=clean, timeout=120)
    text = done.stderr.decode()
    run.check("no sanitizer speaks", "runtime error" not in text and "Sanitizer" not in text, text)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode, {"error": {"slug": text[-300:] + done.stdout.decode()[-300:]}}


def claims_of(what, result):
    code, j = result
    ok = run.check(what + " is accepted", code == 0 and bool(j.get("verified")), "exit %d %s" % (code, j.get("error")))
    return j["submods"][0]["claims"] if ok else {}


def refused(what, result, slug):
    code, j = result
    run.check(what, code == 8 and j.get("error", {}).get("slug") == slug, "exit %d %s" % (code, j.get("error")))


KINDS = [("tdx", []), ("tdx", ["--quote-version", "5", "--body", "2"]), ("tdx", ["--quote-version", "5", "--body", "3"]),
         ("tdx", ["--quote-version", "5", "--body", "4"]), ("sgx", ["--tee", "sgx"]),
         ("sgx", ["--quote-version", "5", "--body", "1"])]


def forms():
    """Every kind of quote, raw and as JSON; collateral as single files, as bundles, of both CAs."""
    places = {"files": collateral("files", "--at", AT), "bundle": collateral("bundle", "--at", AT, "--bundle")}
    for tee, args in KINDS:
        what = " ".join([tee] + args)
        raw, doc = write("quote", sim("quote", *args)), write("evidence", sim("evidence", *args))
        for name, where in places.items():
            c = claims_of("%s, raw, %s" % (what, name), verify(tee, raw, where))
            run.equal(what + ": status", c.get("tcb_status"), "UpToDate")
            c = claims_of("%s, JSON, %s" % (what, name), verify(tee, doc, where))
            run.equal(what + ": FMSPC", c.get("fmspc"), "51806f050000")
        code, j = verify(tee, raw, places["files"])
        run.check(what + " is said to be simulated", j["submods"][0]["simulated"] is True, str(j)[:300])
        refused(what + " without collateral", verify(tee, raw, collateral_of_nobody()), "evidence.collateral-missing")
    processor = collateral("processor", "--at", AT, "--processor")
    for tee in ("tdx", "sgx"):
        q = write("quote", sim("quote", "--tee", tee, "--processor"))
        c = claims_of(tee + ", Processor CA", verify(tee, q, processor))
        run.check(tee + ": no instance id", "platform_instance_id" not in c and c.get("pck_ca") == "processor", str(c))
        refused(tee + ", the other CA's list", verify(tee, q, places["files"]), "evidence.collateral-missing")
    refused("an SGX quote as TDX", verify("tdx", write("quote", sim("quote", "--tee", "sgx")), places["files"]),
            "evidence.version")


def collateral_of_nobody():
    where = path("empty")
    os.makedirs(where, exist_ok=True)
    return where


STATUS = [  # options of the collateral, of the quote, status, advisories
    ([], [], "UpToDate", []),
    (["--status", "ConfigurationNeeded", "--advisories", "INTEL-SA-2,INTEL-SA-1"], [], "ConfigurationNeeded",
     ["INTEL-SA-1", "INTEL-SA-2"]),
    (["--status", "SWHardeningNeeded"], [], "SWHardeningNeeded", []),
    (["--status", "ConfigurationAndSWHardeningNeeded"], [], "ConfigurationAndSWHardeningNeeded", []),
    (["--status", "OutOfDateConfigurationNeeded"], [], "OutOfDateConfigurationNeeded", []),
    (["--module-status", "OutOfDate"], [], "OutOfDate", []),
    (["--module-status", "OutOfDate", "--status", "ConfigurationNeeded"], [], "OutOfDateConfigurationNeeded", []),
    (["--qe-status", "OutOfDate"], [], "OutOfDate", []),
    (["--qe-status", "OutOfDate", "--status", "ConfigurationAndSWHardeningNeeded"], [], "OutOfDateConfigurationNeeded", []),
    ([], ["--tcb-svn", "03010300"], "TDRelaunchAdvised", ["INTEL-SA-01036"]),
    (["--status", "ConfigurationNeeded"], ["--tcb-svn", "03010300"], "TDRelaunchAdvisedConfigurationNeeded",
     ["INTEL-SA-01036"]),
    ([], ["--tcb-svn", "03010300", "--tcb-svn2", "03010300"], "OutOfDate", ["INTEL-SA-01036"]),
    ([], ["--pcesvn", "11"], "OutOfDate", ["INTEL-SA-00837", "INTEL-SA-00960"]),
    ([], ["--qe-svn", "6"], "OutOfDate", ["INTEL-SA-00615"]),
    ([], ["--tcb-svn", "03030300", "--tcb-svn2", "03030300"], "UpToDate", []),
]
REFUSED = [  # collateral, quote, settings, slug
    ("platform revoked", ["--status", "Revoked"], [], [], "evidence.tcb-revoked"),
    ("module revoked", ["--module-status", "Revoked"], [], [], "evidence.tcb-revoked"),
    ("quoting enclave revoked", ["--qe-status", "Revoked"], [], [], "evidence.tcb-revoked"),
    ("PCK revoked", ["--revoke", "pck"], [], [], "evidence.revoked"),
    ("Platform CA revoked", ["--revoke", "platform"], [], [], "evidence.revoked"),
    ("TCB signer revoked", ["--revoke", "signer"], [], [], "evidence.revoked"),
    ("documents signed by a CA", ["--wrong-signer"], [], [], None),
    ("another family", ["--fmspc", "00806f050000"], [], [], "evidence.collateral-missing"),
    ("module unknown", [], ["--tcb-svn", "05020300"], [], "evidence.tdx-module"),
    ("platform below every level", [], ["--pcesvn", "9"], [], "evidence.tcb-unsupported"),
    ("debug TD", [], ["--debug"], [], "evidence.debug"),
    ("TD under profiling", [], ["--td-attributes", "0x10000002"], [], "evidence.debug"),
    ("migratable TD", [], ["--migratable"], [], "evidence.migratable"),
    ("SEAM attributes", [], ["--seam-attributes", "1"], [], "evidence.tdx-module"),
    ("SEAM signer", [], ["--mrsigner-seam", "01"], [], "evidence.tdx-module"),
    ("debug quoting enclave", [], ["--qe-flags", "0x17"], [], "evidence.qe-identity"),
    ("another quoting enclave", [], ["--qe-mrsigner", "00"], [], "evidence.qe-identity"),
    ("key not bound", [], ["--unbound"], [], "evidence.qe-binding"),
    ("another attestation key", [], ["--stranger"], [], "evidence.signature"),
    ("another QE report key", [], ["--qe-stranger"], [], "evidence.qe-signature"),
    ("certification data of type 3", [], ["--cert-type", "3"], [], "evidence.certification-data"),
    ("evaluation number too low", ["--eval", "17"], [], ["tee.dcap.min_evaluation=18"], "collateral.old"),
    ("an advisory that is rejected", [], ["--qe-svn", "6"], ['tee.dcap.rejected_advisories=["INTEL-SA-00615"]'],
     "evidence.tcb-floor"),
    ("log that does not replay", [], ["--altered-log"], [], "evidence.event-log"),
]


def statuses():
    for coll, args, want, advisories in STATUS:
        what = " ".join(coll + args) or "as it is"
        q = write("quote", sim("quote", "--quote-version", "5", "--body", "3", *args))
        c = claims_of(what, verify("tdx", q, collateral("status", "--at", AT, *coll)))
        run.equal(what + ": status", c.get("tcb_status"), want)
        run.equal(what + ": advisories", c.get("advisory_ids"), advisories)


def refusals():
    good = collateral("good", "--at", AT)
    for what, coll, args, settings, slug in REFUSED:
        e = write("evidence", sim("evidence", *args))
        where = collateral("bad-" + what.replace(" ", "-"), "--at", AT, *coll) if coll else good
        result = verify("tdx", e, where, *[x for s in settings for x in ("--set", s)])
        if slug:
            refused(what, result, slug)
        else:
            run.check(what, result[0] == 8, str(result))
    e = write("evidence", sim("evidence", "--debug"))
    code, j = verify("tdx", e, good, "--set", "tee.tdx.allow_debug=true")
    run.check("a debug TD that is allowed says so", code == 0 and j["submods"][0]["debug"] is True, str(j)[:300])
    for what, args, slug in [("debug enclave", ["--debug"], "evidence.debug"), ("no INIT", ["--sgx-flags", "4"], None),
                             ("provisioning key", ["--sgx-flags", "0x15"], None)]:
        code, j = verify("sgx", write("quote", sim("quote", "--tee", "sgx", *args)), good)
        run.check(what, code == 8 and (not slug or j["error"]["slug"] == slug), "%d %s" % (code, j.get("error")))
    quote = write("quote", sim("quote"))
    for what, at, slug in [("before the collateral", "2026-05-31T22:50:00Z", "evidence.collateral-expired"),
                           ("its last second", "2026-06-30T22:59:59Z", None),
                           ("its end", "2026-06-30T23:00:00Z", "evidence.collateral-expired"),
                           ("after the certificates", "2045-01-01T00:00:00Z", "evidence.certificate-expired")]:
        result = verify("tdx", quote, good, at=at)
        if slug:
            refused(what, result, slug)
        else:
            run.equal(what + ": not expired", claims_of(what, result).get("collateral_expiration_status"), "0")
    c = claims_of("grace", verify("tdx", quote, good, "--set", "tee.dcap.collateral_grace=86400", at="2026-07-01T00:00:00Z"))
    run.equal("grace is marked", c.get("collateral_expiration_status"), "1")


# ---- issuer and broker -------------------------------------------------------------------------------

INIT = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\n"aa.toml" = "x = 1"\n'


def start():
    who, admin = lib.make_admin_identity(folder)
    sim("pki")
    live = collateral("live")
    issuer = run.server("issuer", path("issuer"), BIN, config=admin +
                        '[passport]\nissuer = "https://issuer.test"\nkey_file = "%s/issuer/passport.key"\n'
                        '[tee.tdx]\nenabled = true\n[tee.sgx]\nenabled = true\n[tee.dcap]\n%s\n[collateral]\ndir = "%s"\n'
                        '[limits]\nattests_per_source = 100000\n' % (folder, EXTRA, live))
    broker = run.server("broker", path("broker"), BIN, config=admin +
                        '[[trusted_issuer]]\nname = "main"\nissuer = "https://issuer.test"\n'
                        'jwks_url = "%s/.well-known/jwks.json"\nalgs = ["ES256"]\ntees = ["tdx", "sgx"]\n'
                        'repositories = ["*"]\naccept_simulated = true\n'
                        '[relay]\ntrusted_issuer = "main"\nissuer_url = "%s"\n' % (issuer.guest, issuer.guest))
    return who, issuer, broker


def put_policy(server, who, what, name, file):
    with open(os.path.join(ROOT, "examples", "quickstart", file), "rb") as f:
        body = {"type": "rego", "policy_id": name, "policy": lib.b64u(f.read())}
    a = lib.http_call("POST", server.guest + "/kbs/v0/" + what, body, who.bearer())
    run.check("policy %s is set" % name, a.status == 200, repr(a))


def put_values(issuer, who, values):
    body = {"version": "0.1.0", "type": "sample", "payload": lib.b64(json.dumps(values).encode())}
    a = lib.http_call("POST", issuer.guest + "/kbs/v0/reference-value", body, who.bearer())
    run.check("reference values are set", a.status == 200, repr(a))


def attest(url, key, tee="tdx", args=(), init=None, change=None, session=None):
    """The whole handshake with a simulated guest; the answer of /attest."""
    s = session or lib.kbs_auth(url, tee=tee)
    digest = lib.report_data(s.nonce, key.public, "")
    request = json.dumps({"tee": tee, "runtime_data": {}, "report_data": lib.b64u(digest)}).encode()
    evidence = json.loads(sim("attest", "--tee", tee, *args, stdin=request))
    if change:
        evidence = change(evidence) or evidence
    return lib.kbs_attest(url, s, {"init-data": None if init is None else {"format": "toml", "body": init},
                                   "runtime-data": {"nonce": s.nonce, "tee-pubkey": key.public},
                                   "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}})


def registers():
    body = sim("quote", "--quote-version", "4")[48:632]
    return {"mr_td": [body[136:184].hex()], "rtmr_1": [body[376:424].hex()], "rtmr_2": [body[424:472].hex()],
            "sgx_mr_enclave": [sim("quote", "--tee", "sgx")[112:144].hex()]}


def last_slug(issuer):
    records = [r for r in issuer.audit() if "attest" in json.dumps(r)]
    return json.dumps(records[-1]) if records else ""


def passports(who, issuer, broker):
    put_values(issuer, who, registers())
    put_policy(issuer, who, "attestation-policy", "default_cpu", "issuer-policy.rego")
    put_policy(broker, who, "resource-policy", "resource-policy", "release-policy.rego")
    secret = b"what only a measured guest may know"
    a = lib.http_call("POST", broker.guest + "/kbs/v0/resource/team/key/1", secret, who.bearer())
    run.check("the secret is stored", a.status == 200, repr(a))
    jwks = lib.http_call("GET", issuer.guest + "/.well-known/jwks.json").json()
    for tee, args in KINDS:
        what = " ".join([tee] + args)
        key = lib.TeeKey()
        a = attest(issuer.guest, key, tee, args)
        if not run.check(what + ": passport", a.status == 200, repr(a) + last_slug(issuer)):
            continue
        payload = lib.token_verify(a.json()["token"], jwks)
        cpu = payload["submods"]["cpu0"]
        run.equal(what + ": affirming", cpu["ear.status"], "affirming")
        run.check(what + ": simulated, not debug", payload["vidimus"]["simulated"] is True and
                  cpu["vidimus"]["debug"] is False and cpu["vidimus"]["tee"] == tee, str(cpu["vidimus"]))
        told = cpu["ear.veraison.annotated-evidence"][tee]
        run.equal(what + ": status", told["tcb_status"], "UpToDate")
        run.check(what + ": the log stays outside", "uefi_event_logs" not in told, str(told)[:200])
        if tee == "tdx":
            run.equal(what + ": the log's state", cpu["vidimus"]["event_log"]["state"], "replayed")
        r = lib.get_resource(broker.guest, "team/key/1", a.json()["token"])
        run.check(what + ": released", r.status == 200 and key.open(r.body) == secret, repr(r))
    key = lib.TeeKey()
    session = lib.kbs_auth(broker.guest, tee="tdx")
    a = attest(broker.guest, key, session=session)
    run.check("through the relay", a.status == 200, repr(a))
    r = lib.get_resource(broker.guest, "team/key/1", cookie=a.cookie() or session.cookie)
    run.check("and its secret", r.status == 200 and key.open(r.body) == secret, repr(r))


def bindings(issuer):
    """What is bound: nonce and key, init data, log; and what is not sent."""
    key, other = lib.TeeKey(), lib.TeeKey()
    init = write("init.toml", INIT.encode())
    a = attest(issuer.guest, key, args=["--init-data", init], init=INIT)
    run.check("init data", a.status == 200, repr(a))
    a = attest(issuer.guest, key, args=["--init-data", init], init=INIT + "# changed\n")
    run.check("other init data", a.status == 401, repr(a))
    a = attest(issuer.guest, key, "sgx", ["--init-data", init], init=INIT)
    run.check("an enclave's init data", a.status == 200, repr(a))
    first = lib.kbs_auth(issuer.guest, tee="tdx")
    kept = []
    a = attest(issuer.guest, key, session=first, change=lambda e: kept.append(e))
    run.check("first", a.status == 200, repr(a))
    a = attest(issuer.guest, key, change=lambda e: kept[0])
    run.check("replayed evidence", a.status == 401, repr(a))
    s = lib.kbs_auth(issuer.guest, tee="tdx")
    digest = lib.report_data(s.nonce, other.public, "")
    request = json.dumps({"tee": "tdx", "runtime_data": {}, "report_data": lib.b64u(digest)}).encode()
    theirs = json.loads(sim("attest", stdin=request))
    a = attest(issuer.guest, key, session=s, change=lambda e: theirs)
    run.check("another guest's evidence", a.status == 401, repr(a))
    a = attest(issuer.guest, key, args=["--without-log"])
    run.check("without a log", a.status == 200, repr(a))
    state = lib.token_parts(a.json()["token"])[1]["submods"]["cpu0"]["vidimus"].get("event_log", {}).get("state")
    run.equal("and it is said", state, "absent")

    def cut(evidence):
        log = base64.b64decode(evidence["cc_eventlog"])
        evidence["cc_eventlog"] = lib.b64(log[:-9])

    for what, args, change in [("altered log", ["--altered-log"], None), ("cut log", [], cut),
                               ("debug TD", ["--debug"], None), ("unknown module", ["--tcb-svn", "05020300"], None),
                               ("a stranger's key", ["--stranger"], None),
                               ("no quote", [], lambda e: e.pop("quote") and None),
                               ("a family without collateral", ["--fmspc", "00906ea10000"], None)]:
        a = attest(issuer.guest, key, args=args, change=change)
        run.check(what, a.status in (401, 503) and lib.error_type(a) == "AttestationError", repr(a))
    a = attest(issuer.guest, key, args=["--log-size", "65536"])
    run.check("a log of 64 KiB", a.status == 200, repr(a))
    token = a.json()["token"] if a.status == 200 else ""
    run.check("makes no larger passport", 0 < len(token) < 16384, str(len(token)))


def statuses_by_policy(who, issuer, broker):
    """A status is a claim: the passport is made, and the policy decides."""
    put_policy(issuer, who, "attestation-policy", "default_cpu", "issuer-policy.rego")
    for what, args, want in [("out of date", ["--pcesvn", "11"], "OutOfDate"),
                             ("relaunch advised", ["--quote-version", "5", "--tcb-svn", "03010300"], "TDRelaunchAdvised"),
                             ("other firmware", ["--mr-td", "00"], "UpToDate")]:
        key = lib.TeeKey()
        a = attest(issuer.guest, key, args=args)
        if not run.check(what + ": passport", a.status == 200, repr(a)):
            continue
        cpu = lib.token_parts(a.json()["token"])[1]["submods"]["cpu0"]
        run.equal(what, cpu["ear.veraison.annotated-evidence"]["tdx"]["tcb_status"], want)
        run.check(what + " is not affirming", cpu["ear.status"] != "affirming", cpu["ear.status"])
        r = lib.get_resource(broker.guest, "team/key/1", a.json()["token"])
        run.check(what + ": not released", r.status == 403, repr(r))


forms()
statuses()
refusals()
who, issuer, broker = start()
passports(who, issuer, broker)
bindings(issuer)
statuses_by_policy(who, issuer, broker)
run.finish()
