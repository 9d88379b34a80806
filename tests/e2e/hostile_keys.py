"""TEE keys that no secret may be sealed to: (what, JWK) rows made of a good key with one thing wrong."""
import json

import lib

P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
WRONG_TYPES = [("missing", KeyError), ("null", None), ("a number", 7), ("true", True), ("an array", ["x"]), ("an object", {}), ("empty", "")]


def be(number, size):
    return lib.b64u(number.to_bytes(size, "big"))


def rows():
    ec, p384, p521 = lib.TeeKey("P-256").public, lib.TeeKey("P-384").public, lib.TeeKey("P-521").public
    rsa = lib.TeeKey(rsa=2048).public
    x, y = (int.from_bytes(lib.unb64u(ec[k]), "big") for k in "xy")
    out = []

    def row(what, base, **change):
        out.append((what, {k: v for k, v in {**base, **change}.items() if v is not KeyError}))

    for kind, base in (("EC", ec), ("RSA", rsa)):
        for member in base:
            for what, value in WRONG_TYPES:
                row("%s: %s is %s" % (kind, member, what), base, **{member: value})
    for member in "xy":
        raw = lib.unb64u(ec[member])
        for what, value in (
                ("31 bytes", lib.b64u(raw[1:])), ("33 bytes", lib.b64u(b"\0" + raw)), ("one byte", "AQ"), ("64 bytes", lib.b64u(raw * 2)),
                ("4 KiB", lib.b64u(raw * 128)), ("padded", ec[member] + "="), ("with a blank", ec[member][:5] + " " + ec[member][5:]),
                ("with a newline", ec[member] + "\n"), ("standard alphabet", "+/" + ec[member][2:]), ("a dot", ec[member][:-1] + "."),
                ("one character more", ec[member] + "A"), ("tail bits set", ec[member][:-1] + "B" if ec[member][-1] != "B" else ec[member][:-1] + "D"),
                ("hex", raw.hex()), ("non-ASCII", "\u00e9" + ec[member][1:]), ("a NUL", "\0" + ec[member][1:]), ("zeros", be(0, 32)), ("all ones", lib.b64u(b"\xff" * 32)),
                ("the prime", be(P256, 32)), ("plus the prime", be((x if member == "x" else y) + P256 & (2**256 - 1), 32))):
            row("EC: %s is %s" % (member, what), ec, **{member: value})
    row("EC: the point at infinity", ec, x=be(0, 32), y=be(0, 32))
    row("EC: x and y exchanged", ec, x=ec["y"], y=ec["x"])
    row("EC: y off by one", ec, y=be((y + 1) % P256, 32))
    row("EC: x twice", ec, y=ec["x"])
    row("EC: uncompressed point in x", ec, x=lib.b64u(b"\4" + lib.unb64u(ec["x"]) + lib.unb64u(ec["y"])), y="")
    row("EC: point of P-384 under P-256", p384, crv="P-256")
    row("EC: point of P-256 under P-384", ec, crv="P-384")
    row("EC: point of P-521 under P-384", p521, crv="P-384")
    row("EC: point of P-256 under P-521", ec, crv="P-521")
    for crv in ("P-224", "P-192", "secp256k1", "p-256", "P256", "P-256 ", "prime256v1", "X25519", "Ed25519", "BP-256", "1.2.840.10045.3.1.7"):
        row("EC: curve %r" % crv, ec, crv=crv)
    for kty in ("ec", "Ec", "oct", "OKP", "RSA", "AKP", "EC ", "EC\0", "none"):
        row("EC: kty %r" % kty, ec, kty=kty)
    for alg in ("none", "dir", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256kw", "A256KW", "RSA-OAEP-256", "RSA1_5", "ES256",
                "PBES2-HS256+A128KW", "HS256", "A256GCMKW", "ML-KEM-768+A192KW", " ECDH-ES+A256KW"):
        row("EC: alg %r" % alg, ec, alg=alg)
    for alg in ("none", "dir", "RSA-OAEP-512", "rsa-oaep-256", "RSA1_5", "RS256", "ECDH-ES+A256KW", "A256KW", "RSA-OAEP-256\0"):
        row("RSA: alg %r" % alg, rsa, alg=alg)
    n = lib.unb64u(rsa["n"])
    big = int.from_bytes(n, "big")
    for what, value in (
            ("even", be(big & ~1, 256)), ("zero", be(0, 256)), ("one", be(1, 1)), ("512 bits", lib.b64u(n[:63] + b"\1")),
            ("1024 bits", lib.b64u(n[:127] + b"\1")), ("2040 bits", lib.b64u(n[:254] + b"\1")), ("16384 bits", lib.b64u(n * 8)),
            ("10 KiB", lib.b64u(n * 40)), ("padded", rsa["n"] + "="), ("standard alphabet", "+/" + rsa["n"][2:])):
        row("RSA: n is %s" % what, rsa, n=value)
    for what, value in (("zero", "AA"), ("one", "AQ"), ("two", "Ag"), ("even", lib.b64u(b"\1\0\0")), ("of 2048 bits", rsa["n"]),
                        ("of 300 bytes", lib.b64u(b"\1" * 300)), ("padded", "AQAB="), ("hex", "010001")):
        row("RSA: e is %s" % what, rsa, e=value)
    row("RSA: kty rsa", rsa, kty="rsa")
    row("AKP without key", {"alg": "ML-KEM-768+A192KW", "kty": "AKP", "pub": ""})
    row("AKP cut", {"alg": "ML-KEM-768+A192KW", "kty": "AKP", "pub": lib.b64u(b"\1" * 1183)})
    row("AKP too long", {"alg": "ML-KEM-768+A192KW", "kty": "AKP", "pub": lib.b64u(b"\1" * 1185)})
    row("AKP beyond its modulus", {"alg": "ML-KEM-768+A192KW", "kty": "AKP", "pub": lib.b64u(b"\xff" * 1184)})
    row("AKP of another alg", {"alg": "ML-KEM-512", "kty": "AKP", "pub": lib.b64u(b"\1" * 1184)})
    out += [("oct", {"alg": "A256KW", "kty": "oct", "k": lib.b64u(b"k" * 32)}), ("empty", {}), ("an array", []), ("a text", "key"), ("null", None),
            ("a number", 1), ("a set of keys", {"keys": [ec]}), ("a PEM", "-----BEGIN PUBLIC KEY-----"), ("a certificate", {"x5c": ["AAAA"]}),
            ("nested", {"jwk": ec}), ("OKP", {"alg": "ECDH-ES+A256KW", "kty": "OKP", "crv": "X25519", "x": ec["x"]})]
    return out


def duplicates():
    """Texts of keys that repeat a member, which JSON readers take one way or the other."""
    good, other = lib.TeeKey().public, lib.TeeKey().public
    body = json.dumps(good, separators=(",", ":"))
    return [("member %s twice" % k, body[:-1] + ',"%s":%s}' % (k, json.dumps(other[k]))) for k in good] \
        + [("x by another spelling", body[:-1] + ',"\\u0078":%s}' % json.dumps(other["x"]))]
