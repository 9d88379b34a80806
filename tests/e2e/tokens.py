"""Tokens against the real programs: every kind of token at every place, keys that no secret may be sealed to, header
members that name keys elsewhere, and what a thief of a passport gets. Usage: tokens.py BIN_DIR"""
import http.server
import json
import os
import sys
import threading
import time

from jwcrypto import jws

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile_keys
import lib
from broker_e2e import ALLOW, ISS, Signer, claims, entry, jwks_file

SECRET = b"the secret of the token test"


class Sink:
    """Counts connections: nothing may be fetched for what a token's header says."""

    def __init__(self):
        self.hits = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle(self):
                outer.hits += 1

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/keys" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Test:
    def __init__(self):
        self.run = lib.Run("tokens")
        self.bin = lib.bin_dir()
        self.folder = self.run.folder()
        self.check, self.equal = self.run.check, self.run.equal
        self.who = lib.Identity(self.folder, "admin")

    def admin_config(self, audience):
        return self.who.config(["admin"], audience=audience) + lib.role("admin", ["* /api/v1/*", "* /kbs/v0/*"])

    def start(self):
        """One administrator's key at both servers, told apart by audience only; one issuer that the broker trusts twice:
        the real one, and one whose key is in our hands."""
        f = os.path.join(self.folder, "issuer")
        self.issuer = self.run.server("issuer", f, self.bin, '[passport]\nissuer = "%s"\nkey_file = "%s/passport.key"\n'
                                      "[tee.sample]\nenabled = true\n" % (ISS, f) + self.admin_config("issuer"))
        self.signer = Signer()
        f = os.path.join(self.folder, "broker")
        os.makedirs(f)
        ours = jwks_file(f, "ours.json", [self.signer.public()])
        self.broker = self.run.server("broker", f, self.bin, entry(
            "real", ISS, 'jwks_url = "%s/.well-known/jwks.json"' % self.issuer.guest, tees=["sample"], more="accept_simulated = true")
            + entry("ours", "https://ours.test", 'jwks_file = "%s"' % ours)
            + "[limits]\nreleases_per_passport = 100000\n" + self.admin_config("broker"))
        token = self.who.bearer(audience="broker")
        for path, body in (("resource-policy", {"policy": lib.b64u(ALLOW.encode())}), ("resource/default/key/1", SECRET)):
            self.equal("broker: " + path, lib.http_call("POST", self.broker.guest + "/kbs/v0/" + path, body, token).status, 200)

    def claims(self, key, **change):
        return claims(key, iss="https://ours.test", **change)

    def get(self, token):
        return lib.get_resource(self.broker.guest, "default/key/1", token)

    # ---- kinds of tokens

    def admin_signed(self, payload, typ="JWT"):
        t = jws.JWS(json.dumps(payload))
        t.add_signature(self.who.key, protected=json.dumps({"alg": "EdDSA", "typ": typ}))
        return t.serialize(compact=True)

    def kinds(self, key):
        """{kind: (token, places where it is good)}"""
        now = int(time.time())
        passport, answer = lib.attest_sample(self.issuer.guest, key)
        self.equal("a real passport", answer.status, 200)
        times = {"iat": now, "exp": now + 120}
        statement = dict(times, iss="https://ours.test", seq=1, jti=[], hw_id=[], policies=[])
        return {
            "passport of the real issuer": (passport, {"release"}),
            "passport of ours": (self.signer.sign(self.claims(key)), {"release"}),
            "administrator's token for the issuer": (self.who.token(audience="issuer"), {"issuer admin", "issuer native"}),
            "administrator's token for the broker": (self.who.token(audience="broker"), {"broker admin", "broker native"}),
            "ID token of an administrator": (self.admin_signed(dict(times, iss="https://idp.test", sub="admin", aud="client", nonce="n")), set()),
            "ID token for the issuer": (self.admin_signed(dict(times, iss="https://idp.test", sub="admin", aud="issuer")), set()),
            "access token": (self.admin_signed(dict(times, aud="broker", role="admin"), "at+jwt"), set()),
            "revocation statement": (self.signer.sign(statement, {"typ": "vidimus-revocation+jwt"}), set()),
            "revocation statement that says JWT": (self.signer.sign(statement), set()),
            "statement with the claims of a passport": (self.signer.sign(self.claims(key), {"typ": "vidimus-revocation+jwt"}), set()),
            "passport with a role": (self.signer.sign(self.claims(key, role="admin")), set()),
            "administrator's token with submods": (self.who.token(audience="broker", submods={"cpu0": {}}), set()),
            "passport signed by an administrator": (self.admin_signed(self.claims(key)), set()),
            "administrator's token signed by an issuer": (self.signer.sign(dict(times, aud="broker", role="admin")), set()),
            "cookie of a challenge": (lib.kbs_auth(self.issuer.guest).cookie.split("=", 1)[1], {"attest"}),
        }

    def places(self, key):
        """{place: function from a token to whether it was taken}"""
        policy = {"policy_id": "cross", "policy": lib.b64u(b"package policy\n")}
        bearer = lambda t: {"Authorization": "Bearer " + t}  # noqa: E731

        def attest(token):
            a = lib.kbs_attest(self.issuer.guest, None, {}, cookie="kbs-session-id=" + token)
            return a.status == 400  # taken: the challenge is spent, and the body is no attestation

        return {
            "release": lambda t: self.get(t).status == 200,
            "release by cookie": lambda t: lib.get_resource(self.broker.guest, "default/key/1", cookie="kbs-session-id=" + t).status == 200,
            "broker admin": lambda t: lib.http_call("POST", self.broker.guest + "/kbs/v0/resource/cross/key/1", b"x", bearer(t)).status == 200,
            "broker native": lambda t: lib.http_call("GET", self.broker.admin + "/api/v1/status", None, bearer(t)).status == 200,
            "issuer admin": lambda t: lib.http_call("POST", self.issuer.guest + "/kbs/v0/attestation-policy", policy, bearer(t)).status == 200,
            "issuer native": lambda t: lib.http_call("GET", self.issuer.admin + "/api/v1/status", None, bearer(t)).status == 200,
            "attest": attest,
        }

    def cross_use(self):
        key = lib.TeeKey()
        kinds, places = self.kinds(key), self.places(key)
        for kind, (token, good) in kinds.items():
            for place, taken in places.items():
                self.equal("%s at: %s" % (kind, place), taken(token), place in good)
        print("cross-use: %d kinds of tokens at %d places" % (len(kinds), len(places)))

    # ---- keys of TEEs

    def attest_with(self, session, jwk_text):
        """An attestation whose report data binds the key as it is sent."""
        try:
            key = json.loads(jwk_text)
            digest = lib.report_data(session.nonce, key, "")
        except (TypeError, ValueError):
            digest = bytes(48)
        body = json.dumps({
            "init-data": None, "runtime-data": {"nonce": session.nonce, "tee-pubkey": "@"},
            "tee-evidence": {"primary_evidence": {"svn": "1", "report_data": lib.b64(digest)}, "additional_evidence": ""}},
            separators=(",", ":"))
        return lib.kbs_attest(self.issuer.guest, session, body.replace('"@"', jwk_text))

    def hostile_tee_keys(self):
        table = [(what, json.dumps(jwk, separators=(",", ":"), ensure_ascii=False)) for what, jwk in hostile_keys.rows()]
        table += hostile_keys.duplicates()
        minted = refused = 0
        for what, text in table:
            a = self.attest_with(lib.kbs_auth(self.issuer.guest), text)
            ok = a.status in (200, 400, 401, 403)
            if a.status == 200:  # a key is looked at where something is sealed to it
                minted += 1
                ok = self.get(a.json()["token"]).status in (401, 403)
            else:
                refused += 1
                lib.error_type(a)
            self.check("TEE key at /attest: " + what, ok, a)
            tee = lib.TeeKey()
            tee.public = {"@": 1}
            payload = json.dumps(self.claims(tee), separators=(",", ":")).replace('{"@":1}', text)
            t = jws.JWS(payload)
            t.add_signature(self.signer.key, protected=json.dumps({"alg": "ES256", "typ": "JWT", "kid": self.signer.kid}))
            a = self.get(t.serialize(compact=True))
            self.check("TEE key at release: " + what, a.status in (401, 403) and SECRET not in a.body
                       and lib.error_type(a) in ("JweError", "TokenVerifierError"), a)
        print("hostile TEE keys: %d, at /attest %d refused and %d minted but never sealed to; at release all refused" %
              (len(table), refused, minted))
        self.check("a hundred of them", len(table) >= 100)

    # ---- headers that name keys elsewhere

    def headers(self):
        sink, key, stranger = Sink(), lib.TeeKey(), Signer()
        theirs = stranger.public()
        members = [{"jku": sink.url}, {"x5u": sink.url}, {"jku": sink.url, "kid": self.signer.kid}, {"jwk": theirs},
                   {"jwk": theirs, "kid": self.signer.kid}, {"x5c": ["AAAA"]}, {"x5t": "AAAA"}, {"x5t#S256": "AAAA"},
                   {"jku": sink.url, "jwk": theirs, "x5u": sink.url}, {"kid": sink.url}, {"kid": "file:///dev/null"},
                   {"jwk": dict(theirs, x5u=sink.url)}, {"jwk": {"kty": "oct", "k": "AAAA"}}, {"url": sink.url}, {"iss": "https://ours.test"}]
        for more in members:
            header = dict({"kid": None}, **more)
            a = self.get(stranger.sign(self.claims(key), header))
            self.equal("a stranger's passport with %s" % ", ".join(more), a.status, 401)
            t = jws.JWS(json.dumps({"iat": int(time.time()), "exp": int(time.time()) + 60, "aud": "broker", "role": "admin"}))
            t.add_signature(stranger.key, protected=json.dumps({k: v for k, v in dict(header, alg="ES256", typ="JWT").items() if v}))
            a = lib.http_call("GET", self.broker.admin + "/api/v1/status", None, {"Authorization": "Bearer " + t.serialize(compact=True)})
            self.equal("a stranger's administrator with %s" % ", ".join(more), a.status, 401)
        self.equal("connections made for headers", sink.hits, 0)
        sink.server.shutdown()

    def thief(self):
        """Whoever has the passport and not the key gets bytes that only the TEE can open."""
        key, other = lib.TeeKey(), lib.TeeKey()
        token = self.signer.sign(self.claims(key))
        stolen = self.get(token).body
        self.check("no plaintext in the answer", SECRET not in stolen and lib.b64u(SECRET) not in stolen.decode())
        try:
            opened = other.open(stolen)
        except Exception:
            opened = None
        self.equal("another key does not open it", opened, None)
        self.equal("the TEE's does", key.open(stolen), SECRET)

    def main(self):
        self.start()
        self.cross_use()
        self.hostile_tee_keys()
        self.headers()
        self.thief()
        for s in (self.issuer, self.broker):
            self.check("%s: no token and no secret in the log" % s.program, "eyJ" not in s.log() and SECRET.decode() not in s.log())
        self.run.finish()


if __name__ == "__main__":
    Test().main()
