"""The verb `verify` as an auditor uses it: exit codes, human and machine output, every option. Genuine vectors at
their clock, simulated guests for what needs a fresh report."""
import json
import os
import subprocess
import sys

BIN = os.path.abspath(sys.argv[1])
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
VECTORS = os.path.join(ROOT, "tests", "vectors", "snp")
AT = "2026-06-01T00:00:00Z"
WORK = os.path.join(os.path.dirname(BIN), "tmp", "verify-%d" % os.getpid())
PKI = os.path.join(os.path.dirname(BIN), "simsnp", "Milan")
os.makedirs(WORK, exist_ok=True)
ran = 0


def vector(name):
    return os.path.join(VECTORS, name)


def work(name, content=None):
    path = os.path.join(WORK, name)
    if content is not None:
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def simsnp(verb, *args, stdin=None):
    return subprocess.run([os.path.join(BIN, "simsnp"), verb, "--pki", PKI, *args], input=stdin,
                          stdout=subprocess.PIPE, check=True).stdout


def verify(*args, tee="snp"):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("VIDIMUS_")}
    return subprocess.run([os.path.join(BIN, "vidimus-issuer"), "verify", *(["--tee", tee] if tee else []), *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean)


def check(name, want_exit, result, *needles, stream="stdout"):
    """Exit code, and texts that the output must hold."""
    global ran
    ran += 1
    text = getattr(result, stream)
    missing = [n for n in needles if n not in text]
    if result.returncode != want_exit or missing:
        sys.exit("%s: exit %d (wanted %d), missing %s\n--- stdout\n%s\n--- stderr\n%s" %
                 (name, result.returncode, want_exit, missing, result.stdout, result.stderr))
    if want_exit == 1 and (result.stdout or result.stderr.count("\n") != 1):
        sys.exit("%s: a wrong call says one line on standard error:\n%s\n%s" % (name, result.stdout, result.stderr))
    if "AddressSanitizer" in result.stderr or "runtime error" in result.stderr:
        sys.exit("%s: %s" % (name, result.stderr))
    return result


def machine(name, want_exit, *args):
    return json.loads(check(name, want_exit, verify("--json", *args)).stdout)


GENOA = vector("trustee/e2e-evidence.json")
MILAN = vector("virtee-sev/report_milan.hex")
MILAN_VCEK = vector("virtee-sev/vcek_milan.der")
POLICY = work("policy.rego", """package policy
import rego.v1
default executables := 33
default hardware := 97
default configuration := 36
executables := 3 if input.snp.measurement in query_reference_value("snp_launch_measurement")
hardware := 2 if input.snp.reported_tcb_snp >= 8
configuration := 2 if input.snp.policy_debug_allowed == false
trust_claims := {"executables": executables, "hardware": hardware, "configuration": configuration}
""")
MEASUREMENT = "6a6519d757e68c2e939c9dbbbc1828498e8de35d2766dd05f1a2cca5059d0cf4ae62a36d75c837974dd50b315506e73e"
REFVALUES = work("refvalues.json", json.dumps({"snp_launch_measurement": [MEASUREMENT]}))
REPORT_DATA = ("7e7320889600c7ac133aea7b896c51f41026002982292a7369559796999c1bf9"
               "29eef3ff23c46e858f0b1982f9a92b17c51b578d958cde6b0c92978f150cf9b0")


def genuine():
    check("Genoa", 0, verify("--policy", POLICY, "--at", AT, GENOA), "VERIFIED", "report signature", "verifies",
          MEASUREMENT, "hardware", "status", "warning", "report data was compared with nothing")
    j = machine("Genoa, machine", 0, "--policy", POLICY, "--refvalues", REFVALUES, "--at", AT,
                "--report-data", REPORT_DATA, GENOA)
    assert j["verified"] and j["appraised"] and j["report_data_bound"] and j["at"] == AT, j
    sub = j["submods"][0]
    assert sub["name"] == "cpu0" and sub["status"] == "affirming" and sub["tee"] == "snp", sub
    assert sub["vector"] == {"executables": 3, "hardware": 2, "configuration": 2}, sub
    assert sub["report_data"] == REPORT_DATA and sub["simulated"] is False and sub["debug"] is False
    assert sub["claims"]["measurement"] == MEASUREMENT and sub["claims"]["crl_checked"] is False
    assert sub["hw_id"] == sub["claims"]["chip_id"]
    assert all(c["ok"] for c in j["checks"]) and len(j["checks"]) > 15
    with open(vector("expected/trustee__e2e-report.reconstructed.bin.claims.json")) as f:
        for name, value in json.load(f).items():
            assert dict(sub["claims"], report_data=sub["report_data"], init_data=sub["init_data"])[name] == value, name

    check("Milan, version 2", 8, verify("--at", AT, "--vcek", MILAN_VCEK, MILAN), "REFUSED", "report version",
          "evidence.version", "UNVERIFIED", "allow_v2")
    check("Milan, version 2 allowed", 0, verify("--policy", POLICY, "--at", AT, "--vcek", MILAN_VCEK,
                                                "--set", "tee.snp.allow_v2=true", MILAN), "VERIFIED", "Milan")
    j = machine("Milan, machine", 8, "--at", AT, "--vcek", MILAN_VCEK, MILAN)
    assert not j["verified"] and j["error"]["slug"] == "evidence.version", j
    assert j["unverified_claims"]["report_version"] == 2 and "submods" not in j, j
    assert [c["name"] for c in j["checks"] if not c["ok"]] == ["report version"], j
    check("without a clock the certificate is judged now", 0, verify("--policy", POLICY, GENOA), "VERIFIED")
    check("too early", 8, verify("--at", "2020-01-01T00:00:00Z", GENOA), "evidence.certificate-expired")
    check("too late", 8, verify("--at", "2049-01-01T00:00:00Z", GENOA), "evidence.certificate-expired")
    check("another chip's certificate", 8, verify("--at", AT, "--vcek", vector("trustee/test-vcek.der"),
                                                  "--set", "tee.snp.allow_v2=true", MILAN), "evidence.signature")
    check("no certificate", 8, verify("--at", AT, "--set", "tee.snp.allow_v2=true", MILAN),
          "evidence.collateral-missing")


def forms():
    """JSON, raw bytes and hexadecimal with line ends are the same evidence; what is none is refused."""
    raw = vector("trustee/e2e-report.reconstructed.bin")
    vcek = work("genoa.der", bytes(json.loads(read(GENOA))["cert_chain"][0]["data"]))
    text = read(raw).hex()
    lines = "\n".join(text[i:i + 64] for i in range(0, len(text), 64)) + "\n"
    options = ["--policy", POLICY, "--at", AT, "--vcek", vcek]
    check("raw", 0, verify(*options, raw), "VERIFIED")
    check("hexadecimal", 0, verify(*options, work("report.hex", text)), "VERIFIED")
    check("hexadecimal in lines", 0, verify(*options, work("lines.hex", lines)), "VERIFIED")
    check("hexadecimal in capitals", 0, verify(*options, work("upper.hex", " " + text.upper())), "VERIFIED")
    check("JSON with blanks before it", 0, verify("--policy", POLICY, "--at", AT,
                                                  work("blank.json", b" \n" + read(GENOA))), "VERIFIED")
    pem = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", vcek], stdout=subprocess.PIPE, check=True).stdout
    check("certificate as PEM", 0, verify("--policy", POLICY, "--at", AT, "--vcek", work("genoa.pem", pem), raw),
          "VERIFIED")
    for name, content in [("empty", b""), ("blank", b" \n"), ("one byte", b"\x03"), ("odd digits", b"abc"),
                          ("a brace", b"{"), ("no evidence", b"{}"), ("an array", b"[1]"),
                          ("duplicate", b'{"attestation_report":1,"attestation_report":2}'),
                          ("text", b"hello world"), ("one byte less", read(raw)[:-1]), ("one more", read(raw) + b"\0"),
                          ("half the JSON", read(GENOA)[:3000]), ("zeros", bytes(1184)),
                          ("JSON behind zeros", b"\0" + read(GENOA))]:
        r = verify(*options, work("bad", content))
        check(name, 8, r, "REFUSED", "reason:")
    flipped = bytearray(read(raw))
    flipped[0x90] ^= 1
    check("a flipped bit", 8, verify(*options, work("flipped", bytes(flipped))), "evidence.signature", "UNVERIFIED")


def expectations():
    options = ["--policy", POLICY, "--at", AT]
    check("report data", 0, verify(*options, "--report-data", REPORT_DATA, GENOA), "report data ")
    check("report data, capitals", 0, verify(*options, "--report-data", REPORT_DATA.upper(), GENOA))
    check("other report data", 8, verify(*options, "--report-data", "00", GENOA), "evidence.report-data")
    check("empty report data", 8, verify(*options, "--report-data", "", GENOA), "evidence.report-data")
    runtime = {"nonce": "bm9uY2U=", "tee-pubkey": {"kty": "EC", "x": "\u00e9", "n": 1.0}}
    digest = subprocess.run(["openssl", "dgst", "-sha384", "-r"], stdout=subprocess.PIPE, check=True,
                            input='{"nonce":"bm9uY2U=","tee-pubkey":{"kty":"EC","n":1,"x":"\u00e9"}}'.encode()).stdout
    digest = digest.split()[0].decode()
    init = work("init.toml", 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"a.toml" = "x = 1"\n')
    init_digest = subprocess.run(["openssl", "dgst", "-sha256", "-r", init], stdout=subprocess.PIPE,
                                 check=True).stdout.split()[0].decode()
    request = json.dumps({"tee": "snp", "runtime_data": runtime, "report_data": b64u(bytes.fromhex(digest))}).encode()
    evidence = work("sim.json", simsnp("attest", "--init-data", init, stdin=request))
    roots = ["--set", "tee.snp.extra_roots=[\"%s/roots.pem\"]" % PKI]
    runtime_file = work("runtime.json", json.dumps(runtime))
    check("simulated, root not configured", 8, verify(*options, evidence), "evidence.chain")
    check("runtime data", 0, verify(*options, *roots, "--runtime-data", runtime_file, evidence), "VERIFIED",
          "simulated: this is no genuine hardware")
    check("init data", 0, verify(*options, *roots, "--init-data", init, "--runtime-data", runtime_file, evidence))
    j = machine("simulated, machine", 0, *options, *roots, "--init-data", init, "--runtime-data", runtime_file, evidence)
    assert j["submods"][0]["simulated"] and j["submods"][0]["init_data"] == init_digest, j
    check("other runtime data", 8, verify(*options, *roots, "--runtime-data", work("other.json", "{}"), evidence),
          "evidence.report-data")
    check("other init data", 8, verify(*options, *roots, "--init-data",
                                       work("other.toml", read(init) + b"# changed\n"), evidence), "evidence.init-data")
    policy = work("runtime.rego", """package policy
import rego.v1
trust_claims := {"executables": 3} if {
  input.runtime_data_claims["tee-pubkey"].kty == "EC"
  input.init_data_claims["a.toml"]
}
""")
    j = machine("policies see both plain texts", 0, "--at", AT, "--policy", policy, *roots, "--init-data", init,
                "--runtime-data", runtime_file, evidence)
    assert j["submods"][0]["vector"] == {"executables": 3}, j
    j = machine("a policy without a vector", 8, "--at", AT, "--policy", policy, *roots, evidence)
    assert j["verified"] and not j["appraised"] and "claims" in j["submods"][0] and j["error"]["reason"], j
    check("a changed measurement", 0, verify(*options, *roots, "--refvalues", REFVALUES, evidence), "executables",
          "warning", "what did not match")


def collateral():
    folder = work("collateral")
    os.makedirs(os.path.join(folder, "crl"), exist_ok=True)
    fingerprint = subprocess.run(["openssl", "x509", "-in", PKI + "/roots.pem", "-noout", "-fingerprint", "-sha256"],
                                 stdout=subprocess.PIPE, check=True, text=True).stdout
    name = fingerprint.strip().split("=")[1].replace(":", "").lower()
    report = work("report", simsnp("report"))
    chip = read(report)[0x1a0:0x1e0].hex()
    os.makedirs(os.path.join(folder, "vcek", chip), exist_ok=True)
    options = ["--policy", POLICY, "--at", AT, "--collateral", folder,
               "--set", "tee.snp.extra_roots=[\"%s/roots.pem\"]" % PKI]
    check("nothing there", 8, verify(*options, report), "evidence.collateral-missing")
    with open(os.path.join(folder, "vcek", chip, "vcek.der"), "wb") as f:
        f.write(simsnp("cert"))
    check("certificate by chip id", 0, verify(*options, report), "VERIFIED", "no CRL at hand")
    check("CRL required", 8, verify(*options, "--set", "tee.snp.crl=require", report), "evidence.collateral-missing")
    crl = os.path.join(folder, "crl", name + ".crl")
    for what, args, code, text in [("good CRL", [], 0, "good, does not list it"),
                                   ("expired CRL", ["--expired"], 8, "evidence.collateral-expired"),
                                   ("another's CRL", ["--wrong-issuer"], 8, "evidence.signature"),
                                   ("revoked", ["--revoke", "ask"], 8, "evidence.revoked")]:
        with open(crl, "wb") as f:
            f.write(simsnp("crl", *args))
        check(what, code, verify(*options, report), text)


def wrong_calls():
    """Exit 1, one line on standard error, nothing on standard output."""
    for name, args, needle in [
            ("nothing", [], "--tee"), ("no evidence", ["--tee", "snp"], "evidence"),
            ("no TEE", [GENOA], "--tee"), ("unknown TEE", ["--tee", "nothing", GENOA], "nothing"),
            ("TEE that is off", ["--tee", "sample", GENOA], "tee.sample.enabled"),
            ("unknown option", ["--tee", "snp", "--verbose", GENOA], "--verbose"),
            ("value missing", ["--tee", "snp", GENOA, "--at"], "--at"),
            ("given twice", ["--tee", "snp", "--tee", "snp", GENOA], "twice"),
            ("two files", ["--tee", "snp", GENOA, MILAN], "one file"),
            ("wrong time", ["--tee", "snp", "--at", "yesterday", GENOA], "--at"),
            ("a time too far", ["--tee", "snp", "--at", "9999-01-01T00:00:00Z", GENOA], "--at"),
            ("wrong hexadecimal", ["--tee", "snp", "--report-data", "xyz", GENOA], "--report-data"),
            ("two report data", ["--tee", "snp", "--report-data", "00", "--runtime-data", GENOA, GENOA], "give one"),
            ("missing file", ["--tee", "snp", "/nonexistent/evidence"], "/nonexistent/evidence"),
            ("a folder", ["--tee", "snp", WORK], WORK),
            ("missing certificate", ["--tee", "snp", "--vcek", "/nonexistent/vcek", GENOA], "/nonexistent/vcek"),
            ("missing policy", ["--tee", "snp", "--policy", "/nonexistent/p", GENOA], "/nonexistent/p"),
            ("policy that does not compile", ["--tee", "snp", "--policy", work("bad.rego", "package ("), GENOA], "bad.rego"),
            ("missing reference values", ["--tee", "snp", "--refvalues", "/nonexistent/r", GENOA], "/nonexistent/r"),
            ("reference values that are none", ["--tee", "snp", "--refvalues", work("bad.json", "["), GENOA], "bad.json"),
            ("runtime data that is none", ["--tee", "snp", "--runtime-data", work("bad.json", "["), GENOA], "bad.json"),
            ("init data that is none", ["--tee", "snp", "--init-data", work("bad.toml", "x"), GENOA], "bad.toml"),
            ("missing directory", ["--tee", "snp", "--collateral", "/nonexistent/dir", GENOA], "/nonexistent/dir"),
            ("unknown setting", ["--tee", "snp", "--set", "tee.snp.nothing=1", GENOA], "tee.snp.nothing"),
            ("wrong setting", ["--tee", "snp", "--set", "tee.snp.allow_vmpl=9", GENOA], "tee.snp.allow_vmpl"),
            ("missing configuration", ["--tee", "snp", "--config", "/nonexistent/c.toml", GENOA], "/nonexistent/c.toml"),
            ("root that is none", ["--tee", "snp", "--set", "tee.snp.extra_roots=[\"/nonexistent/r\"]", GENOA],
             "/nonexistent/r")]:
        check(name, 1, verify(*args, tee=None), needle, stream="stderr")
    check("help", 0, verify("--help", tee=None), "--runtime-data", "exit:", "--json prints one object")


def configuration():
    config = work("issuer.toml", "[tee.snp]\nallow_v2 = true\n[tee.sample]\nenabled = true\n")
    options = ["--policy", POLICY, "--at", AT, "--config", config]
    check("from a file", 0, verify(*options, "--vcek", MILAN_VCEK, MILAN), "VERIFIED")
    check("--set is over the file", 8, verify(*options, "--set", "tee.snp.allow_v2=false", "--vcek", MILAN_VCEK, MILAN))
    sample = work("sample.json", '{"svn":"1","report_data":"aGVsbG8="}')
    policy = work("sample.rego", "package policy\ntrust_claims := {\"executables\": 3}\n")
    check("sample", 0, verify("--config", config, "--policy", policy, "--report-data", b"hello".hex(), sample,
                              tee="sample"), "VERIFIED", "simulated")
    check("sample, other report data", 8, verify("--config", config, "--policy", policy, "--report-data", "00", sample,
                                                 tee="sample"), "evidence.report-data")


def b64u(data):
    import base64
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


genuine()
forms()
expectations()
collateral()
wrong_calls()
configuration()
print("verify: %d calls" % ran)
