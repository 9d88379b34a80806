#!/usr/bin/python3
"""The broker over real sockets, with issuers made here: release to every kind of TEE key, what is denied
and how, what is 404, who may administrate, trusted issuers and their suspension, key rotation by JWKS URL,
certificate chains, the relay, and the audit record."""
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time

from jwcrypto import jwk, jws

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ISS = "https://issuer.test"
SHA = "00" * 32


class Signer:
    """An issuer of passports: key pair, key id, algorithm."""

    def __init__(self, alg="ES256", kid=None):
        self.alg = alg
        self.key = {
            "ES256": lambda: jwk.JWK.generate(kty="EC", crv="P-256"),
            "ES384": lambda: jwk.JWK.generate(kty="EC", crv="P-384"),
            "ES512": lambda: jwk.JWK.generate(kty="EC", crv="P-521"),
            "EdDSA": lambda: jwk.JWK.generate(kty="OKP", crv="Ed25519"),
            "RS256": lambda: jwk.JWK.generate(kty="RSA", size=2048),
            "PS256": lambda: jwk.JWK.generate(kty="RSA", size=2048),
            "PS384": lambda: jwk.JWK.generate(kty="RSA", size=2048),
        }[alg]()
        self.kid = kid or self.key.thumbprint()

    def public(self):
        return dict(json.loads(self.key.export_public()), kid=self.kid, alg=self.alg)

    def sign(self, payload, header=None):
        head = {"alg": self.alg, "typ": "JWT", "kid": self.kid}
        head.update(header or {})
        token = jws.JWS(json.dumps(payload))
        token.allowed_algs = [self.alg]
        token.add_signature(self.key, protected=json.dumps({k: v for k, v in head.items() if v is not None}))
        return token.serialize(compact=True)


_serial = [0]


def claims(tee_key, now=None, tee="snp", status="affirming", iss=ISS, **change):
    """The claim set of a good passport; members given as keywords replace, None removes."""
    now = int(time.time()) if now is None else now
    _serial[0] += 1
    value = {
        "eat_profile": "tag:github.com,2024:confidential-containers/Trustee",
        "iss": iss, "iat": now, "nbf": now, "exp": now + 300, "jti": "test-%06d" % _serial[0],
        "submods": {"cpu0": {
            "ear.status": status,
            "ear.trustworthiness-vector": {"configuration": 2, "executables": 3, "hardware": 2},
            "ear.appraisal-policy-id": "default",
            "ear.veraison.annotated-evidence": {
                tee: {"measurement": "ab" * 48}, "report_data": "00",
                "runtime_data_claims": {"nonce": "bm9uY2U=", "additional-evidence": "", "tee-pubkey": tee_key.public},
                "init_data_claims": None},
            "vidimus": {"tee": tee, "debug": False}}},
        "vidimus": {"v": 1, "freshness": "issuer-nonce", "simulated": False,
                    "policies": [{"id": "default", "class": "cpu", "sha256": SHA}]},
    }
    value.update(change)
    return {k: v for k, v in value.items() if v is not None}


class KeyServer:
    """A JWKS URL whose answer can be changed and whose requests are counted."""

    def __init__(self, keys):
        self.keys, self.hits, self.fail = keys, 0, False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.hits += 1
                body = json.dumps({"keys": outer.keys}).encode()
                self.send_response(500 if outer.fail else 200)
                self.send_header("Cache-Control", "public, max-age=3600")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/jwks.json" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def jwks_file(folder, name, keys):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        json.dump({"keys": keys}, f)
    return path


def entry(name, iss, source, algs=("ES256",), tees=("snp",), repositories=("*",), more=""):
    return ('[[trusted_issuer]]\nname = "%s"\nissuer = "%s"\n%s\nalgs = %s\ntees = %s\nrepositories = %s\n%s\n'
            % (name, iss, source, json.dumps(list(algs)), json.dumps(list(tees)), json.dumps(list(repositories)), more))


ALLOW = "package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == \"resource\"\n"
DENY = "package policy\ndefault allow := false\n"


