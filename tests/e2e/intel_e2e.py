"""Genuine Intel quotes through `vidimus-issuer verify`, with their genuine collateral at a clock at which all of it is
valid: verdict, status, date and advisories of every pair; one second outside of the window; a piece of collateral
missing; event logs that fit, do not fit, or are forged; claims against Trustee's. The clocks and verdicts were found by
an independent program."""
import base64
import json
import os
import shutil
import struct
import subprocess
import sys

BIN = os.path.abspath(sys.argv[1])
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
INTEL = os.path.join(ROOT, "tests", "vectors", "intel")
WORK = os.path.join(os.path.dirname(BIN), "tmp", "intel-%d" % os.getpid())
os.makedirs(WORK, exist_ok=True)
ran = 0


def vector(name):
    return os.path.join(INTEL, name)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def work(name, content):
    path = os.path.join(WORK, name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    return path


def verify(tee, at, collateral, quote, *args):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("VIDIMUS_")}
    return subprocess.run([os.path.join(BIN, "vidimus-issuer"), "verify", "--tee", tee, "--at", at, "--json",
                           *(["--collateral", collateral] if collateral else []), *args, quote],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean)


def run(name, tee, at, collateral, quote, *args, slug=None, reason=""):
    """The machine-readable verdict: accepted, or refused with this slug and these words."""
    global ran
    ran += 1
    r = verify(tee, at, collateral, quote, *args)
    said = "%s: exit %d\n%s\n%s" % (name, r.returncode, r.stdout[:3000], r.stderr)
    if "AddressSanitizer" in r.stderr or "runtime error" in r.stderr or r.returncode != (8 if slug else 0):
        sys.exit(said)
    j = json.loads(r.stdout)
    if slug and (j["verified"] or j["error"]["slug"] != slug or reason not in j["error"]["reason"]):
        sys.exit("%s: wanted %s, %s\n%s" % (name, slug, reason, said))
    if not slug and not (j["verified"] and all(c["ok"] for c in j["checks"])):
        sys.exit(said)
    return j


