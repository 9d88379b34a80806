#!/usr/bin/python3
"""The conformance scenarios of spec/wire.md section 9 that concern sample evidence, administrators, policies, resources,
init data and passports (1 to 22, 24, 38), as a user would go through them over real sockets.

usage: scenarios.py BIN_DIR

Each of HTTP and HTTPS, with both settings of release.denial_status, guests with one URL (cookie, the broker relays)
and with two (Bearer); administrators once by the KBS endpoints and once by the native API. tests/interop/replay.py
holds the same scenarios against recorded answers; nothing is shared with it but the helpers in lib.py."""
import hashlib
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib  # noqa: E402
from lib import http_call  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SNP = os.path.join(ROOT, "tests/vectors/snp/trustee/e2e-evidence.json")
ISSUER = "https://issuer.test"
SECRET = b"shhhhhhh"

ALLOW = 'package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == "resource"\n'
DENY = "package policy\ndefault allow = false\n"
NOT_BAD = ('package policy\nimport rego.v1\ndefault allow := false\n'
           'allow if { input.submods.cpu0["ear.status"] != "contraindicated"; not bad_device }\n'
           'bad_device if { some device in input.submods; device["ear.status"] == "contraindicated" }\n')
ONE_RULE = "package policy\n\ndefault executables = 3\n"  # legacy `=`, a single default rule
# As upstream's tests: nothing but hardware comes from reference values, executables stay 33, so the status is a warning.
TRUST = ('package policy\nimport rego.v1\ndefault hardware := 97\ndefault executables := 33\ndefault configuration := 36\n'
         'trust_claims := {"hardware": hardware, "executables": executables, "configuration": configuration}\n')
CPU = TRUST + ('hardware := 2 if {\n\tinput.sample.svn in query_reference_value("svn")\n'
               '\tinput.sample.launch_digest in query_reference_value("launch_digest")\n'
               '\tinput.sample.platform_version.major == query_reference_value("major_version")\n'
               '\tinput.sample.platform_version.minor >= query_reference_value("minimum_minor_version")\n}\n')
GPU = TRUST + 'hardware := 2 if input.sampledevice.svn in query_reference_value("device_svn")\n'
CPU_VALUES = {"svn": ["1"], "launch_digest": ["abcde"], "major_version": 1, "minimum_minor_version": 1}
NO_VALUES = {name: [] for name in CPU_VALUES}

INIT_DATA = '''version = "0.1.0"
algorithm = "sha256"

[data]
"cdh.toml" = \'\'\'
[image]
extra_root_certificates = ["CERT-A", "CERT-B"]
\'\'\'
"policy.rego" = \'\'\'
package agent_policy
default AllowRequestsFailingPolicy := false
policy_data := {
  "containers": [
    {"OCI": {"Process": {"Args": ["/pause"], "User": {"UID": 65535}}, "Annotations": {"io.kubernetes.cri.container-type": "sandbox"}}},
    {"OCI": {"Process": {"Args": ["nginx", "-g"], "User": {"UID": 1001}}, "Annotations": {"io.kubernetes.cri.image-name": "bitnami/nginx:latest"}}}
  ]
}
\'\'\'
'''
INIT_DIGEST = lib.b64(hashlib.sha256(INIT_DATA.encode()).digest())


def allow_if(condition):
    return "package policy\nimport rego.v1\ndefault allow := false\nallow if { %s }\n" % condition


EVIDENCE = 'input.submods.cpu0["ear.veraison.annotated-evidence"]'
BY_INIT_DATA = [
    ("19 init data's digest", allow_if('%s.init_data == "%s"' % (EVIDENCE, INIT_DIGEST))),
    ("20 cdh.toml", allow_if('%s.init_data_claims["cdh.toml"].image.extra_root_certificates[0] == "CERT-A"' % EVIDENCE)),
    ("21 agent policy", allow_if('%s.init_data_claims.agent_policy_claims.containers[1].OCI.Process.Args[0] == "nginx"' % EVIDENCE)),
    ("22 identifiers", allow_if('input.submods.cpu0["ear.trustee.identifiers"].validated == {"container_images": '
                                '["bitnami/nginx:latest"], "container_uids": [65535, 1001]}')),
]