class Test:
    def __init__(self):
        self.run = lib.Run("broker")
        self.bin = lib.bin_dir()
        self.folder = self.run.folder()
        self.check, self.equal = self.run.check, self.run.equal
        self.signer = Signer()
        self.admin, self.admin_toml = lib.make_admin_identity(self.folder, allow=["* /api/v1/*", "* /kbs/v0/*", "GET /metrics"])
        more = lib.role("reader", ["GET /api/v1/*", "GET /kbs/v0/resource-policy"])
        more += lib.role("setter", ["POST /kbs/v0/resource/{repo}/*"])
        self.admin_toml = self.admin_toml.replace('roles = ["admin"]', 'roles = ["admin", "reader", "setter"]') + more

    def broker(self, name, config, **kw):
        return self.run.server("broker", os.path.join(self.folder, name), self.bin, config + self.admin_toml, **kw)

    # ---- small requests

    def set_secret(self, b, path, data, **token):
        return lib.http_call("POST", b.guest + "/kbs/v0/resource/" + path, data,
                             dict(self.admin.bearer(**token), **{"Content-Type": "application/octet-stream"}))

    def set_policy(self, b, text):
        return lib.http_call("POST", b.guest + "/kbs/v0/resource-policy", {"policy": lib.b64u(text.encode())},
                             self.admin.bearer())

    def api(self, b, method, path, body=None, headers=None, **token):
        return lib.http_call(method, b.admin + "/api/v1" + path, body, dict(self.admin.bearer(**token), **(headers or {})))

    def denial(self, what, answer, status, kind, decision=None):
        """A refusal with exactly the two members and the variant named."""
        if not self.equal(what + ": status", answer.status, status):
            return
        self.equal(what + ": type", lib.error_type(answer), kind)
        if decision is not None:
            self.equal(what + ": decision header", bool(answer.header("Vidimus-Decision")), decision)

    def jose_open(self, body, key):
        """By Debian's jose: jwcrypto takes an empty plaintext for a failure."""
        path = os.path.join(self.folder, "tee.jwk")
        with open(path, "w") as f:
            f.write(key.key.export())
        done = subprocess.run(["jose", "jwe", "dec", "-i", "-", "-k", path], input=body, capture_output=True)
        return done.stdout if done.returncode == 0 else None

    def released(self, what, answer, key, want):
        if self.equal(what, answer.status, 200):
            plain = self.jose_open(answer.body, key) if want == b"" else key.open(answer.body)
            self.equal(what + ": plaintext", plain, want)
            self.equal(what + ": content type", answer.header("content-type"), "application/json")

    # ---- tests

    def releases(self, b):
        """Each kind of TEE key, opened by another implementation."""
        binary = bytes(range(256))
        for path, data in (("default/key/1", b"golden secret 1\n"), ("default/key/bin", binary), ("default/key/empty", b""),
                           ("1.ok/2ok./3...", b"dots"), ("-a/_b/-c", b"marks"), ("default/key/big", b"a" * (2 << 20))):
            a = self.set_secret(b, path, data)
            self.equal("set " + path, (a.status, a.body, a.header("content-type")), (200, b"", "text/xml"))
        keys = [("P-256", lib.TeeKey("P-256")), ("P-384", lib.TeeKey("P-384")), ("P-521", lib.TeeKey("P-521")),
                ("RSA-2048", lib.TeeKey(rsa=2048)), ("RSA-3072", lib.TeeKey(rsa=3072))]
        for name, key in keys:
            token = self.signer.sign(claims(key))
            self.released("release to " + name, lib.get_resource(b.guest, "default/key/1", token), key, b"golden secret 1\n")
        key = keys[0][1]
        token = self.signer.sign(claims(key))
        for path, data in (("default/key/bin", binary), ("default/key/empty", b""), ("1.ok/2ok./3...", b"dots"),
                           ("-a/_b/-c", b"marks"), ("default/key/big", b"a" * (2 << 20))):
            self.released("release of " + path, lib.get_resource(b.guest, path, token), key, data)
        self.released("a slash too many (trustee-attester)",
                      lib.http_call("GET", b.guest, raw_target="/kbs/v0/resource//default/key/1",
                                    headers={"Authorization": "Bearer " + token}), key, b"golden secret 1\n")
        self.released("a leading slash too many (kbs-client)",
                      lib.http_call("GET", b.guest, raw_target="//kbs/v0/resource/default/key/1",
                                    headers={"Authorization": "Bearer " + token}), key, b"golden secret 1\n")
        first = lib.get_resource(b.guest, "default/key/1", token).json()
        second = lib.get_resource(b.guest, "default/key/1", token).json()
        self.check("nothing of an answer is used twice",
                   all(first[k] != second[k] for k in ("protected", "encrypted_key", "iv", "ciphertext", "tag")))
        header = json.loads(lib.unb64u(first["protected"]))
        self.equal("protected header as clients rebuild it", json.dumps(header, separators=(",", ":")),
                   lib.unb64u(first["protected"]).decode())
        self.equal("members of the header", [list(header), list(header["epk"])],
                   [["alg", "enc", "epk"], ["crv", "kty", "x", "y"]])
        weak = lib.TeeKey(rsa=2048)
        weak.public = dict(weak.public, alg="RSA1_5")
        self.denial("RSA1_5 is off", lib.get_resource(b.guest, "default/key/1", self.signer.sign(claims(weak))), 403, "JweError")
        bad = lib.TeeKey()
        bad.public = dict(bad.public, y=bad.public["x"])
        self.denial("key off its curve", lib.get_resource(b.guest, "default/key/1", self.signer.sign(claims(bad))), 403, "JweError")

    def credentials(self, b):
        """Who is heard at all."""
        key = lib.TeeKey()
        good = self.signer.sign(claims(key))
        get = lambda h: lib.http_call("GET", b.guest + "/kbs/v0/resource/default/key/1", None, h)  # noqa: E731
        for what, h in (("no credential", {}), ("bearer in lower case", {"Authorization": "bearer " + good}),
                        ("BEARER", {"Authorization": "BEARER " + good}), ("no scheme", {"Authorization": good}),
                        ("empty bearer", {"Authorization": "Bearer "}), ("the word alone", {"Authorization": "Bearer"}),
                        ("basic", {"Authorization": "Basic YTpi"}), ("DPoP", {"Authorization": "DPoP " + good}),
                        ("unknown cookie", {"Cookie": "kbs-session-id=0123456789abcdef"})):
            self.denial(what, get(h), 401, "TokenNotFound", False)
        now = int(time.time())
        stranger = Signer()
        changed = good.split(".")
        changed[1] = stranger.sign(claims(key)).split(".")[1]
        bad = {
            "garbage": "abc", "two parts": "a.b", "four parts": good + ".x", "padded": good + "=",
            "payload of another": ".".join(changed), "stranger": stranger.sign(claims(key)),
            "stranger with our kid": stranger.sign(claims(key), {"kid": self.signer.kid}),
            "stranger with our jwk": stranger.sign(claims(key), {"kid": None, "jwk": json.loads(self.signer.key.export_public())}),
            "expired": self.signer.sign(claims(key, now - 3600)),
            "not yet": self.signer.sign(claims(key, now + 3600)),
            "no exp": self.signer.sign(claims(key, exp=None)),
            "exp a string": self.signer.sign(claims(key, exp=str(now + 100))),
            "exp a fraction": self.signer.sign(claims(key, exp=now + 100.5)),
            "too long a life": self.signer.sign(claims(key, exp=now + 901)),
            "another issuer": self.signer.sign(claims(key, iss="https://other.test")),
            "no issuer": self.signer.sign(claims(key, iss=None)),
            "aud of another": self.signer.sign(claims(key, aud=["somebody"])),
            "role": self.signer.sign(claims(key, role="admin")),
            "typ": self.signer.sign(claims(key), {"typ": "at+jwt"}),
            "no typ": self.signer.sign(claims(key), {"typ": None}),
            "caller-data": self.signer.sign(claims(key, vidimus={"v": 1, "freshness": "caller-data", "simulated": False,
                                                                 "policies": [{"id": "default", "sha256": SHA}]})),
            "simulated": self.signer.sign(claims(key, vidimus={"v": 1, "freshness": "issuer-nonce", "simulated": True,
                                                               "policies": [{"id": "default", "sha256": SHA}]})),
            "TEE not of the entry": self.signer.sign(claims(key, tee="tdx")),
            "admin token": self.admin.token(),
            "two TEE keys": self.signer.sign(dict(claims(key), **{"tee-pubkey": key.public})),
        }
        no_key = claims(key)
        del no_key["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["runtime_data_claims"]["tee-pubkey"]
        bad["no TEE key"] = self.signer.sign(no_key)
        for what, token in bad.items():
            self.denial(what, get({"Authorization": "Bearer " + token}), 401, "TokenVerifierError", False)
        self.released("aud of ours", get({"Authorization": "Bearer " + self.signer.sign(claims(key, aud=["x", "broker"]))}),
                      key, b"golden secret 1\n")
        self.released("good one among all these", get({"Authorization": "Bearer " + good}), key, b"golden secret 1\n")
        self.released("jwk instead of kid", get({"Authorization": "Bearer " + self.signer.sign(
            claims(key), {"kid": None, "jwk": json.loads(self.signer.key.export_public())})}), key, b"golden secret 1\n")

    def paths(self, b):
        key = lib.TeeKey()
        auth = {"Authorization": "Bearer " + self.signer.sign(claims(key))}
        call = lambda m, t, h=auth: lib.http_call(m, b.guest, headers=h, raw_target=t)  # noqa: E731
        for path in (".1/2/3", "1/.2/3", "1/2/.3", "one", "one/two", "one/two/three/four", "default/key/1/", "default/key/",
                     "default/~/1", "default/a+b/1", "default/a@b/1", "default/a:b/1", "default/$a/1", "default/a,b/1",
                     "default/key/" + "a" * 256):
            self.denial("path " + path[:30], call("GET", "/kbs/v0/resource/" + path), 404, "PluginInternalError")
        for path in ("a/../b", "a/%2e%2e/b", "default%2Fkey%2F1", "default/%6bey/1", "default//1", "default\\key\\1", "a/./b"):
            a = call("GET", "/kbs/v0/resource/" + path)
            self.equal("target " + path, a.status, 400)
            lib.error_type(a)
        self.denial("missing secret", call("GET", "/kbs/v0/resource/default/key/none"), 404, "PluginInternalError", True)
        self.denial("missing secret without passport", call("GET", "/kbs/v0/resource/default/key/none", {}), 401, "TokenNotFound")
        for method in ("HEAD", "OPTIONS", "PUT"):
            a = call(method, "/kbs/v0/resource/default/key/1")
            self.equal(method + " of a resource", a.status, 405)
            self.check(method + " says what is allowed", "GET" in (a.header("allow") or ""))
        for method, path in (("GET", "nosuch/a/b/c"), ("POST", "nosuch/a"), ("GET", "Resource/a/b/c"), ("GET", "sample/x"),
                             ("PUT", "resource-policy"), ("DELETE", "resource-policy"), ("GET", "auth"), ("POST", "auth"),
                             ("POST", "attest")):
            self.denial(method + " " + path, call(method, "/kbs/v0/" + path), 404, "PluginNotFound")
        self.equal("healthz", (call("GET", "/healthz").status, call("GET", "/healthz").body), (200, b""))
        self.equal("query twice", call("GET", "/kbs/v0/resource/default/key/1?k=1&k=2").status, 400)
        self.equal("query", call("GET", "/kbs/v0/resource/default/key/1?x=1&y=%zz").status, 200)

    def policies(self, b, status):
        """Denials, their statuses and explanations; what a policy sees."""
        key = lib.TeeKey()
        deny_kind = "PolicyDeny"
        get = lambda token, path="default/key/1": lib.get_resource(b.guest, path, token)  # noqa: E731
        good = self.signer.sign(claims(key))
        self.denial("warning under the default policy", get(self.signer.sign(claims(key, status="warning"))), status, deny_kind, True)
        self.denial("denied, missing secret", get(self.signer.sign(claims(key, status="none")), "default/key/none"), status,
                    deny_kind, True)
        vector = claims(key)
        vector["submods"]["cpu0"]["ear.trustworthiness-vector"]["executables"] = 33
        a = get(self.signer.sign(vector))
        self.denial("executables 33 under the default policy", a, status, deny_kind, True)
        why = self.api(b, "GET", "/decisions/" + a.header("Vidimus-Decision"))
        self.equal("decision is explained", why.status, 200)
        told = why.json()
        self.equal("explanation: resource and error", (told["resource"], told["error"]), ("default/key/1", "policy.deny"))
        self.equal("explanation: the claim", [(u["claim"], u["observed"]) for u in told["unmet"]],
                   [("/submods/cpu0/ear.trustworthiness-vector/executables", "33")])
        self.equal("explanation: built-in policy", told["policy"]["built_in"], True)
        self.equal("explanation: measurement", told["passport"]["submods"][0]["measurement"], "ab" * 48)
        self.check("explanation holds no token", good.split(".")[2] not in why.body.decode())
        self.equal("unknown decision", self.api(b, "GET", "/decisions/nobody").status, 404)

        self.equal("deny all is set", (self.set_policy(b, DENY).status, self.set_policy(b, DENY).body), (200, b""))
        self.denial("deny all", get(good), status, deny_kind, True)
        self.denial("deny all, missing secret", get(good, "default/key/none"), status, deny_kind, True)
        for what, text, kind in (
                ("allow is a string", 'package policy\nallow := "true"\n', deny_kind),
                ("no allow", "package policy\nx := true\n", deny_kind),
                ("other package", "package other\nallow := true\n", deny_kind),
                ("conflict", "package policy\nallow := true\nallow := false\n", "PolicyEngineError"),
                ("query_reference_value", 'package policy\nallow if query_reference_value("x") == null\n', "PolicyEngineError")):
            self.equal(what + " is stored", self.set_policy(b, text).status, 200)
            self.denial(what, get(good), status, kind, True)
        self.set_policy(b, 'package policy\nallow if { data.plugin == "resource"; data["resource-path"] == '
                           '["default", "key", "1"]; data.query.k == "v"; input.iss == "%s" }\n' % ISS)
        self.denial("policy on the query, without", get(good), status, deny_kind, True)
        self.released("policy on the query, with", get(good, "default/key/1?k=v"), key, b"golden secret 1\n")
        self.released("policy on the query, encoded", get(good, "default/key/1?k=%76"), key, b"golden secret 1\n")
        for what, body, code, kind in (
                ("no JSON", b"{", 400, "ParsePolicyError"), ("no member", {}, 400, "ParsePolicyError"),
                ("a number", {"policy": 1}, 400, "ParsePolicyError"), ("padded", {"policy": "YQ=="}, 400, "ParsePolicyError"),
                ("standard base64", {"policy": "+/+/"}, 400, "ParsePolicyError"),
                ("no Rego", {"policy": lib.b64u(b"not rego at all {")}, 401, "PolicyEngineError"),
                ("empty", {"policy": ""}, 401, "PolicyEngineError")):
            a = lib.http_call("POST", b.guest + "/kbs/v0/resource-policy", body, self.admin.bearer())
            self.denial("policy body: " + what, a, code, kind)
        self.released("refused policies change nothing", get(good, "default/key/1?k=v"), key, b"golden secret 1\n")
        self.equal("allow is set", self.set_policy(b, ALLOW).status, 200)
        self.released("allow all", get(self.signer.sign(claims(key, status="contraindicated"))), key, b"golden secret 1\n")
        a = lib.http_call("GET", b.guest + "/kbs/v0/resource-policy", None, self.admin.bearer())
        self.equal("list of policies", (a.status, a.json(), a.header("content-type")), (200, ["resource-policy"], "application/json"))

    def administrators(self, b):
        path = b.guest + "/kbs/v0/resource/acl/key/1"
        post = lambda h: lib.http_call("POST", path, b"x", h)  # noqa: E731
        stranger = lib.Identity(self.folder, "stranger")
        key = lib.TeeKey()
        self.denial("no token", post({}), 401, "AdminAuthAccess")
        self.denial("garbage", post({"Authorization": "Bearer nonsense"}), 401, "AdminAuthAccess")
        a = post(stranger.bearer())
        self.denial("key of a stranger", a, 401, "AdminAuthAccess")
        self.check("its text", "Cannot verify token with any of the issuers" in a.json()["detail"])
        self.denial("passport as administrator's token", post({"Authorization": "Bearer " + self.signer.sign(claims(key))}), 401,
                    "AdminAuthAccess")
        self.denial("expired", post(self.admin.bearer(now=int(time.time()) - 4000)), 401, "AdminAuthAccess")
        a = post(self.admin.bearer(role="reader"))
        self.denial("role reader may not set", a, 403, "AdminAuthAccess")
        self.check("its text", "Role reader not allowed" in a.json()["detail"])
        self.equal("role setter may set", post(self.admin.bearer(role="setter")).status, 200)
        self.denial("role setter may not delete", lib.http_call("DELETE", path, None, self.admin.bearer(role="setter")), 403,
                    "AdminAuthAccess")
        self.denial("nothing was deleted for a stranger", lib.http_call("DELETE", path, None, stranger.bearer()), 401, "AdminAuthAccess")
        a = lib.http_call("DELETE", path, None, self.admin.bearer())
        self.equal("delete", (a.status, a.body), (200, b""))
        self.denial("delete again", lib.http_call("DELETE", path, None, self.admin.bearer()), 404, "PluginInternalError")
        self.denial("deleted secret", lib.get_resource(b.guest, "acl/key/1", self.signer.sign(claims(key))), 404, "PluginInternalError")
        self.equal("set again after deletion", post(self.admin.bearer()).status, 200)
        self.released("and released", lib.get_resource(b.guest, "acl/key/1", self.signer.sign(claims(key))), key, b"x")
        self.equal("native API without token", lib.http_call("GET", b.admin + "/api/v1/secrets").status, 401)

    def native(self, b):
        """Versions, preconditions, lists; no route gives a secret's bytes."""
        path = "/secrets/native/key/1"
        self.equal("put without precondition", self.api(b, "PUT", path, b"one").status, 428)
        a = self.api(b, "PUT", path, b"one-secret-text", {"If-None-Match": "*"})
        self.equal("create", (a.status, a.header("etag"), a.json()["version"], a.json()["name"]), (201, '"1"', 1, "native/key/1"))
        self.equal("create again", self.api(b, "PUT", path, b"x", {"If-None-Match": "*"}).status, 412)
        self.equal("wrong version", self.api(b, "PUT", path, b"x", {"If-Match": '"7"'}).status, 412)
        self.equal("replace", self.api(b, "PUT", path, b"two", {"If-Match": '"1"'}).status, 200)
        a = self.api(b, "GET", path)
        self.equal("metadata", (a.status, a.json()["version"], a.header("etag")), (200, 2, '"2"'))
        self.check("no bytes in the metadata", b"two" not in a.body and b"one-secret" not in a.body)
        for raw in ("native/key/1", "native/key/1/bytes", "native/key/1/versions/1"):
            self.check("no bytes at " + raw, b"one-secret" not in self.api(b, "GET", "/secrets/" + raw).body)
        history = self.api(b, "GET", path + "/versions").json()["items"]
        self.equal("history", [(h["version"], h["state"]) for h in history], [(2, "active"), (1, "active")])
        for i in range(5):
            self.api(b, "PUT", "/secrets/list/key/%d" % i, b"x", {"If-None-Match": "*"})
        page = self.api(b, "GET", "/secrets?prefix=list/&limit=3").json()
        rest = self.api(b, "GET", "/secrets?prefix=list/&limit=3&after=" + page["next"]).json()
        self.equal("pages", [i["name"] for i in page["items"] + rest["items"]], ["list/key/%d" % i for i in range(5)])
        self.equal("last page", rest["next"], None)
        self.equal("bad path", self.api(b, "PUT", "/secrets/.a/b/c", b"x", {"If-None-Match": "*"}).status, 404)
        self.equal("role reader may not put", self.api(b, "PUT", path, b"x", {"If-Match": '"2"'}, role="reader").status, 403)
        self.equal("role reader may look", self.api(b, "GET", path, role="reader").status, 200)
        a = self.api(b, "DELETE", path, None, {"If-Match": '"2"'})
        self.equal("delete", a.status, 204)
        self.equal("gone", self.api(b, "GET", path).status, 404)
        a = self.api(b, "GET", "/openapi.json")
        self.equal("the description is served", (a.status, a.json()["openapi"]), (200, "3.1.0"))
        a = self.api(b, "GET", "/status")
        self.equal("status", (a.status, a.json()["program"], a.json()["relay"]), (200, "broker", False))
        self.check("metrics", b"vidimus_releases_total" in
                   lib.http_call("GET", b.admin + "/metrics", None, self.admin.bearer()).body)

    def release_policies(self, b):
        path = "/release-policies/resource-policy"
        a = self.api(b, "GET", path)
        self.equal("built-in policy", (a.status, a.header("etag")), (200, '"0"'))
        self.check("built-in policy is Rego", b"package policy" in a.body)
        a = self.api(b, "PUT", path, DENY.encode(), {"If-Match": '"0"'})
        self.equal("replace the built-in one", (a.status, a.json()["version"]), (201, 1))
        a = self.api(b, "PUT", path, b"package policy\nallow if {", {"If-Match": '"1"'})
        self.equal("does not compile", (a.status, a.json()["type"]), (400, "urn:vidimus:error:policy.compile"))
        self.check("place of the fault", a.json().get("line", 0) > 0)
        self.equal("next version", self.api(b, "PUT", path, ALLOW.encode(), {"If-Match": '"1"'}).status, 200)
        self.equal("one version", self.api(b, "GET", path + "/versions/1").body, DENY.encode())
        self.equal("history", [v["version"] for v in self.api(b, "GET", path + "/versions").json()["items"]], [2, 1])
        self.equal("another name", self.api(b, "PUT", "/release-policies/other", ALLOW.encode(), {"If-None-Match": "*"}).status, 404)
        self.equal("list", [i["name"] for i in self.api(b, "GET", "/release-policies").json()["items"]], ["resource-policy"])
        self.equal("delete", self.api(b, "DELETE", path, None, {"If-Match": '"2"'}).status, 204)
        self.equal("built-in again", self.api(b, "GET", path).header("etag"), '"0"')

    def algorithms(self):
        """Every algorithm of an entry, and that none stands in for another."""
        signers = {alg: Signer(alg) for alg in ("ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256", "PS384")}
        config = ""
        for i, (alg, s) in enumerate(signers.items()):
            config += entry(alg, "https://%s.test" % alg, 'jwks_file = "%s"' % jwks_file(self.folder, alg + ".json", [s.public()]),
                            algs=[alg])
        b = self.broker("algs", config)
        self.set_secret(b, "default/key/1", b"x")
        key = lib.TeeKey()
        for alg, s in signers.items():
            self.released(alg, lib.get_resource(b.guest, "default/key/1", s.sign(claims(key, iss="https://%s.test" % alg))), key, b"x")
            for other in signers:
                if other != alg:
                    a = lib.get_resource(b.guest, "default/key/1", s.sign(claims(key, iss="https://%s.test" % other)))
                    self.equal("%s for the entry of %s" % (alg, other), a.status, 401)
        b.stop()

    def issuers(self, b):
        """Trusted issuers of file and store: read, suspend, resume, create, replace, delete, restart."""
        key = lib.TeeKey()
        token = self.signer.sign(claims(key))
        get = lambda t: lib.get_resource(b.guest, "default/key/1", t).status  # noqa: E731
        a = self.api(b, "GET", "/trusted-issuers/main")
        self.equal("file entry", (a.status, a.json()["origin"], a.json()["suspended"], a.header("etag")), (200, "file", False, '"0"'))
        self.equal("its keys", [k["thumbprint"] for k in a.json()["keys"]], [self.signer.key.thumbprint()])
        self.equal("before the suspension", get(token), 200)
        self.equal("suspend needs a version", self.api(b, "PUT", "/trusted-issuers/main", {"suspended": True}).status, 428)
        a = self.api(b, "PUT", "/trusted-issuers/main", {"suspended": True}, {"If-Match": '"0"'})
        self.equal("suspend", (a.status, a.json()["suspended"], a.header("etag")), (200, True, '"1"'))
        self.equal("cached passport after the suspension", get(token), 401)
        b.restart()
        self.equal("suspension outlasts a restart", get(token), 401)
        self.equal("lost update", self.api(b, "PUT", "/trusted-issuers/main", {"suspended": False}, {"If-Match": '"0"'}).status, 412)
        self.equal("resume", self.api(b, "PUT", "/trusted-issuers/main", {"suspended": False}, {"If-Match": '"1"'}).status, 200)
        self.equal("after the resumption", get(token), 200)
        body = {"issuer": ISS, "jwks": {"keys": [self.signer.public()]}, "algs": ["ES256"], "tees": ["snp"], "repositories": ["*"]}
        self.equal("file entry cannot be replaced", self.api(b, "PUT", "/trusted-issuers/main", body, {"If-Match": '"2"'}).status, 409)
        self.equal("nor deleted", self.api(b, "DELETE", "/trusted-issuers/main", None, {"If-Match": '"2"'}).status, 409)
        self.equal("issuer already trusted", self.api(b, "PUT", "/trusted-issuers/second", body, {"If-None-Match": "*"}).status, 400)

        second = Signer()
        body = dict(body, issuer="https://second.test", jwks={"keys": [second.public()]}, repositories=["team"])
        other = second.sign(claims(key, iss="https://second.test"))
        self.equal("not trusted yet", get(other), 401)
        a = self.api(b, "PUT", "/trusted-issuers/second", body, {"If-None-Match": "*"})
        self.equal("create", (a.status, a.json()["origin"], a.header("etag")), (201, "store", '"1"'))
        self.denial("its repositories do not include this one", lib.get_resource(b.guest, "default/key/1", other), 403, "PolicyDeny", True)
        self.set_secret(b, "team/key/1", b"team secret")
        self.released("but this one", lib.get_resource(b.guest, "team/key/1", other), key, b"team secret")
        self.equal("replace", self.api(b, "PUT", "/trusted-issuers/second", dict(body, repositories=["*"]), {"If-Match": '"1"'}).status, 200)
        self.equal("now everywhere", get(other), 200)
        self.equal("suspend it", self.api(b, "PUT", "/trusted-issuers/second", {"suspended": True}, {"If-Match": '"2"'}).status, 200)
        self.equal("suspended", get(other), 401)
        b.restart()
        self.equal("still there and suspended", [(i["name"], i["suspended"]) for i in
                                                 self.api(b, "GET", "/trusted-issuers").json()["items"]],
                   [("main", False), ("second", True)])
        self.equal("resume it", self.api(b, "PUT", "/trusted-issuers/second", {"suspended": False}, {"If-Match": '"3"'}).status, 200)
        self.equal("good again", get(other), 200)
        for what, change in (("no algs", {"algs": []}), ("HMAC", {"algs": ["HS256"]}), ("unknown member", {"x": 1}),
                             ("a path of the server", {"jwks_file": "/etc/passwd"}), ("two sources", {"jwks_url": "https://x.test/"}),
                             ("private key", {"jwks": {"keys": [json.loads(second.key.export())]}}),
                             ("administrator's key", {"jwks": {"keys": [json.loads(self.admin.key.export_public())]}, "algs": ["EdDSA"]})):
            a = self.api(b, "PUT", "/trusted-issuers/second", dict(body, **change), {"If-Match": '"4"'})
            self.equal("refused: " + what, a.status, 400)
        self.equal("unchanged by refusals", get(other), 200)
        self.equal("delete", self.api(b, "DELETE", "/trusted-issuers/second", None, {"If-Match": '"4"'}).status, 204)
        self.equal("deleted", get(other), 401)
        self.equal("gone", self.api(b, "GET", "/trusted-issuers/second").status, 404)
        self.equal("deleting nothing", self.api(b, "DELETE", "/trusted-issuers/second", None, {"If-Match": '"4"'}).status, 404)
        self.equal("create again", self.api(b, "PUT", "/trusted-issuers/second", body, {"If-None-Match": "*"}).status, 201)

    def rotation(self):
        """A JWKS URL: keys arrive without a restart, a withdrawn key dies, strangers cause no storm."""
        old, new = Signer(kid="old"), Signer(kid="new")
        keys = KeyServer([old.public()])
        b = self.broker("rotation", entry("main", ISS, 'jwks_url = "%s"' % keys.url))
        self.set_secret(b, "default/key/1", b"x")
        key = lib.TeeKey()
        get = lambda s: lib.get_resource(b.guest, "default/key/1", s.sign(claims(key))).status  # noqa: E731
        self.equal("key of the URL", get(old), 200)
        self.equal("unknown key", get(new), 401)
        keys.keys = [old.public(), new.public()]
        time.sleep(10.5)
        self.equal("published: fetched for the first who needs it", get(new), 200)
        self.equal("the old one still holds", get(old), 200)
        hits = keys.hits
        stranger = Signer(kid="nobody")
        began = time.time()
        for _ in range(40):
            self.equal("stranger", get(stranger), 401)
        self.check("strangers cause no storm of fetches", keys.hits - hits <= 1, "%d fetches" % (keys.hits - hits))
        self.check("nor do they wait", time.time() - began < 5, "%.1f s" % (time.time() - began))
        keys.keys = [new.public()]
        held = old.sign(claims(key))
        self.equal("before the withdrawal is known", lib.get_resource(b.guest, "default/key/1", held).status, 200)
        time.sleep(10.5)
        self.equal("a stranger makes us look", get(stranger), 401)
        self.equal("withdrawn: the cached passport dies", lib.get_resource(b.guest, "default/key/1", held).status, 401)
        keys.fail = True
        self.equal("issuer out of order: known keys hold", get(new), 200)
        b.stop()
        keys.stop()
        b.start()
        a = lib.get_resource(b.guest, "default/key/1", new.sign(claims(key)))
        self.equal("no key set was ever fetched", a.status, 503)
        self.check("retry later", a.header("retry-after") is not None)
        lib.error_type(a)
        b.stop()

    def chains(self):
        """x5c inside jwk: our chain over two intermediates, and the recorded one of Trustee's form."""
        pem = lambda n: open(os.path.join(ROOT, "tests/vectors/broker-x5c", n), "rb").read()  # noqa: E731
        der = lambda n: "".join(pem(n + ".pem").decode().splitlines()[1:-1])  # noqa: E731
        leaf = jwk.JWK.from_pem(pem("leaf.key"))
        ca = os.path.join(self.folder, "root.pem")
        shutil.copy(os.path.join(ROOT, "tests/vectors/broker-x5c/root.pem"), ca)
        b = self.broker("chains", entry("ca", "CoCo-Attestation-Service", 'ca_file = "%s"\nleaf_name = "issuer.test"' % ca,
                                        more='assume_freshness = "issuer-nonce"'))
        self.set_secret(b, "default/key/1", b"x")
        self.set_policy(b, ALLOW)
        key = lib.TeeKey()
        signer = Signer()
        signer.key = leaf
        public = {k: v for k, v in json.loads(leaf.export_public()).items() if k != "kid"}
        trustee = claims(key, iss="CoCo-Attestation-Service", vidimus=None, jti=None, nbf=None)
        trustee["submods"]["cpu0"].pop("vidimus")
        sign = lambda chain, **jw: signer.sign(trustee, {"kid": None, "jwk": dict(public, x5c=[der(n) for n in chain], **jw)})  # noqa: E731
        get = lambda t: lib.get_resource(b.guest, "default/key/1", t)  # noqa: E731
        self.released("chain to the root", get(sign(["leaf", "inter2", "inter1", "root"], alg="ES256")), key, b"x")
        self.denial("an intermediate missing", get(sign(["leaf", "inter2"], alg="ES256")), 401, "TokenVerifierError")
        self.denial("reversed", get(sign(["root", "inter1", "inter2", "leaf"], alg="ES256")), 401, "TokenVerifierError")
        self.denial("no x5c", get(signer.sign(trustee, {"kid": None, "jwk": dict(public, alg="ES256")})), 401, "TokenVerifierError")
        self.denial("other certificate of the CA", get(sign(["other", "inter2", "inter1"], alg="ES256")), 401, "TokenVerifierError")
        no_iss = {k: v for k, v in trustee.items() if k != "iss"}
        self.denial("no iss", get(signer.sign(no_iss, {"kid": None, "jwk": dict(public, x5c=[der(n) for n in (
            "leaf", "inter2", "inter1")])})), 401, "TokenVerifierError")
        b.stop()

    def limits(self):
        b = self.broker("limits", self.main_entry + "[limits]\nreleases_per_passport = 5\nsecret_body = 1000\n")
        self.set_secret(b, "default/key/1", b"x")
        key = lib.TeeKey()
        token = self.signer.sign(claims(key))
        got = [lib.get_resource(b.guest, "default/key/1", token) for _ in range(8)]
        statuses = [a.status for a in got]
        if 429 not in statuses[:6]:  # the minute may have turned
            statuses = [lib.get_resource(b.guest, "default/key/1", token).status for _ in range(8)]
        self.check("releases of one passport are limited", statuses.count(429) >= 1 and statuses.count(200) >= 1, str(statuses))
        late = next((a for a in got if a.status == 429), None)
        if late:
            self.check("429 says when", late.header("retry-after") is not None)
            lib.error_type(late)
        self.equal("another passport is not", lib.get_resource(b.guest, "default/key/1", self.signer.sign(claims(key))).status, 200)
        a = self.set_secret(b, "default/key/2", b"y" * 1001)
        self.equal("secret above the limit", a.status, 413)
        lib.error_type(a)
        self.equal("secret at the limit", self.set_secret(b, "default/key/2", b"y" * 1000).status, 200)
        b.stop()

    def closed(self):
        """kbs_admin = false takes the administration away from the guest plane; a bad configuration stops the start."""
        b = self.broker("closed", self.main_entry, guest="kbs_admin = false\n")
        self.denial("set without kbs_admin", self.set_secret(b, "default/key/1", b"x"), 404, "PluginInternalError")
        self.denial("policy without kbs_admin", self.set_policy(b, ALLOW), 404, "PluginNotFound")
        self.equal("native API is there", self.api(b, "PUT", "/secrets/default/key/1", b"x", {"If-None-Match": "*"}).status, 201)
        b.stop()
        file = 'jwks_file = "%s"' % jwks_file(self.folder, "main.json", [self.signer.public()])
        for what, config, says in (
                ("no algs", '[[trusted_issuer]]\nname = "a"\nissuer = "b"\n%s\ntees = ["*"]\nrepositories = ["*"]\n' % file, "algs"),
                ("empty algs", entry("a", "b", file, algs=[]), "algs"),
                ("unknown key", entry("a", "b", file, more="trust = true"), "trust"),
                ("no such file", entry("a", "b", 'jwks_file = "/nonexistent/keys.json"'), "/nonexistent/keys.json"),
                ("two sources", entry("a", "b", file + '\njwks_url = "https://x.test/"'), "source"),
                ("CA without name", entry("a", "b", 'ca_file = "%s"' % os.path.join(self.folder, "root.pem")), "leaf_name"),
                ("plain http to another machine", entry("a", "b", 'jwks_url = "http://x.test/"'), "https"),
                ("the same name twice", entry("a", "b", file) + entry("a", "c", file), "a"),
                ("the same issuer twice", entry("a", "b", file) + entry("c", "b", file), "b"),
                ("denial_status 402", "[release]\ndenial_status = 402\n", "denial_status"),
                ("relay without issuer", '[relay]\nissuer_url = "https://x.test"\n', "trusted_issuer"),
                ("relay to an unknown issuer", '[relay]\nissuer_url = "https://x.test"\ntrusted_issuer = "nobody"\n', "nobody"),
                ("administrator's key as issuer's", entry("a", "b", 'jwks_file = "%s"' % jwks_file(
                    self.folder, "admin.json", [dict(json.loads(self.admin.key.export_public()), alg="EdDSA")]), algs=["EdDSA"]),
                 "administrator")):
            s = lib.Server("broker", os.path.join(self.folder, "bad-" + what.replace(" ", "-").replace("'", "")), self.bin,
                           config + self.admin_toml, start=False, init=False)
            s.verb("init")
            status, text = s.verb("serve", timeout=20)
            self.equal("start is stopped: " + what, status, 1)
            self.check("and says why: " + what, says in text, text[-300:])

    def relayed(self):
        """One URL: /auth and /attest handed to a real issuer, and what a lying issuer can do."""
        issuer_bin = os.path.join(self.bin, "vidimus-issuer")
        if not os.path.exists(issuer_bin):
            print("relay: vidimus-issuer is not built, skipped")
            return
        folder = os.path.join(self.folder, "issuer")
        os.makedirs(folder)
        _, admin_toml = lib.make_admin_identity(folder)
        issuer = self.run.server("issuer", folder, self.bin, '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\n'
                                 '[tee.sample]\nenabled = true\n' % (ISS, folder) + admin_toml)
        trust = entry("real", ISS, 'jwks_url = "%s/.well-known/jwks.json"' % issuer.guest, tees=["sample"],
                      more="accept_simulated = true")
        relay = '[relay]\nissuer_url = "%s"\ntrusted_issuer = "real"\n' % issuer.guest
        b = self.broker("relay", trust + relay + '[accept]\naudience = ["broker", "alias"]\n')
        self.set_secret(b, "default/key/1", b"relayed secret")
        self.set_policy(b, ALLOW)
        key = lib.TeeKey()
        session = lib.kbs_auth(b.guest)
        if not self.check("relayed /auth", isinstance(session, lib.Session), repr(session)):
            return
        cookie = session.answer.header("set-cookie")
        self.check("cookie attributes", all(x in cookie for x in ("Path=/kbs/v0", "Max-Age=", "HttpOnly", "SameSite=Strict")), cookie)
        self.denial("cookie before /attest", lib.get_resource(b.guest, "default/key/1", cookie=session.cookie), 401, "TokenNotFound")
        a = lib.kbs_attest_sample(b.guest, session, key)
        if not self.equal("relayed /attest", a.status, 200):
            print(a)
            return
        token = a.json()["token"]
        self.equal("our audience is in the passport", lib.token_parts(token)[1].get("aud"), ["broker"])
        self.released("by cookie", lib.get_resource(b.guest, "default/key/1", cookie=session.cookie), key, b"relayed secret")
        self.released("by bearer", lib.get_resource(b.guest, "default/key/1", token), key, b"relayed secret")
        self.released("cookie beside a garbled bearer", lib.get_resource(b.guest, "default/key/1", "garbage", session.cookie), key,
                      b"relayed secret")
        self.denial("the issuer's refusal goes through", lib.kbs_attest_sample(b.guest, session, key), 401, "AttestationError")
        self.denial("no cookie", lib.kbs_attest(b.guest, None, {}, cookie=None), 401, "AttestationError")
        bad = lib.kbs_auth(b.guest, version="0.9.0")
        self.denial("version refused", bad, 401, "AttestationError")
        self.check("with the phrase", "KBS Client Protocol Version Mismatch" in bad.json()["detail"])
        self.denial("body of /auth that is no JSON", lib.http_call("POST", b.guest + "/kbs/v0/auth", b"{"), 400, "AttestationError")
        old = lib.http_call("POST", b.guest + "/kbs/v0/auth", {"version": "0.4.0", "tee": "sample", "extra-params": ""})
        self.equal("extra-params of old clients", old.status, 200)
        self.api(b, "PUT", "/trusted-issuers/real", {"suspended": True}, {"If-Match": '"0"'})
        self.equal("suspended: the cookie is worth nothing", lib.get_resource(b.guest, "default/key/1", cookie=session.cookie).status, 401)
        s2 = lib.kbs_auth(b.guest)
        a = lib.kbs_attest_sample(b.guest, s2, lib.TeeKey())
        self.denial("suspended: the passport is not handed on", a, 401, "TokenVerifierError")
        issuer.stop()
        self.denial("issuer gone", lib.http_call("POST", b.guest + "/kbs/v0/auth", {"version": "0.4.0", "tee": "sample",
                                                                                    "extra-params": ""}), 503, "PluginInternalError")
        b.stop()

    def toggled_policy(self):
        """Policy deny and allow in turn under reading load: every release names an allowing version."""
        b = self.broker("toggle", self.main_entry + "[limits]\nreleases_per_passport = 100000\n")
        self.set_secret(b, "default/key/1", b"x")
        token = self.signer.sign(claims(lib.TeeKey()))
        stop, seen = threading.Event(), []

        def read():
            while not stop.is_set():
                seen.append(lib.get_resource(b.guest, "default/key/1", token).status)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for t in readers:
            t.start()
        end = time.time() + 4
        while time.time() < end:
            self.set_policy(b, ALLOW + "# %d\n" % time.time_ns())
            self.set_policy(b, DENY + "# %d\n" % time.time_ns())
        after = [lib.get_resource(b.guest, "default/key/1", token).status for _ in range(5)]
        stop.set()
        for t in readers:
            t.join()
        self.equal("denied at once after the last change", after, [403] * 5)
        self.equal("only releases and denials", sorted(set(seen) - {503}), [200, 403])
        allowing = {0} | {2 * i - 1 for i in range(1, 100000)}  # 0: the built-in one, before the first change
        used = [r["detail"]["policy_version"] for r in b.audit() if r.get("event") == "release"]
        self.check("releases under load", len(used) > 5, str(len(used)))
        self.check("every release was under an allowing policy", set(used) <= allowing, str(sorted(set(used) - allowing)[:5]))
        b.stop()

    def full_disk(self):
        """No room for the record: nothing is released and nothing acknowledged; room again: on it goes."""
        folder = os.path.join(self.folder, "full")
        os.makedirs(folder)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], stderr=subprocess.DEVNULL).returncode:
            print("full disk: no right to mount, skipped")
            return
        try:
            b = self.broker("full", self.main_entry, args=("--set", "audit.reserve=262144"))
            key = lib.TeeKey()
            token = self.signer.sign(claims(key))
            get = lambda: lib.get_resource(b.guest, "default/key/1", token)  # noqa: E731
            self.set_secret(b, "default/key/1", b"precious")
            self.released("before", get(), key, b"precious")
            filler = os.path.join(folder, "filler")
            with open(filler, "wb", buffering=0) as f:
                try:
                    while True:
                        f.write(b"x" * 4096)
                except OSError:
                    pass
            a = get()
            for _ in range(400):  # the room that is written ahead of the record
                a = get() if a.status == 200 else a
            self.denial("disk full", a, 503, "PluginInternalError", False)
            self.check("nothing of the secret in the answer", b"ciphertext" not in a.body)
            # Administrators may still use the reserve; this is more than it holds.
            self.check("a write is not acknowledged", self.set_secret(b, "default/key/2", b"y" * 1000000).status >= 500)
            self.equal("health says so", lib.http_call("GET", b.guest + "/healthz").status, 503)
            os.unlink(filler)
            end = time.time() + 10
            while get().status != 200 and time.time() < end:
                time.sleep(0.1)
            self.released("room again, without a restart", get(), key, b"precious")
            self.denial("what was not acknowledged is not there", lib.get_resource(b.guest, "default/key/2", token), 404,
                        "PluginInternalError")
            released = [r for r in b.audit() if r.get("event") == "release"]
            self.check("every release has its record", len(released) >= 3, str(len(released)))
            b.stop()
        finally:
            for server in self.run.servers:
                if server.folder == folder:
                    server.kill()
            subprocess.run(["umount", "-l", folder])

    def lying_issuer(self):
        """A relay target that answers nonsense: nothing of it reaches a guest."""
        answers = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, body = answers["now"]
                self.send_response(status)
                for k, v in headers:
                    self.send_header(k, v)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = "http://127.0.0.1:%d" % server.server_address[1]
        b = self.broker("lying", self.main_entry + '[relay]\nissuer_url = "%s/"\ntrusted_issuer = "main"\n' % url)
        self.set_secret(b, "default/key/1", b"x")
        post = lambda p: lib.http_call("POST", b.guest + "/kbs/v0/" + p, {}, {"Cookie": "kbs-session-id=abc"})  # noqa: E731
        for what, answer in (("500", (500, [], b"{}")), ("redirect", (307, [("Location", "http://127.0.0.1:1/")], b"")),
                             ("401 without body", (401, [], b"")), ("401 of HTML", (401, [], b"<html>")),
                             ("204", (204, [], b"")), ("200 without cookie", (200, [], b'{"nonce":"x","extra-params":""}')),
                             ("cookie with a quote", (200, [("Set-Cookie", 'kbs-session-id=a"b')], b"{}")),
                             ("too long", (200, [("Set-Cookie", "kbs-session-id=a")], b"x" * 300000))):
            answers["now"] = answer
            self.denial("/auth answered with " + what, post("auth"), 503, "PluginInternalError")
        key = lib.TeeKey()
        stranger = Signer()
        for what, token, kind, status in (
                ("no token", None, "PluginInternalError", 503), ("garbage", "a.b.c", "TokenVerifierError", 401),
                ("a stranger's passport", stranger.sign(claims(key)), "TokenVerifierError", 401),
                ("an expired passport", self.signer.sign(claims(key, int(time.time()) - 4000)), "TokenVerifierError", 401)):
            answers["now"] = (200, [], json.dumps({"token": token} if token else {}).encode())
            a = post("attest")
            self.denial("/attest answered with " + what, a, status, kind)
            self.check("not handed on: " + what, token is None or token.encode() not in a.body)
        answers["now"] = (200, [], json.dumps({"token": self.signer.sign(claims(key))}).encode())
        self.equal("a good passport is", post("attest").status, 200)
        self.released("and its cookie counts", lib.get_resource(b.guest, "default/key/1", cookie="kbs-session-id=abc"), key, b"x")
        b.stop()
        server.shutdown()
        server.server_close()

    def audit(self, b):
        """One durable record a release, thinned ones for denials, no secrets, the chain holds."""
        records = b.audit()
        text = json.dumps(records)
        events = [r.get("event") for r in records]
        releases = [r for r in records if r.get("event") == "release"]
        self.check("releases are recorded", len(releases) > 20, str(len(releases)))
        self.check("denials are recorded", "denial" in events and "refusal" in events, str(set(events)))
        detail = releases[0].get("detail", releases[0])
        for name in ("decision", "jti", "issuer", "resource", "version", "policy_sha256", "tee_key"):
            self.check("a release names its " + name, bool(detail.get(name)) or name == "version" and "version" in detail, str(detail))
        for secret in ("golden secret 1", "team secret", "one-secret-text"):
            self.check("no secret in the record: " + secret, secret not in text and lib.b64(secret.encode())[:-4] not in text)
        self.check("changes are recorded", "intent" in events and "done" in events)
        b.stop()
        cli = os.path.join(self.bin, "vidimus")
        path = os.path.join(b.folder, "audit.log")
        if os.path.exists(cli):
            done = subprocess.run([cli, "audit", "verify", path], capture_output=True, text=True)
            self.equal("audit verify", done.returncode, 0)
            spoilt = path + ".spoilt"
            data = open(path, "rb").read()
            with open(spoilt, "wb") as f:
                f.write(data.replace(b"default/key/1", b"default/key/2", 1))
            self.equal("audit verify of a changed record", subprocess.run([cli, "audit", "verify", spoilt],
                                                                         capture_output=True).returncode, 8)
        for name in os.listdir(b.folder):
            if name.startswith("store"):
                data = open(os.path.join(b.folder, name), "rb").read()
                self.check("no plaintext in " + name, b"golden secret" not in data and b"team secret" not in data)

    def main(self):
        jwks = jwks_file(self.folder, "main.json", [self.signer.public()])
        self.main_entry = entry("main", ISS, 'jwks_file = "%s"' % jwks)
        config = self.main_entry + '[accept]\naudience = ["broker"]\n'
        b = self.broker("main", config)
        self.releases(b)
        self.credentials(b)
        self.paths(b)
        self.release_policies(b)
        self.policies(b, 403)
        self.administrators(b)
        self.native(b)
        self.issuers(b)
        self.audit(b)
        trustee = self.broker("trustee", config + "[release]\ndenial_status = 401\n")
        self.set_secret(trustee, "default/key/1", b"golden secret 1\n")
        self.policies(trustee, 401)
        trustee.stop()
        self.algorithms()
        self.chains()
        self.limits()
        self.closed()
        self.toggled_policy()
        self.full_disk()
        self.lying_issuer()
        self.rotation()
        self.relayed()
        self.run.finish()


if __name__ == "__main__":
    test = Test()
    try:
        test.main()
    finally:
        for left in test.run.servers:
            left.kill()
