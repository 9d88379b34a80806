"""The simulated Intel platform looked at from outside: its quotes, certificates, documents, CRLs and event logs are read
from the layout tables and checked with nothing but Python's standard library and the openssl command, apart from both
the generator and the driver."""
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

BIN = os.path.abspath(sys.argv[1])
WORK = tempfile.mkdtemp(prefix="vd-simtdx-")
PKI = os.path.join(WORK, "pki")
ran = 0

# ---- P-256 by the book ----------------------------------------------------------------------------
P = 2 ** 256 - 2 ** 224 + 2 ** 192 + 2 ** 96 - 1
A = P - 3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def times(k, p):
    out = None
    while k:
        if k & 1:
            out = add(out, p)
        p = add(p, p)
        k >>= 1
    return out


def verifies(point, message, signature):
    x, y = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    if (y * y - (x * x * x + A * x + B)) % P:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N):
        return False
    e, w = int.from_bytes(hashlib.sha256(message).digest(), "big"), pow(s, -1, N)
    got = add(times(e * w % N, G), times(r * w % N, (x, y)))
    return got is not None and got[0] % N == r


# ---- tools -----------------------------------------------------------------------------------------
def check(what, ok, detail=""):
    global ran
    ran += 1
    if not ok:
        sys.exit("%s: wrong %s (files: %s)" % (what, detail, WORK))