class Stage:
    """An issuer and a broker that trusts it and relays to it, and their administrators."""

    def __init__(self, run, bin_folder, tls, denial=403, mode=""):
        self.run, self.tls, self.denial, self.folder = run, tls, denial, run.folder()
        self.cafile = tls[0] if tls else None
        self.who, self.tester, self.stranger = (lib.Identity(self.folder, n) for n in ("admin", "tester", "stranger"))
        self.issuer = run.server("issuer", self.folder + "/issuer", bin_folder, self.issuer_toml(), tls=tls, admin=mode)
        self.broker = run.server("broker", self.folder + "/broker", bin_folder, self.broker_toml(), tls=tls, admin=mode)

    def admins(self, values):
        """The administrator may do everything, the tester only what reference values need (nothing at a broker)."""
        return (self.who.config(["admin"]) + self.tester.config(["tester"])
                + lib.role("admin", ["* /api/v1/*", "* /kbs/v0/*"]) + lib.role("tester", values))

    def issuer_toml(self):
        return ('[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\n[as]\nenabled = true\n[tee.sample]\nenabled = true\n'
                '[tee.sampledevice]\nenabled = true\n[tee.snp]\nvcek_sources = ["evidence"]\n'
                % (ISSUER, self.folder) + self.admins(["POST /kbs/v0/reference-value", "GET /kbs/v0/reference-value/*"]))

    def broker_toml(self):
        url_ca, relay_ca = ('%s = "%s"\n' % (k, self.cafile) if self.cafile else "" for k in ("jwks_url_ca", "ca_file"))
        return ('[[trusted_issuer]]\nname = "main"\nissuer = "%s"\njwks_url = "%s/.well-known/jwks.json"\n%salgs = ["ES256"]\n'
                'tees = ["*"]\nrepositories = ["*"]\naccept_simulated = true\n[relay]\ntrusted_issuer = "main"\nissuer_url = "%s"\n%s'
                '[accept]\naudience = ["broker"]\n[release]\ndenial_status = %d\n'
                % (ISSUER, self.issuer.guest, url_ca, self.issuer.guest, relay_ca, self.denial) + self.admins(["GET /api/v1/status"]))

    # ---- an administrator

    def kbs(self, server, path, body, who=None, method="POST"):
        who = who or self.who
        role = "tester" if who is self.tester else "admin"
        return http_call(method, server.guest + "/kbs/v0/" + path, body, who.bearer(role=role), self.cafile)

    def native(self, server, path, body):
        """A change by the native API: creation or new version, whichever it is."""
        url = server.admin + "/api/v1" + path
        now = http_call("GET", url, None, self.who.bearer(), self.cafile)
        fresh = now.status == 404 or now.header("etag") == '"0"'  # 0: what the program carries
        condition = {"If-None-Match": "*"} if fresh else {"If-Match": now.header("etag")}
        a = http_call("PUT", url, body, {**self.who.bearer(), **condition}, self.cafile)
        self.run.equal("native: PUT " + path, a.status, 201 if fresh else 200)

    def admin(self, native, what, name, value):
        """Sets one policy, value or secret by either API."""
        if native:
            server, path, body = {
                "attestation-policy": (self.issuer, "/policies/" + name, value),
                "resource-policy": (self.broker, "/release-policies/resource-policy", value),
                "secret": (self.broker, "/secrets/" + name, value),
                "value": (self.issuer, "/reference-values?name=" + name, {"value": value})}[what]
            return self.native(server, path, body)
        message = {"version": "0.1.0", "type": "sample", "payload": lib.b64(json.dumps({name: value}).encode())} if what == "value" else None
        server, path, body = {
            "attestation-policy": (self.issuer, "attestation-policy", {"type": "rego", "policy_id": name, "policy": lib.b64u(str(value).encode())}),
            "resource-policy": (self.broker, "resource-policy", {"policy": lib.b64u(str(value).encode())}),
            "secret": (self.broker, "resource/" + name, value),
            "value": (self.issuer, "reference-value", message)}[what]
        self.run.equal("KBS: POST %s %s" % (path, name), self.kbs(server, path, body).status, 200)

    # ---- a guest

    def get(self, one_url, key, path="default/test/secret", **evidence):
        """Attests and asks for a secret, with one URL by the cookie or with two by the passport."""
        url = (self.broker if one_url else self.issuer).guest
        session = lib.kbs_auth(url, cafile=self.cafile)
        a = lib.kbs_attest_sample(url, session, key, self.cafile, **evidence)
        if a.status != 200:
            return a
        if one_url:
            return lib.get_resource(self.broker.guest, path, cookie=session.cookie, cafile=self.cafile)
        return lib.get_resource(self.broker.guest, path, token=a.json()["token"], cafile=self.cafile)

    def released(self, what, **evidence):
        for one_url in (True, False):
            key = lib.TeeKey()
            a = self.get(one_url, key, **evidence)
            name = "%s, %s" % (what, "one URL" if one_url else "two URLs")
            if self.run.equal(name + ": released", a.status, 200):
                self.run.equal(name + ": the secret", key.open(a.body), SECRET)

    def refused(self, what, **evidence):
        """Denied with the configured status, and the owner can read why."""
        for one_url in (True, False):
            a = self.get(one_url, lib.TeeKey(), **evidence)
            name = "%s, %s" % (what, "one URL" if one_url else "two URLs")
            self.run.equal(name + ": denied", (a.status, lib.error_type(a), a.json()["detail"]),
                           (self.denial, "PolicyDeny", "Access denied by policy"))
            x = http_call("GET", "%s/api/v1/decisions/%s" % (self.broker.admin, a.header("vidimus-decision")), None,
                          self.who.bearer(), self.cafile)
            self.run.check(name + ": the owner reads why", x.status == 200 and x.json().get("error", "").startswith("policy.deny"), x)


