#!/usr/bin/python3
"""Intel's collateral end to end: the programs fetch from a service that plays PCS and PCCS and misbehaves; what was
fetched is taken along as a signed bundle, brought in elsewhere and used. Genuine documents at their clock for the
verbs, a simulated platform for the server."""
import json
import os
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import lib  # noqa: E402
import pcs  # noqa: E402

ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
INTEL = os.path.join(ROOT, "tests", "vectors", "intel")
QVL = os.path.join(INTEL, "dcap-qvl")
AT = "2025-07-01T00:00:00Z"
FMSPC = "b0c06f000000"

run = lib.Run("collateral")
BIN = lib.bin_dir()
folder = run.folder()


def path(*names):
    return os.path.join(folder, *names)


def new_folder(name):
    os.makedirs(path(name), exist_ok=True)
    return path(name)


def issuer_verb(*args, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("VIDIMUS_")}
    r = subprocess.run([os.path.join(BIN, "vidimus-issuer"), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, env=clean, timeout=120)
    run.check("%s ends cleanly" % (args[:2],), "Sanitizer" not in r.stderr and "runtime error" not in r.stderr, r.stderr)
    return r


def collateral(*args):
    return issuer_verb("collateral", *args)


def expect(what, want, r, *needles):
    text = r.stdout + r.stderr
    missing = [n for n in needles if n not in text]
    run.check(what, r.returncode == want and not missing, "exit %s, missing %s in:\n%s" % (r.returncode, missing, text))
    return r


def verify(source, quote="tdx_quote", tee="tdx", at=AT):
    return issuer_verb("verify", "--tee", tee, "--at", at, "--collateral", source, os.path.join(QVL, quote))


# ---- fetching ----------------------------------------------------------------------------------------

for pccs in (False, True):
    name = "PCCS" if pccs else "PCS"
    service = pcs.Pcs(pccs=pccs)
    service.add_qvl(os.path.join(QVL, "tdx_quote_collateral.json"))
    service.add_qvl(os.path.join(QVL, "sgx_quote_collateral.json"))
    cache = new_folder("cache-" + name)
    base = ["--cache", cache, "--at", AT, "--set", "tee.dcap.pcs_url=" + service.url]
    expect("fetch by FMSPC from " + name, 0, collateral("fetch", "--tee", "tdx", "--fmspc", FMSPC, "--ca", "platform",
                                                        *base), "fetched dcap.tcb tdx/" + FMSPC, "fetched dcap.rootcrl")
    run.equal("four requests", service.count(), 4)
    expect("fetch for a quote", 0, collateral("fetch", "--quote", os.path.join(QVL, "sgx_quote"), *base),
           "fetched dcap.tcb sgx/00a067110000", "fetched dcap.pckcrl processor")
    expect("renew all", 0, collateral("fetch", *base), "fetched dcap.identity tdx", "fetched dcap.identity sgx")
    run.equal("seven things are held", service.count(), 4 + 4 + 7)
    expect("unknown FMSPC", 2, collateral("fetch", "--tee", "tdx", "--fmspc", "000000000000", *base), "answers 404")
    expect("not hexadecimal", 1, collateral("fetch", "--fmspc", "xyz", *base), "no FMSPC")
    expect("another TEE", 1, collateral("fetch", "--tee", "snp", "--fmspc", FMSPC, *base), "neither tdx nor sgx")
    shown = expect("status", 0, collateral("status", "--cache", cache, "--at", AT), "TDX quotes of FMSPC " + FMSPC,
                   "2025-07-19T10:00:35Z", "all SGX and TDX quotes")
    items = json.loads(collateral("status", "--cache", cache, "--at", AT, "--json").stdout)
    run.equal("sorted by expiry", [i["expires"] for i in items], sorted(i["expires"] for i in items))
    run.check("all good", all(i["state"] == "good" for i in items), items)
    service.stop()

expect("fetch without a folder", 1, collateral("fetch", "--fmspc", FMSPC), "--cache DIR")
expect("nothing to renew", 5, collateral("fetch", "--cache", new_folder("empty")), "nothing is held")
expect("no action", 1, collateral(), "fetch, import, export or status")
expect("help", 0, collateral("--help"), "usage: vidimus-issuer collateral")

# ---- services that misbehave -------------------------------------------------------------------------

for kind, trouble, needle in (
        ("tcb", {"status": 503}, "answers 503"), ("tcb", {"status": 429}, "answers 429"),
        ("tcb", {"status": 410}, "answers 410"), ("tcb", {"redirect": True}, "answers 302"),
        ("tcb", {"huge": True}, "above"), ("tcb", {"broken": True}, "dcap.tcb"), ("tcb", {"no_chain": True}, "issuer chain"),
        ("tcb", {"bad_chain": True}, "percent-encoding"), ("tcb", {"cut": True}, "dcap.tcb"),
        ("tcb", {"slow": 5}, "within"), ("identity", {"broken": True}, "dcap.identity"),
        ("identity", {"no_chain": True}, "issuer chain"), ("pckcrl", {"broken": True}, "dcap.pckcrl"),
        ("pckcrl", {"no_chain": True}, "issuer chain"), ("rootcrl", {"broken": True}, "dcap.rootcrl"),
        ("rootcrl", {"cut": True}, "dcap.rootcrl")):
    service = pcs.Pcs()
    service.add_qvl(os.path.join(QVL, "tdx_quote_collateral.json"))
    service.trouble[kind] = trouble
    what = "%s %s" % (kind, trouble)
    cache = new_folder("cache-bad")
    args = ["--cache", cache, "--at", AT, "--set", "tee.dcap.pcs_url=" + service.url, "--set", "limits.fetch_seconds=3"]
    begin = time.monotonic()
    expect(what, 2, collateral("fetch", "--quote", os.path.join(QVL, "tdx_quote"), *args), "failed  dcap." + kind, needle)
    run.check(what + ": in time", time.monotonic() - begin < 30)
    held = [i["kind"] for i in json.loads(collateral("status", "--cache", cache, "--at", AT, "--json").stdout)]
    run.equal(what + ": nothing bad is held", sorted(held), sorted(
        {"dcap.tcb", "dcap.identity", "dcap.pckcrl", "dcap.rootcrl"} - {"dcap." + kind}))
    shutil.rmtree(cache)
    service.stop()

# ---- taking along and bringing in --------------------------------------------------------------------

who = lib.Identity(folder, "packer")
other = lib.Identity(folder, "stranger")
cache = path("cache-PCS")
bundle = path("bundle")
expect("export needs a key", 1, collateral("export", "--cache", cache, "--at", AT), "--key FILE")
expect("export", 0, collateral("export", "--cache", cache, "--at", AT, "--key", who.private_file, "--out", bundle))
expect("nothing good to export", 5, collateral("export", "--cache", cache, "--at", "2027-01-01T00:00:00Z", "--key",
                                               who.private_file), "nothing good is held")
expect("what a bundle holds", 0, collateral("status", bundle, "--at", AT), "TDX quotes of FMSPC " + FMSPC)
expect("verify with a bundle", 0, verify(bundle), "UpToDate")
expect("SGX with a bundle", 0, verify(bundle, "sgx_quote", "sgx"), "ConfigurationAndSWHardeningNeeded")
expect("a bundle that ended", 8, verify(bundle, at="2025-07-20T00:00:00Z"))
expect("import of a bundle", 0, collateral("import", bundle, "--cache", new_folder("cache-2"), "--at", AT,
                                           "--set", "collateral.bundle_key=" + who.public_file),
       "taken   dcap.tcb      tdx/" + FMSPC)
expect("import of a stranger's bundle", 8, collateral("import", bundle, "--cache", new_folder("cache-3"), "--at", AT,
                                                      "--set", "collateral.bundle_key=" + other.public_file), "another key")
with open(bundle) as f:
    spoilt = f.read()
with open(path("spoilt"), "w") as f:
    f.write(spoilt[:5000] + ("A" if spoilt[5000] != "A" else "B") + spoilt[5001:])
expect("a spoilt bundle", 8, collateral("import", path("spoilt"), "--cache", new_folder("cache-3"), "--at", AT))

with open(os.path.join(QVL, "tdx_quote_collateral.json")) as f:
    q = json.load(f)
quoted = {k: q[k].replace("\n", "%0A").replace(" ", "%20") for k in q if k.endswith("chain")}
document = {"collaterals": {  # as Intel's PCS client tool and Trustee's file backend have it
    "version": 1, "tcbinfos": [{"fmspc": FMSPC, "sgx_tcbinfo": None, "tdx_tcbinfo": "@TCB@", "tdx_tcbinfo_early": "@TCB@"}],
    "pckcacrl": {"processorCrl": "", "platformCrl": q["pck_crl"]}, "qeidentity": "", "tdqeidentity": "@QE@",
    "certificates": {"TCB-Info-Issuer-Chain": quoted["tcb_info_issuer_chain"],
                     "SGX-Enclave-Identity-Issuer-Chain": quoted["qe_identity_issuer_chain"],
                     "SGX-PCK-Certificate-Issuer-Chain": {"PLATFORM": quoted["pck_crl_issuer_chain"]}},
    "rootcacrl": q["root_ca_crl"], "rootcacrl_cdp": "https://example.org/IntelSGXRootCA.der"}}
text = json.dumps(document, indent=2)
text = text.replace('"@TCB@"', '{"tcbInfo":%s,"signature":"%s"}' % (q["tcb_info"], q["tcb_info_signature"]))
text = text.replace('"@QE@"', '{"enclaveIdentity":%s,"signature":"%s"}' % (q["qe_identity"], q["qe_identity_signature"]))
with open(path("tool.json"), "w") as f:
    f.write(text)
expect("import of the client tool's file", 0, collateral("import", path("tool.json"), "--cache", new_folder("cache-4"),
                                                         "--at", AT), "taken   dcap.tcb      tdx/" + FMSPC)
expect("verify with the client tool's file", 0, verify(path("tool.json")), "UpToDate")

junk = new_folder("junk")
for name, content in (("a", b"{}"), ("b", b"\0" * 100), ("c", b"-----BEGIN CERTIFICATE-----\nAAAA\n"), ("d", b"")):
    with open(os.path.join(junk, name), "wb") as f:
        f.write(content)
expect("a folder of junk", 8, collateral("import", junk, "--cache", new_folder("cache-5"), "--at", AT), "a: ", "b: ")
expect("no such file", 1, collateral("import", path("nothing"), "--cache", new_folder("cache-5")), "nothing")

# never backwards: February 2026 came first
newer = new_folder("cache-6")
expect("import of 2026", 0, collateral("import", os.path.join(QVL, "tdx_quote_outdated_collateral.json"), "--cache",
                                       newer, "--at", "2026-03-01T00:00:00Z"))
expect("import of 2025 after it", 0, collateral("import", path("tool.json"), "--cache", newer, "--at", AT),
       "refused dcap.identity tdx: its evaluation number is 17, and 18 was held already",
       "refused dcap.pckcrl   platform: it was issued before")

# ---- the server --------------------------------------------------------------------------------------

SIMTDX = os.path.join(BIN, "simtdx")
PKI = path("pki")
subprocess.run([SIMTDX, "pki", "--pki", PKI], check=True, stdout=subprocess.PIPE)
root = subprocess.run([SIMTDX, "pki", "--pki", PKI], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
subprocess.run([SIMTDX, "collateral", "--pki", PKI, "--out", path("sim")], check=True)
service = pcs.Pcs(pccs=True)
service.add_folder(path("sim"))
server_cache = new_folder("server-cache")
admin, admin_config = lib.make_admin_identity(folder, allow=["* /api/v1/*", "GET /metrics"])


def passport(name):
    return '[passport]\nkey_file = "%s.key"\n' % path(name)


CONFIG = admin_config + passport("online") + (
    '[collateral]\ncache = "%s"\nkey_file = "%s"\n[tee.dcap]\npcs_url = "%s"\nextra_roots = ["%s"]\n'
    "[tee.sample]\nenabled = true\n[limits]\nfetch_seconds = 4\n" % (server_cache, who.private_file, service.url, root))
issuer = run.server("issuer", path("issuer"), BIN, CONFIG)


def attest(tee="tdx"):
    env = dict(os.environ, VIDIMUS_ISSUER_URL=issuer.guest)
    command = "%s attest --pki %s --tee %s" % (SIMTDX, PKI, tee)
    begin = time.monotonic()
    r = subprocess.run([os.path.join(BIN, "vidimus"), "attest", "--tee", tee, "--attester", command], env=env,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    return r, time.monotonic() - begin


def api(method, target, body=None, **headers):
    return lib.http_call(method, issuer.admin + "/api/v1" + target, body, dict(admin.bearer(), **headers))


r, _ = attest()
run.check("the first guest makes the issuer fetch", r.returncode == 0, r.stderr)
run.equal("four requests of the issuer", service.count(), 4)
r, _ = attest("sgx")
run.check("an SGX enclave", r.returncode == 0, r.stderr)
run.equal("two further requests", service.count(), 6)
r, _ = attest()
run.check("the second guest", r.returncode == 0, r.stderr)
run.equal("no further request", service.count(), 6)

service.trouble["*"] = {"status": 503}
issuer.restart()
r, _ = attest()
run.check("a restart without the service", r.returncode == 0, r.stderr)
run.equal("nothing was asked", service.count(), 6)

items = api("GET", "/collateral").json()["items"]
run.equal("held by the server", sorted(i["kind"] for i in items),
          ["dcap.identity", "dcap.identity", "dcap.pckcrl", "dcap.rootcrl", "dcap.tcb", "dcap.tcb"])
run.check("it says what stops", any("simulated" in i["stops"] for i in items), items)
metrics = lib.http_call("GET", issuer.admin + "/metrics", headers=admin.bearer())
run.equal("each end is a metric", metrics.body.decode().count("\nvidimus_collateral_ends_timestamp_seconds{"), 6)
exported = api("GET", "/collateral/export")
run.equal("export by the API", exported.status, 200)
run.equal("fetch by the API while the service is away",
          [i["fetched"] for i in api("POST", "/collateral/fetch", {}).json()["items"]], [False] * 6)
service.trouble.clear()
run.equal("fetch by the API", [i["fetched"] for i in api("POST", "/collateral/fetch", {}).json()["items"]], [True] * 6)
run.equal("a wrong wish", api("POST", "/collateral/fetch", {"fmspc": "zz"}).status, 400)
run.equal("an unknown member", api("POST", "/collateral/fetch", {"all": True}).status, 400)
answer = api("POST", "/collateral/import?name=b", exported.body)
run.equal("import by the API", (answer.status, len(answer.json()["taken"])), (200, 6))
answer = api("POST", "/collateral/import", b"junk")
run.equal("import of junk", (answer.status, answer.json()["taken"]), (422, []))
run.equal("without a token", lib.http_call("GET", issuer.admin + "/api/v1/collateral").status, 401)
events = [x["event"] for x in issuer.audit()]
run.check("fetch and import are in the record", "collateral.fetch" in events and "collateral.import" in events, events)

# the command line
token = path("token")
with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
    f.write(admin.token())


def vidimus(*args):
    return subprocess.run([os.path.join(BIN, "vidimus"), *args, "--issuer-admin", issuer.admin, "--token-file", token],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


expect("vidimus collateral status", 0, vidimus("collateral", "status"), "dcap.tcb", "stops")
expect("vidimus collateral fetch", 0, vidimus("collateral", "fetch"), "dcap.rootcrl")
expect("vidimus collateral export", 0, vidimus("collateral", "export", "--out", path("cli-bundle")))
expect("vidimus collateral import", 0, vidimus("collateral", "import", path("cli-bundle")), "taken")
expect("vidimus collateral import of junk", 8, vidimus("collateral", "import", os.path.join(junk, "a")), "nothing of it")

# a site without a network: the bundle is all it has
offline = run.server("issuer", path("offline"), BIN, admin_config + passport("offline") + (
    '[collateral]\nbundle = "%s"\nbundle_key = "%s"\nsources = ["offline"]\n[tee.dcap]\nextra_roots = ["%s"]\n' % (
        path("cli-bundle"), who.public_file, root)))
online, issuer = issuer, offline
r, _ = attest()
run.check("a site without a network", r.returncode == 0, r.stderr)
run.equal("what the bundle holds", sorted(i["source"] for i in api("GET", "/collateral").json()["items"]), ["offline"] * 6)
offline.stop()

# documents that end tomorrow: the operator is told
subprocess.run([SIMTDX, "collateral", "--pki", PKI, "--out", path("ending"), "--at",
                time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 29 * 86400))], check=True)
ending = run.server("issuer", path("ending-server"), BIN, admin_config + passport("ending") + (
    '[collateral]\ndir = "%s"\nsources = ["offline"]\n[tee.dcap]\nextra_roots = ["%s"]\n' % (path("ending"), root)))
time.sleep(2.5)
run.check("what ends is said in the log", "without it stop" in ending.log() and "all TDX quotes (simulated)" in ending.log(),
          ending.log())
ending.stop()
issuer = online

# a service with a CA of its own
tls = pcs.Pcs()
tls.add_qvl(os.path.join(QVL, "tdx_quote_collateral.json"))
ca_file = tls.use_tls(new_folder("tls"))
args = ["fetch", "--tee", "tdx", "--fmspc", FMSPC, "--ca", "platform", "--at", AT, "--cache", new_folder("cache-tls"),
        "--set", "tee.dcap.pcs_url=" + tls.url]
expect("a certificate of nobody", 2, collateral(*args), "failed  dcap.tcb")
expect("a CA of the configuration", 0, collateral(*args, "--set", "collateral.ca_file=" + ca_file), "fetched dcap.tcb")
expect("a CA file that is not there", 1, collateral(*args, "--set", "collateral.ca_file=" + path("no")), "collateral.ca_file")
tls.stop()

# a slow service holds up those who need it, for a while, and nobody else
issuer.stop()
shutil.rmtree(server_cache)
new_folder("server-cache")
service.trouble["*"] = {"slow": 20}
issuer.start()
waiting = []


def tdx_attest():
    """/auth and /attest with simulated evidence: the Answer, as it came."""
    session, key = lib.kbs_auth(issuer.guest, tee="tdx"), lib.TeeKey()
    runtime = {"nonce": session.nonce, "tee-pubkey": key.public}
    digest = lib.report_data(session.nonce, key.public, additional="")
    request = {"tee": "tdx", "report_data": lib.b64u(digest), "runtime_data": runtime}
    evidence = subprocess.run([SIMTDX, "attest", "--pki", PKI, "--tee", "tdx"], input=json.dumps(request).encode(),
                              stdout=subprocess.PIPE, check=True).stdout
    body = {"init-data": None, "runtime-data": runtime,
            "tee-evidence": {"primary_evidence": json.loads(evidence), "additional_evidence": ""}}
    return lib.http_call("POST", issuer.guest + "/kbs/v0/attest", body,
                         {"Content-Type": "application/json", "Cookie": session.cookie})


def one_guest():
    begin = time.monotonic()
    answer = tdx_attest()
    waiting.append((answer.status, answer.header("Retry-After"), time.monotonic() - begin))


threads = [threading.Thread(target=one_guest) for _ in range(12)]
for t in threads:
    t.start()
time.sleep(1)
slowest = 0
for _ in range(5):
    begin = time.monotonic()
    _, answer = lib.attest_sample(issuer.guest)
    slowest = max(slowest, time.monotonic() - begin)
    run.equal("another TEE meanwhile", answer.status, 200)
run.check("others are not held up", slowest < 2, slowest)
for t in threads:
    t.join()
run.check("all are refused in time, and may come again", all(
    status == 503 and retry and seconds < 8 for status, retry, seconds in waiting), waiting)
answer = lib.http_call("GET", issuer.guest + "/healthz")
run.equal("healthy", answer.status, 200)

service.stop()
run.finish()