def sim(verb, *args, stdin=None):
    return subprocess.run([os.path.join(BIN, "simtdx"), verb, "--pki", PKI, *args], input=stdin, check=True,
                          stdout=subprocess.PIPE).stdout


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def keep(name, data):
    path = os.path.join(WORK, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def point_of(pem):
    """Raw public key of a certificate, by openssl."""
    key = openssl("x509", "-pubkey", "-noout", stdin=pem).stdout
    return openssl("pkey", "-pubin", "-outform", "DER", stdin=key).stdout[-64:]


def certificates(pem):
    end = b"-----END CERTIFICATE-----\n"
    return [part + end for part in pem.split(end)[:-1]]


def le(data):
    return int.from_bytes(data, "little")


# ---- checks ----------------------------------------------------------------------------------------
def tlvs(data):
    out = []
    while data:
        n, at = data[1], 2
        if n & 0x80:
            n, at = int.from_bytes(data[2:2 + (n & 15)], "big"), 2 + (n & 15)
        out.append((data[0], data[at:at + n]))
        check("DER length", len(data) >= at + n)
        data = data[at + n:]
    return out


def sgx_extension(pem, platform):
    der = openssl("x509", "-outform", "DER", stdin=pem).stdout
    oid = bytes.fromhex("2a864886f84d010d01")
    at = der.index(b"\x06\x09" + oid) + 11
    check("extension is an OCTET STRING", der[at] == 4)
    [(tag, value)] = tlvs(tlvs(der[at:])[0][1])
    check("extension is a SEQUENCE", tag == 0x30)
    pairs = {}
    for tag, one in tlvs(value):
        (_, name), (kind, content) = tlvs(one)
        check("element's name", name[:9] == oid and len(name) == 10)
        pairs[name[9]] = (kind, content)
    check("elements", sorted(pairs) == ([1, 2, 3, 4, 5, 6, 7] if platform else [1, 2, 3, 4, 5]), sorted(pairs))
    check("PPID", pairs[1] == (4, bytes(range(0x30, 0x40))))
    tcb = [tlvs(one) for _, one in tlvs(pairs[2][1])]
    check("eighteen TCB pairs", [t[0][1][10] for t in tcb] == list(range(1, 19)))
    svns = [int.from_bytes(t[1][1], "big", signed=True) for t in tcb[:16]]
    check("components", svns == [7, 7, 3, 3, 255, 255, 1, 2] + [0] * 8, svns)
    check("sign padding", tcb[4][1] == (2, b"\x00\xff"))
    check("PCESVN", tcb[16][1] == (2, b"\x0d"))
    check("FMSPC", pairs[4][1].hex() == "51806f050000")
    check("type", pairs[5] == (10, b"\x01" if platform else b"\x00"))


def chain(pem, platform=True):
    leaf, ca, root = certificates(pem)
    files = [keep(n, c) for n, c in zip(("leaf", "ca", "root"), (leaf, ca, root))]
    done = openssl("verify", "-x509_strict", "-CAfile", files[2], "-untrusted", files[1], files[0])
    check("openssl verifies the chain", done.returncode == 0, done.stdout)
    for name, cert in (("Intel SGX PCK Certificate", leaf), ("Intel SGX Root CA", root),
                       ("Intel SGX PCK %s CA" % ("Platform" if platform else "Processor"), ca)):
        subject = openssl("x509", "-subject", "-noout", "-nameopt", "RFC2253", stdin=cert).stdout.decode().strip()
        check("subject", subject == "subject=C=US,ST=CA,L=Santa Clara,O=Intel Corporation,CN=" + name, subject)
    sgx_extension(leaf, platform)
    return point_of(leaf)


def quote(name, args, version, body_type, platform=True):
    q = sim("quote", *args)
    check(name + ": version", le(q[:2]) == version and le(q[2:4]) == 2)
    check(name + ": vendor", q[12:28].hex() == "939a7233f79c4ca9940a0db3957f0607")
    sgx = body_type == 1
    if version == 3:
        check(name + ": SVNs", (le(q[4:8]), le(q[8:10]), le(q[10:12])) == (0, 8, 13))
    else:
        check(name + ": TEE type", le(q[4:8]) == (0 if sgx else 0x81))
    size = {1: 384, 2: 584, 3: 648, 4: 885}[body_type]
    at = 48
    if version == 5:
        check(name + ": descriptor", (le(q[48:50]), le(q[50:54])) == (body_type, size))
        at = 54
    body, end = q[at:at + size], at + size
    check(name + ": signature data's length", le(q[end:end + 4]) == len(q) - end - 4)
    data = q[end + 4:]
    check(name + ": quote signature", verifies(data[64:128], q[:end], data[:64]))
    check(name + ": not another's", not verifies(data[64:128], q[:end - 1], data[:64]))
    rest = data[128:]
    if version > 3:
        check(name + ": outer type and length", (le(rest[:2]), le(rest[2:6])) == (6, len(rest) - 6))
        rest = rest[6:]
    qe, qe_signature, n_auth = rest[:384], rest[384:448], le(rest[448:450])
    auth, rest = rest[450:450 + n_auth], rest[450 + n_auth:]
    check(name + ": binding", qe[320:384] == hashlib.sha256(data[64:128] + auth).digest() + bytes(32))
    check(name + ": inner type and length", (le(rest[:2]), le(rest[2:6])) == (5, len(rest) - 6))
    check(name + ": QE signature", verifies(chain(rest[6:], platform), qe, qe_signature))
    return q, body, qe


def identities(folder, tdx, qe):
    point = signer(folder)
    info = document(os.path.join(folder, "%s_tcb_info.json" % tdx), "tcbInfo", point)
    check("TCB info", (info["id"], info["version"], info["tcbType"]) == (tdx.upper(), 3, 0), info)
    check("modules of TDX only", ("tdxModule" in info) == (tdx == "tdx") == ("tdxModuleIdentities" in info))
    check("sixteen components", all(len(l["tcb"]["sgxtcbcomponents"]) == 16 for l in info["tcbLevels"]))
    who = document(os.path.join(folder, "%s_identity.json" % tdx), "enclaveIdentity", point)
    check("identity", (who["id"], who["version"]) == ("TD_QE" if tdx == "tdx" else "QE", 2))
    mask, want = bytes.fromhex(who["attributesMask"]), bytes.fromhex(who["attributes"])
    check("QE's attributes", bytes(a & m for a, m in zip(qe[48:64], mask)) == want)
    check("QE's signer and product", (qe[128:160].hex(), le(qe[256:258])) == (who["mrsigner"].lower(), who["isvprodid"]))
    check("QE's level", le(qe[258:260]) >= who["tcbLevels"][0]["tcb"]["isvsvn"])


def signer(folder):
    with open(os.path.join(folder, "signing_chain.pem"), "rb") as f:
        leaf, root = certificates(f.read())
    done = openssl("verify", "-x509_strict", "-CAfile", keep("root2", root), keep("signer", leaf))
    check("signer's chain", done.returncode == 0, done.stdout)
    return point_of(leaf)


def document(path, name, point):
    with open(path, "rb") as f:
        text = f.read()
    start, middle = b'{"%s":' % name.encode(), b',"signature":"'
    check("document's start", text.startswith(start) and text.endswith(b'"}'))
    inner = text[len(start):text.rindex(middle)]
    check("document's signature", verifies(point, inner, bytes.fromhex(json.loads(text)["signature"])))
    return json.loads(inner)


def crls(folder):
    for name, ca, root in (("pck_crl.der", "pck_crl_chain.pem", 0), ("root_ca_crl.der", "pck_crl_chain.pem", 1)):
        with open(os.path.join(folder, ca), "rb") as f:
            by = keep("by", certificates(f.read())[root])
        done = openssl("crl", "-inform", "DER", "-in", os.path.join(folder, name), "-CAfile", by, "-noout", "-text")
        check(name, b"verify OK" in done.stdout and b"X509v3 CRL Number" in done.stdout and
              b"X509v3 Authority Key Identifier" in done.stdout, done.stdout)


def replay(log):
    """The whole log, record by record; what the four registers hold then."""
    check("header", (le(log[:4]), le(log[4:8]), le(log[28:32])) == (1, 3, 33))
    check("header's text", log[32:48] == b"Spec ID Event03\0")
    at, rtmr, names = 32 + 33, [bytes(48)] * 4, []
    while log[at:at + 8] != b"\xff" * 8:
        index, kind, count = le(log[at:at + 4]), le(log[at + 4:at + 8]), le(log[at + 8:at + 12])
        check("one SHA-384 digest", 1 <= index <= 4 and count == 1 and le(log[at + 12:at + 14]) == 12)
        digest, n = log[at + 14:at + 62], le(log[at + 62:at + 66])
        rtmr[index - 1] = hashlib.sha384(rtmr[index - 1] + digest).digest()
        names.append((kind, log[at + 66:at + 66 + n], digest))
        at += 66 + n
    check("the end mark ends it", at + 8 == len(log))
    return rtmr, names


def logs():
    for args in ([], ["--log-size", "65536"]):
        rtmr, events = replay(sim("log", *args))
        body = quote("with log", args, 4, 2)[1]
        check("registers", [body[328 + 48 * i:376 + 48 * i] for i in range(4)] == rtmr)
        check("the kernel is in it", any("kernel".encode("utf-16-le") in data for _, data, _ in events))
        agent = [(d, g) for k, d, g in events if k == 6 and le(d[:4]) == 0x4141454C]
        check("the agent's event", all(hashlib.sha384(d).digest() == g and le(d[4:8]) == len(d) - 8 for d, g in agent))
        check("there is one", len(agent) == 1)
    rtmr, _ = replay(sim("log", "--altered-log"))
    check("an altered log does not replay", quote("altered", ["--altered-log"], 4, 2)[1][472:520] != rtmr[3])


def evidence():
    data = bytes(range(48))
    request = json.dumps({"tee": "tdx", "runtime_data": {},
                          "report_data": base64.urlsafe_b64encode(data).rstrip(b"=").decode()}).encode()
    tdx = json.loads(sim("attest", stdin=request))
    check("evidence of a TD", list(tdx) == ["cc_eventlog", "quote"])
    q = base64.b64decode(tdx["quote"], validate=True)
    check("report data", q[568:632] == data + bytes(16))
    rtmr, _ = replay(base64.b64decode(tdx["cc_eventlog"], validate=True))
    check("registers", q[376:568] == b"".join(rtmr))
    check("without a log", json.loads(sim("attest", "--without-log", stdin=request))["cc_eventlog"] is None)
    sgx = json.loads(sim("attest", "--tee", "sgx", stdin=request))
    check("evidence of an enclave", list(sgx) == ["quote"])
    check("report data", base64.b64decode(sgx["quote"], validate=True)[368:432] == data + bytes(16))
    init = keep("init.toml", b'algorithm = "sha384"\nversion = "0.1.0"\n[data]\n')
    body = quote("init data", ["--init-data", init], 4, 2)[1]
    with open(init, "rb") as f:
        check("MRCONFIGID", body[184:232] == hashlib.sha384(f.read()).digest())


def forgeries():
    q = sim("quote", "--stranger")
    check("another's key signs", not verifies(q[700:764], q[:632], q[636:700]))
    q = sim("quote", "--unbound")
    check("not bound", q[770 + 320:770 + 352] != hashlib.sha256(q[700:764] + q[1220:1252]).digest())
    for order, names in ((1, ["PCK Cert", "Root", "Platform"]), (2, ["Root", "Platform", "PCK Cert"])):
        pems = certificates(sim("quote", "--chain-order", str(order))[1258:])
        got = [openssl("x509", "-subject", "-noout", stdin=c).stdout.decode() for c in pems]
        check("order %d" % order, all(n in g for n, g in zip(names, got)), got)
    once, again = sim("quote")[1258:], sim("quote")[1258:]
    check("a platform's certificate stays the same", once == again)
    folder = os.path.join(WORK, "revoked")
    sim("collateral", "--out", folder, "--revoke", "pck")
    text = openssl("crl", "-inform", "DER", "-in", folder + "/pck_crl.der", "-noout", "-text").stdout
    serial = openssl("x509", "-serial", "-noout", stdin=certificates(once)[0]).stdout.decode().strip().split("=")[1]
    check("the PCK is listed", ("Serial Number: " + serial).encode() in text, text)


def bundles():
    folder = os.path.join(WORK, "bundle")
    sim("collateral", "--out", folder, "--bundle", "--at", "2026-06-01T00:00:00Z")
    for tee in ("sgx", "tdx"):
        with open(os.path.join(folder, tee + "_collateral.json")) as f:
            b = json.load(f)
        point = point_of(certificates(b["tcb_info_issuer_chain"].encode())[0])
        for part in ("tcb_info", "qe_identity"):
            check("bundle's " + part, verifies(point, b[part].encode(), bytes.fromhex(b[part + "_signature"])))
            check("clock", json.loads(b[part])["issueDate"] == "2026-05-31T23:00:00Z")
        check("bundle's CRLs", openssl("crl", "-inform", "DER", "-noout", stdin=bytes.fromhex(b["pck_crl"])).returncode == 0)


folders = {}
for tee in ("platform", "processor"):
    folders[tee] = os.path.join(WORK, "collateral-" + tee)
    sim("collateral", "--out", folders[tee], *(["--processor"] if tee == "processor" else []))
    crls(folders[tee])
identities(folders["platform"], "tdx", quote("v4", [], 4, 2)[2])
identities(folders["platform"], "sgx", quote("v3", ["--tee", "sgx"], 3, 1)[2])
for body_type in (1, 2, 3, 4):
    quote("v5 type %d" % body_type, ["--quote-version", "5", "--body", str(body_type)], 5, body_type)
quote("Processor CA", ["--tee", "sgx", "--processor"], 3, 1, platform=False)
logs()
evidence()
forgeries()
bundles()
shutil.rmtree(WORK)
print("simulated Intel platform: %d checks passed" % ran)