def administrators(stage, deny):
    """1 to 12: three endpoints, each with a good key, a stranger's, a closed server and a role that may not."""
    endpoints = [
        ("1-4 resource policy", "broker", "resource-policy", {"policy": lib.b64u(DENY.encode())}),
        ("5-8 attestation policy", "issuer", "attestation-policy", {"type": "rego", "policy_id": "scenario_cpu", "policy": lib.b64u(ONE_RULE.encode())}),
        ("9-12 resource", "broker", "resource/a/b/c", SECRET)]
    for what, server, path, body in endpoints:
        at, closed = getattr(stage, server), getattr(deny, server)
        for name, answer, status, text in (
                ("a stranger's key", stage.kbs(at, path, body, stage.stranger), 401, "Cannot verify token with any of the issuers"),
                ("a closed server", deny.kbs(closed, path, body), 403, "DenyAll authorization_mode is enabled"),
                ("a role that may not", stage.kbs(at, path, body, stage.tester), 403, "Role tester not allowed")):
            name = "%s: %s" % (what, name)
            stage.run.equal(name, (answer.status, lib.error_type(answer)), (status, "AdminAuthAccess"))
            stage.run.check(name + " is told in the known words", text in answer.json()["detail"], answer)
        if server == "broker" and "resource/" in path:
            stage.run.equal(what + ": nothing was stored", stage.kbs(at, path, None, method="DELETE").status, 404)
        stage.run.equal(what + ": a good key", stage.kbs(at, path, body).status, 200)
    stage.run.equal("the tester's own endpoint", stage.kbs(stage.issuer, "reference-value", {
        "version": "0.1.0", "type": "sample", "payload": lib.b64(b'{"x": 1}')}, stage.tester).status, 200)


def releases(stage, native):
    """13 to 22."""
    how = " (native)" if native else ""
    admin = lambda *a: stage.admin(native, *a)  # noqa: E731

    def values(table):
        for name, value in table.items():
            admin("value", name, value)
    admin("secret", "default/test/secret", SECRET)
    admin("attestation-policy", "default_cpu", CPU)
    admin("attestation-policy", "default_gpu", TRUST)
    values({**NO_VALUES, "device_svn": []})
    admin("resource-policy", "", ALLOW)
    stage.released("13 allow all, contraindicated" + how)
    admin("resource-policy", "", DENY)
    stage.refused("14 deny all" + how)
    admin("resource-policy", "", NOT_BAD)
    stage.refused("15 no reference values" + how)
    values(CPU_VALUES)
    stage.released("16 with reference values" + how)
    stage.refused("17 a device without its values" + how, device_svn="2")
    admin("value", "device_svn", ["2"])
    admin("attestation-policy", "default_gpu", GPU)
    stage.released("18 a device with its values" + how, device_svn="2")
    stage.refused("18 another device" + how, device_svn="3")
    with open(os.path.join(ROOT, "policies/attestation/default_cpu.rego")) as f:
        admin("attestation-policy", "default_cpu", f.read())
    for what, text in BY_INIT_DATA:
        admin("resource-policy", "", text)
        stage.released(what + how, init_data=INIT_DATA)
        changed = INIT_DATA.replace("CERT-A", "CERT-C").replace('"nginx", ', '"sh", ').replace("1001", "0")
        stage.refused(what + ", changed" + how, init_data=changed)