def folder(name, *files):
    """A directory of collateral with nothing else in it; files are told by their content, so names say nothing."""
    path = os.path.join(WORK, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    for i, f in enumerate(files):
        shutil.copy(vector(f), os.path.join(path, "%02d" % i))
    return path


FORGE = "automata-dcap-attestation/forge-1025/"
SOLANA = "automata-dcap-attestation/solana/"
SET_1025 = [FORGE + "tcb_info.json", FORGE + "identity.json", FORGE + "pck_crl.der", SOLANA + "intel_root_ca_crl.der",
            SOLANA + "signing.der"]
OE = "openenclave/host_verify/"
P14 = vector("go-tdx-guest/ccel/cos-113-tdx-quote.dat")
P14_LOG = vector("go-tdx-guest/ccel/ccel_data.dat")
P14_AT = "2025-11-01T00:00:00Z"
P16_SERVICE = "fe137531a4f9ec8fcba90d1040f3e9ea86ec933ff99570b5d0ef6aa752d69abb1d0ece885d22e8289345ab90ed084cea"
DEBUG_TDX = ("--set", "tee.tdx.allow_debug=true")
DEBUG_SGX = ("--set", "tee.sgx.allow_debug=true")
SA_15 = ["INTEL-SA-00960", "INTEL-SA-00982", "INTEL-SA-00986"]
SA_20 = ["INTEL-SA-00%d" % n for n in (586, 614, 615, 657, 730, 738, 767, 828, 837, 960)]


def openenclave(name):
    """Two lines of comment, then the binary."""
    data = read(vector("openenclave/attestation_plugin/" + name))
    return work("p22." + name, data[data.index(b"\n", data.index(b"\n") + 1) + 1:])


# name, tee, collateral, quote, clock, window, options, then either a slug and words, or status, current, date, advisories
PAIRS = [
    ("P1", "sgx", vector("dcap-qvl/sgx_quote_collateral.json"), vector("dcap-qvl/sgx_quote"), "2025-07-01T00:00:00Z",
     ("2025-06-19T10:56:11Z", "2025-07-19T10:01:18Z"), (), "ConfigurationAndSWHardeningNeeded",
     "ConfigurationAndSWHardeningNeeded", "2024-03-13", ["INTEL-SA-00289", "INTEL-SA-00615"], 17),
    ("P2", "tdx", vector("dcap-qvl/tdx_quote_collateral.json"), vector("dcap-qvl/tdx_quote"), "2025-07-01T00:00:00Z",
     ("2025-06-19T10:32:27Z", "2025-07-19T10:00:35Z"), (), "UpToDate", "UpToDate", "2024-03-13", [], 17),
    ("P3", "tdx", vector("dcap-qvl/tdx_quote_outdated_collateral.json"), vector("dcap-qvl/tdx_quote_outdated"),
     "2026-03-01T00:00:00Z", ("2026-02-18T10:58:51Z", "2026-03-20T10:41:15Z"), (), "evidence.tcb-unsupported",
     "SGX TCB component 8: 3 < 5"),
    ("P8", "tdx", INTEL, vector("go-tdx-guest/tdx_prod_quote_SPR_E4.dat"), "2023-07-01T01:00:00Z", None, (),
     "evidence.tcb-unsupported", "TCB not supported"),
    ("P9", "tdx", INTEL, vector(OE + "tdx_quote.bin"), "2023-07-01T01:00:00Z", None, (), "UpToDate", "UpToDate",
     "2023-02-15", [], 15),
    ("P10", "tdx", INTEL, vector("trustee-verifier/tdx_quote_4.dat"), "2023-07-01T01:00:00Z", None, (),
     "evidence.debug", "tee.tdx.allow_debug"),
    ("P10, debug allowed", "tdx", INTEL, vector("trustee-verifier/tdx_quote_4.dat"), "2023-07-01T01:00:00Z", None,
     DEBUG_TDX, "UpToDate", "UpToDate", "2023-02-15", [], 15),
    ("P11", "tdx", vector(OE + "tdx_endorsement.bin"), vector(OE + "tdx_quote-moduleupdate-seamldr5.dat"),
     "2025-03-10T00:00:00Z", ("2025-02-26T10:37:20Z", "2025-03-22T11:31:38Z"), (), "TDRelaunchAdvised", "UpToDate",
     "2024-11-13", ["INTEL-SA-01036", "INTEL-SA-01099"], 18),
    ("P14", "tdx", folder("p14", *SET_1025), P14, P14_AT, ("2025-10-19T17:48:50Z", "2025-11-12T10:45:32Z"),
     ("--event-log", P14_LOG), "UpToDate", "UpToDate", "2024-03-13", [], 17),
    ("P15", "tdx", folder("p14", *SET_1025), vector("trustee-az-tdx-vtpm/td-quote.bin"), P14_AT,
     ("2025-10-19T17:48:50Z", "2025-11-12T10:45:32Z"), (), "OutOfDate", "OutOfDate", "2023-08-09", SA_15, 17),
    ("P16", "tdx", folder("p14", *SET_1025), vector(OE + "tdx_quote_v5.bin"), P14_AT, None, (), "evidence.migratable",
     "tee.tdx.service_tds"),
    ("P16, its service TD listed", "tdx", folder("p14", *SET_1025), vector(OE + "tdx_quote_v5.bin"), P14_AT,
     ("2025-10-19T17:48:50Z", "2025-11-12T10:45:32Z"), ("--set", 'tee.tdx.service_tds=["%s"]' % P16_SERVICE),
     "OutOfDate", "OutOfDate", "2023-08-09", SA_15, 17),
    ("P16, migration allowed", "tdx", folder("p14", *SET_1025), vector(OE + "tdx_quote_v5.bin"), P14_AT, None,
     ("--set", "tee.tdx.allow_migratable=true"), "OutOfDate", "OutOfDate", "2023-08-09", SA_15, 17),
    ("P20", "sgx", INTEL, vector("trustee-verifier/occlum_quote.dat"), "2025-09-01T00:00:00Z", None, (),
     "evidence.debug", "tee.sgx.allow_debug"),
    ("P20, debug allowed", "sgx", INTEL, vector("trustee-verifier/occlum_quote.dat"), "2025-09-01T00:00:00Z", None,
     DEBUG_SGX, "OutOfDate", "OutOfDate", "2021-11-10", SA_20, 17),
    ("P22", "sgx", openenclave("endorsements"), openenclave("evidence"), "2022-04-26T23:43:10Z", None, (),
     "collateral.version", "TCB info of version 2"),
    ("P23", "sgx", vector("automata-dcap-attestation/solana"), vector(SOLANA + "quote_sgx.bin"),
     "2025-05-20T00:00:00Z", None, (), "evidence.collateral-missing", "identity"),
    ("P24", "sgx", vector("intel-qvl-sampleData"), vector("intel-qvl-sampleData/quote.dat"), "2022-09-06T00:00:00Z",
     None, (), "evidence.certification-data", "type 1"),
    ("P25", "tdx", vector("intel-qvl-sampleData/tdx"), vector("intel-qvl-sampleData/tdx/quote.dat"),
     "2022-09-06T00:00:00Z", None, (), "evidence.malformed", "PEM"),
    # documents without CRLs: refused by the name of what is missing
    ("P12", "tdx", folder("p12", "trustee-verifier/tcbInfo.json", "trustee-verifier/enclaveIdentity.json",
                          SOLANA + "signing.der"), vector("trustee-verifier/tdx_quote_6.dat"), P14_AT, None, (),
     "evidence.collateral-missing", "crl"),
]


def shifted(time, seconds):
    from datetime import datetime, timedelta
    return (datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ") + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pairs():
    for name, tee, collateral, quote, at, window, options, *want in PAIRS:
        if len(want) == 2:
            run(name, tee, at, collateral, quote, *options, slug=want[0], reason=want[1])
            continue
        status, current, date, advisories, number = want
        c = run(name, tee, at, collateral, quote, *options)["submods"][0]["claims"]
        got = (c["tcb_status"], c["tcb_status_current"], c["tcb_date"], c["advisory_ids"], c["tcb_eval_num"])
        if got != (status, current, date + "T00:00:00Z", advisories, number):
            sys.exit("%s: %s" % (name, got))
        assert c["collateral_expiration_status"] == "0" and c["earliest_issue_date"] == "2018-05-21T10:45:10Z", c
        if window:
            begin, end = window
            assert (c["latest_issue_date"], c["earliest_expiration_date"]) == window, (name, c)
            run(name + " at its beginning", tee, begin, collateral, quote, *options)
            run(name + " at its last second", tee, shifted(end, -1), collateral, quote, *options)
            run(name + " too late", tee, end, collateral, quote, *options, slug="evidence.collateral-expired")
            run(name + " too early", tee, shifted(begin, -301), collateral, quote, *options,
                slug="evidence.collateral-expired")
            c = run(name + " within the grace", tee, end, collateral, quote, "--set",
                    "tee.dcap.collateral_grace=3600", *options)["submods"][0]["claims"]
            assert c["collateral_expiration_status"] == "1", c


def whole_directory():
    """Everything at once: what fits is taken, and what was not used is said with its reason."""
    j = run("P14 out of all vectors", "tdx", P14_AT, INTEL, P14)
    notes = "\n".join(j["collateral_not_used"])
    for words in ("tcbinfov2.json: ", "version 2", "out of date", "holds no collateral"):
        assert words in notes, (words, notes)
    for tee, at, quote in [("tdx", "2025-07-01T00:00:00Z", "dcap-qvl/tdx_quote"),
                           ("sgx", "2025-07-01T00:00:00Z", "dcap-qvl/sgx_quote"),
                           ("tdx", P14_AT, "trustee-verifier/tdx_quote_6.dat")]:
        run(quote + " out of all vectors", tee, at, INTEL, vector(quote))


def missing():
    """Each piece is missed by its name; nothing at all, too."""
    for i, words in enumerate(["dcap.tcb", "dcap.identity", "pckcrl", "rootcrl"]):
        rest = SET_1025[:i] + SET_1025[i + 1:]
        run("P14 without " + words, "tdx", P14_AT, folder("p14-%d" % i, *rest), P14,
            slug="evidence.collateral-missing", reason=words)
    run("P14 without a signer", "tdx", P14_AT, folder("p14-4", *SET_1025[:4]), P14, slug="collateral.chain",
        reason="no certificate of a TCB signer")
    run("P14 without collateral", "tdx", P14_AT, None, P14, slug="evidence.collateral-missing")
    crl = folder("p14-5", *SET_1025[:2], *SET_1025[3:], "fortanix-pcs/processor.crl")
    run("P14 with the other CA's CRL", "tdx", P14_AT, crl, P14, slug="evidence.collateral-missing", reason="pckcrl")


def negatives():
    """The negative list of the vectors, and what follows from it."""
    sgx = vector("dcap-qvl/sgx_quote_collateral.json")
    at = "2025-07-01T00:00:00Z"
    run("TDX quote called SGX", "sgx", P14_AT, INTEL, P14, slug="evidence.version", reason="TD")
    run("SGX quote called TDX", "tdx", at, sgx, vector("dcap-qvl/sgx_quote"), slug="evidence.version", reason="SGX")
    for name, skip, clock in [("fortanix-dcap-ql/quote_pck_cert_chain_corrupted.bin", 0, at),
                              ("openenclave/host_verify/sgx_report_bad.bin", 16, "2023-01-01T00:00:00Z")]:
        quote = work(os.path.basename(name), read(vector(name))[skip:])
        r = verify("sgx", clock, INTEL, quote)
        assert r.returncode == 8, (name, r.stdout[:500])
    p14 = folder("p14", *SET_1025)
    quote = read(P14)
    for name, offset, slug in [("quote signature", 640, "evidence.signature"),
                               ("MRTD", 200, "evidence.signature"),
                               ("report data", 600, "evidence.signature"),
                               ("attestation key", 710, "evidence.qe-binding"),
                               ("QE report", 900, "evidence.qe-signature"),
                               ("QE authentication data", 1230, "evidence.qe-binding")]:
        bad = bytearray(quote)
        bad[offset] ^= 1
        run("flipped: " + name, "tdx", P14_AT, p14, work("flipped", bytes(bad)), slug=slug)
    run("trailing bytes are ignored", "tdx", P14_AT, p14, work("long", quote + b"\x01" * 500))
    for n in (0, 1, 47, 631, 1257, 4000):
        r = verify("tdx", P14_AT, p14, work("short", quote[:n]))
        assert r.returncode == 8, (n, r.stdout[:300])
    info = read(vector(FORGE + "tcb_info.json"))
    bad = folder("p14-bad", *SET_1025[1:])
    with open(os.path.join(bad, "tcb"), "wb") as f:
        f.write(info.replace(b'"OutOfDate"', b'"UpToDate"', 1))
    run("TCB info that says better things", "tdx", P14_AT, bad, P14, slug="collateral.signature")


def event_logs():
    p14 = folder("p14", *SET_1025)
    j = run("the log of P14", "tdx", P14_AT, p14, P14, "--event-log", P14_LOG)["submods"][0]
    assert j["event_log"]["state"] == "replayed" and len(j["claims"]["uefi_event_logs"]) == 43, j["event_log"]
    assert j["claims"]["event_log_present"] is True
    j = run("P14 without a log", "tdx", P14_AT, p14, P14)["submods"][0]
    assert j["event_log"] == {"state": "absent"} and "uefi_event_logs" not in j["claims"], j["event_log"]
    run("a log of another guest", "tdx", P14_AT, p14, P14, "--event-log", vector("trustee-eventlog/CCEL_data_gcp"),
        slug="evidence.event-log", reason="RTMR")
    run("Trustee's unit test: a quote and a log that never met", "tdx", "2023-07-01T01:00:00Z", INTEL,
        vector("trustee-verifier/tdx_quote_4.dat"), *DEBUG_TDX, "--event-log", vector("trustee-eventlog/CCEL_data"),
        slug="evidence.event-log", reason="RTMR")
    log = read(P14_LOG)[:18101]
    run("a log that was trimmed", "tdx", P14_AT, p14, P14, "--event-log", work("log", log))
    for name, index, digests, slug in [("index 0", 0, [(0xC, 48)], "evidence.event-log"),
                                       ("index 5", 5, [(0xC, 48)], "evidence.event-log"),
                                       ("a digest of SHA-256 only", 2, [(0xB, 32)], "evidence.malformed"),
                                       ("two digests", 2, [(0xC, 48), (0xC, 48)], "evidence.event-log"),
                                       ("one event more", 2, [(0xC, 48)], "evidence.event-log")]:
        path = struct.pack("<QQQQ", 0, 0, 0, 22) + bytes.fromhex("040412006b00650072006e0065006c0000007fff0400")
        event = struct.pack("<III", index, 0x80000003, len(digests))
        for alg, n in digests:
            event += struct.pack("<H", alg) + b"\x11" * n
        event += struct.pack("<I", len(path)) + path
        run("forged kernel: " + name, "tdx", P14_AT, p14, P14, "--event-log", work("log", log + event), slug=slug)
    for name, tee, path, words in [("SGX has no log", "sgx", P14_LOG, "has no event log"),
                                   ("an empty file", "tdx", work("empty", b""), "is empty"),
                                   ("no file", "tdx", "/nonexistent/log", "/nonexistent/log")]:
        r = verify(tee, P14_AT, p14, P14, "--event-log", path)
        assert r.returncode == 1 and words in r.stderr and r.stderr.count("\n") == 1, (name, r.stderr)
    run("half a log", "tdx", P14_AT, p14, P14, "--event-log", work("log", log[:9000]), slug="evidence.malformed")


def forms():
    """The evidence as guests send it is the same as a quote and a log beside it."""
    p14 = folder("p14", *SET_1025)
    quote, log = read(P14), read(P14_LOG)[:18101]
    b64 = lambda b: base64.b64encode(b).decode()
    raw = run("raw", "tdx", P14_AT, p14, P14, "--event-log", P14_LOG)["submods"]
    for name, evidence in [("JSON", {"cc_eventlog": b64(log), "quote": b64(quote)}),
                           ("a whole ACPI table", {"quote": b64(quote), "cc_eventlog": b64(read(P14_LOG))}),
                           ("more members", {"quote": b64(quote), "cc_eventlog": b64(log), "aa_eventlog": None})]:
        assert run(name, "tdx", P14_AT, p14, work("e.json", json.dumps(evidence)))["submods"] == raw, name
    assert run("hexadecimal", "tdx", P14_AT, p14, work("q.hex", quote.hex()), "--event-log",
               P14_LOG)["submods"] == raw
    for log_form in (None, ""):
        j = run("no log", "tdx", P14_AT, p14, work("e.json", json.dumps({"cc_eventlog": log_form, "quote": b64(quote)})))
        assert j["submods"][0]["event_log"] == {"state": "absent"}
    for name, text in [("no quote", {}), ("quote null", {"quote": None}), ("quote of numbers", {"quote": [1]}),
                       ("quote is no base64", {"quote": "AAAA*"}), ("URL form", {"quote": "_-8="}),
                       ("log is no base64", {"quote": b64(quote), "cc_eventlog": "??"}),
                       ("log is a number", {"quote": b64(quote), "cc_eventlog": 5}),
                       ("log is a JSON text", {"quote": b64(quote), "cc_eventlog": "e30="}),
                       ("quote above its ceiling", {"quote": b64(quote + bytes(60000))})]:
        run(name, "tdx", P14_AT, p14, work("e.json", json.dumps(text)), slug="evidence.malformed")
    sgx = run("SGX", "sgx", "2025-07-01T00:00:00Z", vector("dcap-qvl/sgx_quote_collateral.json"),
              work("s.json", json.dumps({"quote": b64(read(vector("dcap-qvl/sgx_quote")))})))["submods"][0]
    assert "event_log" not in sgx and sgx["tee"] == "sgx", sgx


def bindings():
    clock = "2023-07-01T01:00:00Z"
    quote = vector("trustee-verifier/tdx_quote_4.dat")
    data = read(quote)[568:632].hex()
    options = (*DEBUG_TDX, "--report-data")
    j = run("report data", "tdx", clock, INTEL, quote, *options, data)
    assert j["report_data_bound"] and j["submods"][0]["debug"] is True and j["submods"][0]["report_data"] == data
    for name, value in [("another", "00" + data[2:]), ("a part", data[:96]), ("longer", data + "00"), ("empty", "00")]:
        j = run("report data: " + name, "tdx", clock, INTEL, quote, *options, value, slug="evidence.report-data")
        assert "unverified_claims" not in j, "another conversation's quote explains nothing"
    init = work("init.toml", 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\n"a" = "b"\n')
    run("init data that the TD was not made with", "tdx", clock, INTEL, quote, *DEBUG_TDX, "--init-data", init,
        slug="evidence.init-data", reason="MRCONFIGID")
    run("init data that the enclave was not made with", "sgx", "2025-07-01T00:00:00Z",
        vector("dcap-qvl/sgx_quote_collateral.json"), vector("dcap-qvl/sgx_quote"), "--init-data", init,
        slug="evidence.init-data", reason="CONFIGID")


def claims():
    """Trustee's fixtures, member by member; the log of the first does not belong to the quote and has a test of its
    own."""
    sub = run("Trustee's TDX fixture", "tdx", "2023-07-01T01:00:00Z", INTEL,
              vector("trustee-verifier/tdx_quote_4.dat"), *DEBUG_TDX)["submods"][0]
    ours = dict(sub["claims"], report_data=sub["report_data"], init_data=sub["init_data"])
    with open(vector("trustee-verifier/parse_tdx_claims_expected.json")) as f:
        want = json.load(f)
    for name, value in want.items():
        assert name == "uefi_event_logs" or ours[name] == value, (name, ours.get(name), value)
    for name, value in {"pck_crl_num": 1, "root_ca_crl_num": 1, "sgx_type": "Scalable",
                        "root_key_id": "46e403bd34f05a3f2817ab9badcaacc7ffc98e0f261008cd30dae936cace18d5"
                                       "dcf58eef31463613de1570d516200993"}.items():
        assert ours[name] == value, (name, ours[name])

    sub = run("Trustee's SGX fixture", "sgx", "2025-09-01T00:00:00Z", INTEL,
              vector("trustee-verifier/occlum_quote.dat"), *DEBUG_SGX)["submods"][0]
    c = sub["claims"]
    zero = "00"
    header = {"version": "0300", "att_key_type": "0200", "att_key_data_0": "00000000", "qe_svn": "0800",
              "pce_svn": "0d00", "vendor_id": "939a7233f79c4ca9940a0db3957f0607",
              "user_data": "dccde9b31ce8860548173bb4a2a57a1600000000"}
    body = {"cpu_svn": "06060c0cffff00000000000000000000", "misc_select": "01000000", "reserved1": zero * 12,
            "isv_ext_prod_id": zero * 16, "attributes.flags": "0700000000000000", "attributes.xfrm": "e700000000000000",
            "mr_enclave": "8f173e4613ff05c52aaf04162d234edae8c9977eae47eb2299ae16a553011c68", "reserved2": zero * 32,
            "mr_signer": "83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e", "reserved3": zero * 32,
            "config_id": zero * 64, "isv_prod_id": zero * 2, "isv_svn": zero * 2, "config_svn": zero * 2,
            "reserved4": zero * 42, "isv_family_id": zero * 16, "report_data": "74657374" + zero * 60}
    assert c["header"] == header and c["body"] == body, c
    assert c["platform_instance_id"] == "7a3a6941065cd5060bd93d3db2cfc0c8" and sub["init_data"] == zero * 64
    assert sub["report_data"] == "74657374" + zero * 60 and sub["debug"] is True
    assert c["attributes"]["debug"] and not c["attributes"]["kss"] and c["isv_svn"] == 0, c


def appraisal():
    """The default policies affirm what the reference values list, and only that."""
    p14 = folder("p14", *SET_1025)
    body = run("P14", "tdx", P14_AT, p14, P14)["submods"][0]["claims"]["quote"]["body"]
    known = {"mr_td": [body["mr_td"]], "rtmr_1": [body["rtmr_1"]], "rtmr_2": [body["rtmr_2"]], "xfam": [body["xfam"]]}
    ref = work("tdx.json", json.dumps(known))
    j = run("P14 appraised", "tdx", P14_AT, p14, P14, "--refvalues", ref)["submods"][0]
    assert j["status"] == "affirming" and j["vector"]["executables"] == 4 and j["vector"]["hardware"] == 2, j["vector"]
    j = run("P14 appraised in its grace", "tdx", "2025-11-12T11:00:00Z", p14, P14, "--refvalues", ref, "--set",
            "tee.dcap.collateral_grace=3600")["submods"][0]
    assert j["vector"]["hardware"] == 97, j["vector"]
    quote = vector(OE + "tdx_quote_v5.bin")
    for option, want in [('tee.tdx.service_tds=["%s"]' % P16_SERVICE, 2), ("tee.tdx.allow_migratable=true", 36)]:
        xfam = run("P16", "tdx", P14_AT, p14, quote, "--set", option)["submods"][0]["claims"]["quote"]["body"]["xfam"]
        j = run("P16 appraised", "tdx", P14_AT, p14, quote, "--set", option, "--refvalues",
                work("xfam.json", json.dumps({"xfam": [xfam]})))["submods"][0]
        assert j["vector"]["configuration"] == want and j["vector"]["hardware"] == 97, (option, j["vector"])
    sgx = (vector("dcap-qvl/sgx_quote_collateral.json"), vector("dcap-qvl/sgx_quote"))
    body = run("P1", "sgx", "2025-07-01T00:00:00Z", *sgx)["submods"][0]["claims"]["body"]
    for known, want in [({"sgx_mr_enclave": [body["mr_enclave"]]}, (3, 97, 3)),
                        ({"sgx_mr_enclave": [body["mr_enclave"]],
                          "sgx_tcb_status": ["ConfigurationAndSWHardeningNeeded"]}, (3, 2, 3)),
                        ({"sgx_mr_signer": [body["mr_signer"]], "sgx_isv_prod_id": [0, 1], "sgx_min_isv_svn": 0},
                         (3, 97, 3)),
                        ({"sgx_mr_signer": [body["mr_signer"]], "sgx_isv_prod_id": [0, 1]}, (33, 97, 3))]:
        v = run("P1 appraised", "sgx", "2025-07-01T00:00:00Z", *sgx, "--refvalues",
                work("sgx.json", json.dumps(known)))["submods"][0]["vector"]
        assert (v["executables"], v["hardware"], v["configuration"]) == want, (known, v)


def floors():
    p14 = folder("p14", *SET_1025)
    for name, option, slug in [("evaluation", "tee.dcap.min_evaluation=18", "collateral.old"),
                               ("FMSPC", 'tee.dcap.fmspcs=["00906EA10000"]', "evidence.tcb-floor"),
                               ("TCB date", "tee.dcap.min_tcb_date=2024-03-14T00:00:00Z", "evidence.tcb-floor")]:
        run("floor: " + name, "tdx", P14_AT, p14, P14, "--set", option, slug=slug)
    run("floor: advisory", "tdx", P14_AT, p14, vector("trustee-az-tdx-vtpm/td-quote.bin"), "--set",
        'tee.dcap.rejected_advisories=["INTEL-SA-00986"]', slug="evidence.tcb-floor")
    for option in ("tee.dcap.min_evaluation=17", 'tee.dcap.fmspcs=["00806F050000"]',
                   "tee.dcap.min_tcb_date=2024-03-13T00:00:00Z", 'tee.dcap.rejected_advisories=["INTEL-SA-00986"]'):
        run("floor met: " + option, "tdx", P14_AT, p14, P14, "--set", option)
    for option, words in [('tee.dcap.fmspcs=["00806F"]', "tee.dcap.fmspcs"), ("tee.dcap.min_tcb_date=2024", "min_tcb"),
                          ('tee.tdx.service_tds=["00"]', "service_tds")]:
        r = verify("tdx", P14_AT, p14, P14, "--set", option)
        assert r.returncode == 1 and words in r.stderr and r.stderr.count("\n") == 1, r.stderr


def text():
    """For people: status, date and advisories of each part, and what keeps it from a better level."""
    global ran
    ran += 1
    out = subprocess.run([os.path.join(BIN, "vidimus-issuer"), "verify", "--tee", "tdx", "--at", P14_AT, "--collateral",
                          folder("p14", *SET_1025), vector("trustee-az-tdx-vtpm/td-quote.bin")],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    for words in ("TCB of tdx", "platform         OutOfDate", "2023-08-09  held back by SGX TCB component 1: 6 < 7  INTEL-SA",
                  "tdx_module       OutOfDate", "held back by ISVSVN 2 < 4", "quoting_enclave  UpToDate",
                  "quote.body.mr_td  ", "event log                        absent"):
        assert words in out, (words, out)


for part in (pairs, whole_directory, missing, negatives, event_logs, forms, bindings, claims, appraisal, floors, text):
    part()
shutil.rmtree(WORK, ignore_errors=True)
print("intel: %d runs of verify" % ran)