def failing_policies(stage):
    """An attestation policy that fails is a failed attest; a release policy that fails denies."""
    texts = [("conflict", 'package policy\ntrust_claims := {"hardware": 2}\ntrust_claims := {"hardware": 3}\n'),
             ("unknown name", 'package policy\ntrust_claims := {"foo": 2}\n'),
             ("no number", 'package policy\ntrust_claims := {"hardware": "x"}\n')]
    for what, text in texts:
        stage.admin(False, "attestation-policy", "default_cpu", text)
        for one_url in (True, False):
            a = stage.get(one_url, lib.TeeKey())
            stage.run.equal("an attestation policy with %s" % what, (a.status, lib.error_type(a), a.json()["detail"]),
                            (401, "AttestationError", "Attestation error: RCAR handshake Attest failed"))
    stage.admin(False, "attestation-policy", "default_cpu", TRUST)
    stage.admin(False, "resource-policy", "", "package policy\nimport rego.v1\nallow := true\nallow := false if true\n")
    a = stage.get(False, lib.TeeKey())
    stage.run.equal("a release policy with a conflict", (a.status, lib.error_type(a)), (stage.denial, "PolicyEngineError"))


def certificates(folder):
    """A CA and a leaf for the passport key, as upstream's passport test has them."""
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=passport CA",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-new", "-key", "passport.key", "-out", "leaf.csr", "-subj", "/CN=passport-signer")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-out", "leaf.pem")
    with open(folder + "/chain.pem", "w") as out:
        for name in ("leaf.pem", "ca.pem"):
            with open(os.path.join(folder, name)) as f:
                out.write(f.read())


def passport(run, bin_folder, issuer_tls, broker_tls):
    """24: attest at one server with a given RSA key (x5c-signed passport), get the secret at another that attests nobody."""
    d = run.folder()
    who, admin = lib.make_admin_identity(d, allow=["* /kbs/v0/*"])
    issuer = run.server("issuer", d + "/issuer", bin_folder,
                        '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\ncert_file = "%s/chain.pem"\n[tee.sample]\nenabled = true\n'
                        % (ISSUER, d, d) + admin, tls=issuer_tls, start=False)
    certificates(d)
    issuer.start()
    broker = run.server("broker", d + "/broker", bin_folder,
                        '[[trusted_issuer]]\nname = "main"\nissuer = "%s"\nca_file = "%s/ca.pem"\nleaf_name = "passport-signer"\n'
                        'algs = ["ES256"]\ntees = ["sample"]\nrepositories = ["one"]\naccept_simulated = true\n[accept]\naudience = ["broker"]\n' % (ISSUER, d)
                        + admin, tls=broker_tls)
    at_issuer, at_broker = (t[0] if t else None for t in (issuer_tls, broker_tls))
    what = "24 passport, issuer %s, broker %s" % tuple("HTTPS" if t else "HTTP" for t in (issuer_tls, broker_tls))
    for path in ("/kbs/v0/auth", "/kbs/v0/attest"):
        a = http_call("POST", broker.guest + path, "{}", {"Cookie": "kbs-session-id=x"}, at_broker)
        run.equal(what + ": this broker attests nobody", (a.status, lib.error_type(a)), (404, "PluginNotFound"))
    for name, body in (("one/two/three", SECRET), ("two/two/three", SECRET)):
        a = http_call("POST", broker.guest + "/kbs/v0/resource/" + name, body, who.bearer(), at_broker)
        run.equal(what + ": set the secret", a.status, 200)
    http_call("POST", broker.guest + "/kbs/v0/resource-policy", {"policy": lib.b64u(ALLOW.encode())}, who.bearer(), at_broker)
    key = lib.TeeKey(rsa=2048)
    token, _ = lib.attest_sample(issuer.guest, key, cafile=at_issuer)
    head = lib.token_parts(token)[0]
    run.equal(what + ": leaf and root are in x5c", len(head["jwk"]["x5c"]), 2)
    a = lib.get_resource(broker.guest, "one/two/three", token, cafile=at_broker)
    if run.equal(what + ": released", a.status, 200):
        run.equal(what + ": the secret", key.open(a.body), SECRET)
        run.equal(what + ": to the RSA key", json.loads(lib.unb64u(a.json()["protected"])), {"alg": "RSA-OAEP-256", "enc": "A256GCM"})
    a = lib.get_resource(broker.guest, "two/two/three", token, cafile=at_broker)
    run.equal(what + ": not outside the issuer's repositories", (a.status, lib.error_type(a)), (403, "PolicyDeny"))
    other = lib.TeeKey(rsa=2048)
    again, _ = lib.attest_sample(issuer.guest, other, cafile=at_issuer)
    a = lib.get_resource(broker.guest, "one/two/three", again, cafile=at_broker)
    run.equal(what + ": each passport opens its own key's answer", other.open(a.body), SECRET)


def stored_evidence(stage):
    """38: the REST service with stored genuine SNP evidence and empty policy_ids, twice: nothing makes it fresh."""
    with open(SNP) as f:
        evidence = f.read().strip()
    request = {"verification_requests": [{"tee": "snp", "evidence": lib.b64u(evidence.encode())}], "policy_ids": []}
    stage.native(stage.issuer, "/policies/default_cpu", open(os.path.join(ROOT, "policies/attestation/default_cpu.rego")).read())
    jwks = http_call("GET", stage.issuer.guest + "/.well-known/jwks.json", cafile=stage.cafile).json()
    tokens = []
    for _ in range(2):
        a = http_call("POST", stage.issuer.guest + "/attestation", request, {"Content-Type": "application/json"}, stage.cafile)
        if stage.run.equal("38 stored SNP evidence", a.status, 200):
            tokens.append(lib.token_verify(a.body.decode(), jwks))
    for claims in tokens:
        cpu = claims["submods"]["cpu0"]
        snp = cpu["ear.veraison.annotated-evidence"]["snp"]
        stage.run.equal("38: the report's measurement", snp["measurement"], bytes(json.loads(evidence)["attestation_report"]["measurement"]).hex())
        stage.run.equal("38: policy default", (cpu["ear.appraisal-policy-id"], [p["class"] for p in claims["vidimus"]["policies"]]), ("default", ["cpu"]))
        stage.run.equal("38: the passport says that nothing is fresh", claims["vidimus"]["freshness"], "none")
        stage.run.check("38: and lives on", claims["exp"] > time.time(), claims["exp"])
    if tokens:
        a = lib.get_resource(stage.broker.guest, "default/test/secret", a.body.decode(), cafile=stage.cafile)
        stage.run.equal("38: it opens no secret", a.status, 401)


def all_over(run, bin_folder, tls, cert):
    before = run.passed
    deny = Stage(run, bin_folder, tls, mode='mode = "deny"\n')
    for denial in (403, 401):
        stage = Stage(run, bin_folder, tls, denial)
        if denial == 403:
            administrators(stage, deny)
        releases(stage, native=False)
        releases(stage, native=True)
        if denial == 403:
            failing_policies(stage)
            stored_evidence(stage)
    for broker_tls in (None, cert):
        passport(run, bin_folder, tls, broker_tls)
    print("scenarios 1 to 22, 24, 38 over %s: %d checks" % ("HTTPS" if tls else "HTTP", run.passed - before), flush=True)


def main():
    bin_folder = lib.bin_dir()
    run = lib.Run("scenarios")
    cert = lib.make_tls(run.folder())
    try:
        for tls in (None, cert):
            all_over(run, bin_folder, tls, cert)
    except Exception as failure:  # the servers must end whatever happens
        run.check("no scenario breaks off", False, repr(failure))
    run.finish()


if __name__ == "__main__":
    main()
