"""The framing list and the URI list of the threat model (7.3) as raw bytes, with at least three spellings of
each item. A row is (item, spelling, bytes). Every row is a good request with one thing wrong, so that a
server that overlooks it answers 200. What stands between @ is put in for each server by framing.py:

    @GET@   request line and Host of a good GET, and its credentials       (no empty line at the end)
    @POST@  the same of a good POST, without Content-Length                @BODY@ its body   @N@ its length
    @GT@ @PT@  their targets      @GF@ @PF@  their other fields, each with CRLF, Host not among them
"""
E = b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
FRAMING = []
URIS = []


def item(name, rows, table=None):
    assert len(rows) >= 3, name
    (FRAMING if table is None else table).extend((name, spelling, data) for spelling, data in rows)


def post(fields, body=b"@BODY@"):
    return b"@POST@" + fields + E + body


def get(fields):
    return b"@GET@" + fields + E


def line(first, host=b"Host: a\r\n"):
    """Another request line over the GET's fields."""
    return first + E + host + b"@GF@" + E


# ---- length and transfer coding ----------------------------------------------------------------------

item("Transfer-Encoding and Content-Length", [
    ("TE first", post(CHUNKED + b"Content-Length: @N@\r\n", b"0\r\n\r\n")),
    ("CL first", post(b"Content-Length: @N@\r\n" + CHUNKED)),
    ("odd case", post(b"content-LENGTH: @N@\r\ntransfer-ENCODING: Chunked\r\n")),
    ("CL of zero", post(b"Content-Length: 0\r\n" + CHUNKED, b"0\r\n\r\n")),
    ("far apart", post(b"Content-Length: @N@\r\nX-A: b\r\nX-C: d\r\n" + CHUNKED)),
])
item("two different Content-Length", [
    ("good one first", post(b"Content-Length: @N@\r\nContent-Length: 0\r\n")),
    ("good one last", post(b"Content-Length: 0\r\nContent-Length: @N@\r\n")),
    ("odd case", post(b"Content-Length: @N@\r\ncontent-length: 1\r\n")),
    ("one empty", post(b"Content-Length: @N@\r\nContent-Length:\r\n")),
])
item("two equal Content-Length", [
    ("same case", post(b"Content-Length: @N@\r\nContent-Length: @N@\r\n")),
    ("odd case", post(b"Content-Length: @N@\r\nCONTENT-LENGTH: @N@\r\n")),
    ("with a zero more", post(b"Content-Length: @N@\r\nContent-Length: 0@N@\r\n")),
    ("of zero on GET", get(b"Content-Length: 0\r\nContent-Length: 0\r\n")),
])
item("Content-Length with a sign", [
    ("plus", post(b"Content-Length: +@N@\r\n")),
    ("plus zero", post(b"Content-Length: +0\r\n")),
    ("two pluses", post(b"Content-Length: ++@N@\r\n")),
])
item("negative Content-Length", [
    ("minus one", post(b"Content-Length: -1\r\n")),
    ("minus the length", post(b"Content-Length: -@N@\r\n")),
    ("minus zero", post(b"Content-Length: -0\r\n")),
])
item("Content-Length with a blank", [
    ("inside", post(b"Content-Length: 1 @N@\r\n")),
    ("a tab inside", post(b"Content-Length: @N@\t0\r\n")),
    ("nothing but blanks", post(b"Content-Length:    \r\n")),
    ("behind a digit, then text", post(b"Content-Length: @N@ bytes\r\n")),
])
item("Content-Length in hexadecimal", [
    ("0x", post(b"Content-Length: 0x10\r\n")),
    ("letters", post(b"Content-Length: 1f\r\n")),
    ("h behind", post(b"Content-Length: @N@h\r\n")),
])
item("Content-Length with a comma", [
    ("list of equals", post(b"Content-Length: @N@, @N@\r\n")),
    ("list of two", post(b"Content-Length: 0,@N@\r\n")),
    ("comma behind", post(b"Content-Length: @N@,\r\n")),
    ("comma first", post(b"Content-Length: ,@N@\r\n")),
])
item("Content-Length that is no count", [
    ("fraction", post(b"Content-Length: @N@.0\r\n")),
    ("exponent", post(b"Content-Length: 1e3\r\n")),
    ("quoted", post(b'Content-Length: "@N@"\r\n')),
    ("empty", post(b"Content-Length:\r\n")),
    ("underscore", post(b"Content-Length: 1_0\r\n")),
    ("full-width digits", post("Content-Length: \uff11\r\n".encode())),
])
item("Content-Length above 2^63", [
    ("2^63", post(b"Content-Length: 9223372036854775808\r\n")),
    ("2^64", post(b"Content-Length: 18446744073709551616\r\n")),
    ("2^64 plus one", post(b"Content-Length: 18446744073709551617\r\n")),
    ("40 digits", post(b"Content-Length: " + b"9" * 40 + E)),
    ("2000 digits", post(b"Content-Length: " + b"1" * 2000 + E)),
])
item("Transfer-Encoding other than chunked", [
    ("identity, chunked", post(b"Transfer-Encoding: identity, chunked\r\n", b"0\r\n\r\n")),
    ("identity", post(b"Transfer-Encoding: identity\r\n")),
    ("gzip, chunked", post(b"Transfer-Encoding: gzip, chunked\r\n")),
    ("xchunked", post(b"Transfer-Encoding: xchunked\r\n")),
    ("empty", post(b"Transfer-Encoding:\r\n")),
    ("chunked with a parameter", post(b"Transfer-Encoding: chunked;q=1\r\n")),
    ("quoted", post(b'Transfer-Encoding: "chunked"\r\n')),
])
item("Transfer-Encoding at all", [
    ("chunked", post(CHUNKED, b"0\r\n\r\n")),
    ("CHUNKED", post(b"TRANSFER-ENCODING: CHUNKED\r\n", b"0\r\n\r\n")),
    ("on GET", get(CHUNKED)),
    ("on HTTP/1.0", line(b"GET @GT@ HTTP/1.0", CHUNKED)),
])
item("Transfer-Encoding twice", [
    ("equal", post(CHUNKED + CHUNKED, b"0\r\n\r\n")),
    ("chunked, identity", post(CHUNKED + b"Transfer-Encoding: identity\r\n")),
    ("odd case", post(CHUNKED + b"transfer-encoding: chunked\r\n")),
])
item("Transfer-Encoding with a tab or CR", [
    ("tab before", post(b"Transfer-Encoding:\tchunked\r\n")),
    ("tab behind", post(b"Transfer-Encoding: chunked\t\r\n")),
    ("CR inside", post(b"Transfer-Encoding: chun\rked\r\n")),
    ("CR before the name", post(b"\rTransfer-Encoding: chunked\r\n")),
    ("vertical tab", post(b"Transfer-Encoding: \x0bchunked\r\n")),
    ("form feed", post(b"Transfer-Encoding: chunked\x0c\r\n")),
])
for what, sizes in (("with a sign", (b"+1", b"-1", b" +1")), ("with 0x", (b"0x1", b"0X1", b"x1")),
                    ("of more than 16 digits", (b"0" * 16 + b"1", b"1" * 17, b"f" * 32)),
                    ("empty", (b"", b" ", b";a")), ("that is not hexadecimal", (b"g", b"1g", b"zz"))):
    item("chunk size " + what, [(repr(s), post(CHUNKED, s + b"\r\n{\r\n0\r\n\r\n")) for s in sizes])
item("chunk extension above 256 bytes", [
    ("name", post(CHUNKED, b"1;" + b"a" * 300 + b"\r\n{\r\n0\r\n\r\n")),
    ("value", post(CHUNKED, b"1;a=" + b"b" * 300 + b"\r\n{\r\n0\r\n\r\n")),
    ("many", post(CHUNKED, b"1" + b";a=b" * 100 + b"\r\n{\r\n0\r\n\r\n")),
])
item("no CRLF behind a chunk", [
    ("next size at once", post(CHUNKED, b"1\r\n{0\r\n\r\n")),
    ("LF only", post(CHUNKED, b"1\r\n{\n0\r\n\r\n")),
    ("a byte more", post(CHUNKED, b"1\r\n{x\r\n0\r\n\r\n")),
])
item("trailer with the name of a framing field", [
    ("Content-Length", post(CHUNKED, b"0\r\nContent-Length: 5\r\n\r\n")),
    ("Transfer-Encoding", post(CHUNKED, b"0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    ("Host", post(CHUNKED, b"0\r\nHost: b\r\n\r\n")),
])
item("body on GET", [
    ("five bytes", get(b"Content-Length: 5\r\n") + b"hello"),
    ("one byte", get(b"Content-Length: 1\r\n") + b"{"),
    ("a whole request as the body", get(b"Content-Length: 27\r\n") + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("on HEAD", b"HEAD @GT@ HTTP/1.1\r\nHost: a\r\n@GF@Content-Length: 5\r\n\r\nhello"),
    ("on OPTIONS", b"OPTIONS @GT@ HTTP/1.1\r\nHost: a\r\n@GF@Content-Length: 5\r\n\r\nhello"),
])

# ---- line ends and characters ------------------------------------------------------------------------

item("bare LF", [
    ("behind the request line", b"GET @GT@ HTTP/1.1\nHost: a\r\n@GF@\r\n"),
    ("behind a field", get(b"X: a\n")),
    ("as the empty line", b"@GET@\n"),
    ("everywhere", b"GET @GT@ HTTP/1.1\nHost: a\nX: y\n\n"),
    ("first", b"\n" + get(b"")),
    ("inside a value", get(b"X: a\nTransfer-Encoding: chunked\r\n")),
])
item("bare CR", [
    ("behind the request line", b"GET @GT@ HTTP/1.1\rHost: a\r\n@GF@\r\n"),
    ("in a value", get(b"X: a\rb\r\n")),
    ("in a name", get(b"X\r: a\r\n")),
    ("CR CR LF", b"GET @GT@ HTTP/1.1\r\r\nHost: a\r\n@GF@\r\n"),
    ("CR CR LF behind a field", get(b"X: a\r\r\n")),
    ("first", b"\r" + get(b"")),
    ("in the target", b"GET @GT@\r HTTP/1.1\r\nHost: a\r\n@GF@\r\n"),
])
item("NUL in a field", [
    ("in a value", get(b"X: a\0b\r\n")),
    ("in a name", get(b"X\0Y: b\r\n")),
    ("at the end of a value", get(b"X: a\0\r\n")),
    ("in Content-Length", post(b"Content-Length: @N@\0\r\n")),
])
item("control character in a field", [
    ("01", get(b"X: a\x01\r\n")),
    ("08 in a long value", get(b"X: " + b"a" * 40 + b"\x08" + b"a" * 40 + E)),
    ("1b", get(b"X: \x1b[31m\r\n")),
    ("7f", get(b"X: a\x7f\r\n")),
    ("1f in a name", get(b"X\x1f: a\r\n")),
])
item("blank before the colon", [
    ("of Content-Length", get(b"Content-Length : 0\r\n")),
    ("tab", get(b"Content-Length\t: 0\r\n")),
    ("of Transfer-Encoding", post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n")),
    ("of Host", b"GET @GT@ HTTP/1.1\r\nHost : a\r\n@GF@\r\n"),
    ("inside a name", get(b"X Y: b\r\n")),
])
item("folded line", [
    ("with a blank", get(b"X: a\r\n b\r\n")),
    ("with a tab", get(b"X: a\r\n\tb\r\n")),
    ("of Content-Length", post(b"Content-Length:\r\n @N@\r\n")),
    ("of Transfer-Encoding", post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n")),
    ("first field", b"GET @GT@ HTTP/1.1\r\n Host: b\r\nHost: a\r\n@GF@\r\n"),
    ("line of one blank", get(b" \r\n")),
])
item("empty field name", [
    ("colon first", get(b": b\r\n")),
    ("colon only", get(b":\r\n")),
    ("blank and colon", get(b" : b\r\n")),
])
item("field without a colon", [
    ("a word", get(b"X\r\n")),
    ("equals", get(b"X=b\r\n")),
    ("a request line", get(b"GET @GT@ HTTP/1.1\r\n")),
])
item("field name of other characters", [
    ("parenthesis", get(b"X(y): b\r\n")),
    ("slash", get(b"X/Y: b\r\n")),
    ("quote", get(b'"X": b\r\n')),
    ("non-ASCII", get("X\u00e4: b\r\n".encode())),
    ("at sign", get(b"X@Y: b\r\n")),
])

# ---- sizes -------------------------------------------------------------------------------------------

item("more than 48 fields", [
    ("49 more", get(b"".join(b"X-%d: y\r\n" % i for i in range(49)))),
    ("64 more", get(b"".join(b"X-%d: y\r\n" % i for i in range(64)))),
    ("1000 empty ones", get(b"A:\r\n" * 1000)),
])
item("head above 16 KiB", [
    ("one field", get(b"X: " + b"a" * 17000 + E)),
    ("forty fields", get(b"".join(b"X-%d: %s\r\n" % (i, b"b" * 450) for i in range(40)))),
    ("one name", get(b"a" * 17000 + b": b\r\n")),
])
item("request line above 8 KiB", [
    ("long path", line(b"GET /kbs/v0/" + b"a" * 8300 + b" HTTP/1.1")),
    ("long query", line(b"GET @GT@?" + b"a" * 8300 + b" HTTP/1.1")),
    ("long method", line(b"G" * 8300 + b" @GT@ HTTP/1.1")),
])
item("more than one leading empty line", [
    ("two", E + E + get(b"")),
    ("three", E * 3 + get(b"")),
    ("a hundred", E * 100 + get(b"")),
])

# ---- Host --------------------------------------------------------------------------------------------

item("no Host", [
    ("GET", line(b"GET @GT@ HTTP/1.1", b"")),
    ("others there", line(b"GET @GT@ HTTP/1.1", b"X-Host: a\r\n")),
    ("POST", b"POST @PT@ HTTP/1.1\r\n@PF@Content-Length: @N@\r\n\r\n@BODY@"),
])
item("two Hosts", [
    ("equal", get(b"Host: a\r\n")),
    ("different", get(b"Host: b\r\n")),
    ("odd case", get(b"HOST: a\r\n")),
    ("on HTTP/1.0", line(b"GET @GT@ HTTP/1.0", b"Host: a\r\nHost: a\r\n")),
])
item("invalid Host", [(name, line(b"GET @GT@ HTTP/1.1", b"Host:" + value + E)) for name, value in (
    ("empty", b""), ("blank", b"  "), ("path", b" a/b"), ("userinfo", b" u@a"), ("blank inside", b" a b"),
    ("list", b" a, b"), ("empty port", b" a:"), ("word as port", b" a:http"), ("port 65536", b" a:65536"),
    ("two ports", b" a:1:2"), ("open bracket", b" [::1"), ("non-ASCII", " \u00e4".encode()))])

# ---- request line ------------------------------------------------------------------------------------

item("HTTP/0.9", [
    ("no version", b"GET @GT@\r\n\r\n"),
    ("in words", line(b"GET @GT@ HTTP/0.9")),
    ("no version, with fields", line(b"GET @GT@")),
])
item("another version", [
    ("1.2", line(b"GET @GT@ HTTP/1.2")),
    ("2.0", line(b"GET @GT@ HTTP/2.0")),
    ("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("3", line(b"GET @GT@ HTTP/3")),
    ("1.10", line(b"GET @GT@ HTTP/1.10")),
    ("lower case", line(b"GET @GT@ http/1.1")),
    ("01.1", line(b"GET @GT@ HTTP/01.1")),
])
item("method in lower case", [
    ("get", line(b"get @GT@ HTTP/1.1")),
    ("Get", line(b"Get @GT@ HTTP/1.1")),
    ("gET", line(b"gET @GT@ HTTP/1.1")),
])
item("unknown method", [
    ("BREW", line(b"BREW @GT@ HTTP/1.1")),
    ("PATCH", line(b"PATCH @GT@ HTTP/1.1")),
    ("GETS", line(b"GETS @GT@ HTTP/1.1")),
    ("GE", line(b"GE @GT@ HTTP/1.1")),
    ("PROPFIND", line(b"PROPFIND @GT@ HTTP/1.1")),
])
item("TRACE and CONNECT", [
    ("TRACE", line(b"TRACE @GT@ HTTP/1.1")),
    ("CONNECT", line(b"CONNECT a:80 HTTP/1.1")),
    ("TRACK", line(b"TRACK @GT@ HTTP/1.1")),
    ("CONNECT with the target", line(b"CONNECT @GT@ HTTP/1.1")),
])
item("blanks of the request line", [
    ("two before the target", line(b"GET  @GT@ HTTP/1.1")),
    ("two behind it", line(b"GET @GT@  HTTP/1.1")),
    ("before the method", line(b" GET @GT@ HTTP/1.1")),
    ("behind the version", line(b"GET @GT@ HTTP/1.1 ")),
    ("tabs", line(b"GET\t@GT@\tHTTP/1.1")),
    ("inside the target", line(b"GET @GT@ x HTTP/1.1")),
])
item("absolute and authority form", [
    ("http", line(b"GET http://a@GT@ HTTP/1.1")),
    ("https", line(b"GET https://a@GT@ HTTP/1.1")),
    ("upper case", line(b"GET HTTP://a@GT@ HTTP/1.1")),
    ("authority", line(b"GET a:80 HTTP/1.1")),
    ("asterisk", line(b"OPTIONS * HTTP/1.1")),
    ("no slash first", line(b"GET kbs/v0/resource HTTP/1.1")),
])

# ---- fields that ask for more than we do --------------------------------------------------------------

item("Expect other than 100-continue", [
    ("200-ok", post(b"Expect: 200-ok\r\nContent-Length: @N@\r\n")),
    ("empty", post(b"Expect:\r\nContent-Length: @N@\r\n")),
    ("list", post(b"Expect: 100-continue, x\r\nContent-Length: @N@\r\n")),
    ("twice", post(b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: @N@\r\n")),
])
item("Upgrade", [
    ("websocket", get(b"Upgrade: websocket\r\nConnection: Upgrade\r\n")),
    ("h2c", get(b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n")),
    ("TLS", get(b"Upgrade: TLS/1.2\r\n")),
    ("in Connection only", get(b"Connection: keep-alive, upgrade\r\n")),
])
item("two Authorizations", [
    ("equal", get(b"Authorization: Bearer a\r\nAuthorization: Bearer a\r\n")),
    ("odd case", get(b"AUTHORIZATION: Bearer a\r\nauthorization: Bearer b\r\n")),
    ("one empty", get(b"Authorization:\r\nAuthorization: Bearer a\r\n")),
])

# ---- targets -------------------------------------------------------------------------------------------
# (item, spelling, path behind /kbs/v0/resource/, statuses): spellings of the secret default/key/1 that a
# careless reader could resolve to it. 400: two readers could differ; 404: another name, none of a resource.


def uri(name, statuses, rows):
    assert len(rows) >= 3, name
    URIS.extend((name, path if isinstance(path, bytes) else path.encode(), statuses) for path in rows)


P = "/kbs/v0/resource/"
uri("..", (400,), [P + "default/x/../key/1", P + "../resource/default/key/1", "/kbs/v0/x/../resource/default/key/1",
                   P + "default/key/1/..", "/../kbs/v0/resource/default/key/1"])
uri(".", (400,), [P + "./default/key/1", P + "default/./key/1", P + "default/key/./1", P + "default/key/1/."])
uri("%2e%2e", (400,), [P + "default/x/%2e%2e/key/1", P + "default/x/%2E%2E/key/1", P + "%2e%2e/resource/default/key/1"])
uri("%2E.", (400,), [P + "default/x/%2E./key/1", P + "default/x/.%2e/key/1", P + "default/x/%2e./key/1"])
uri("..;", (400,), [P + "default/x/..;/key/1", P + "default/x/..;a=b/key/1", P + ".;/default/key/1"])
uri("%252e", (400,), [P + "default/x/%252e%252e/key/1", P + "%252e/default/key/1", P + "default/key/%25%33%31"])
uri("%2f", (400,), [P + "default%2fkey%2f1", P + "default/key%2F1", P + "%2fdefault/key/1", "/kbs%2fv0/resource/default/key/1"])
uri("%5c", (400,), [P + "default%5ckey%5c1", P + "default/key%5C1", P + "default/x/..%5ckey/1"])
uri("escaped letters", (400,), [P + "def%61ult/key/1", P + "default/ke%79/1", P + "default/key/%31", "/kbs/v0/r%65source/default/key/1"])
uri("backslash", (400,), [P + "default\\key\\1", P + "default/key\\1", "\\kbs\\v0\\resource\\default\\key\\1", P + "default/x\\..\\key/1"])
uri("//", (400,), [P + "default//key/1", P + "default/key//1", "/kbs//v0/resource/default/key/1", "///kbs/v0/resource/default/key/1",
                   "/kbs/v0//resource/default/key/1", "/kbs/v0/resource///default/key/1"])
uri("%00", (400,), [P + "default/key/1%00", P + "default/key/1%00.txt", P + "%00default/key/1"])
uri("%", (400,), [P + "default/key/1%", P + "%/default/key/1", P + "default/key/%1"])
uri("%zz", (400,), [P + "default/key/%zz", P + "default/%g1/1", P + "default/key/%u0031"])
uri("overlong UTF-8", (400,), [P + "default/x/%c0%ae%c0%ae/key/1", P.encode() + b"default/x/\xc0\xae\xc0\xae/key/1",
                               P.encode() + b"default\xc0\xafkey/1", P.encode() + b"default/key\xe0\x80\xaf1"])
uri("non-ASCII", (400,), [P + "d\u00e9fault/key/1", P + "default/key/\uff11", P.encode() + b"default/key/\xe41", P + "default\u2215key/1"])
uri("dot at the end", (404,), [P + "default/key/1.", P + "default./key/1", P + "default/key./1"])
uri("blank at the end", (400,), [P + "default/key/1%20", P + "default/key/1\x20", P + "default/key/1\t", P + "default /key/1"])
uri(";params", (404,), [P + "default/key/1;v=2", P + "default;a/key/1", P + "default/key;/1"])
uri("fragment", (400,), [P + "default/key/1#x", P + "default/key/1#", "#" + P + "default/key/1", P + "default/key/1?a#b"])
uri("empty segment at the end", (404,), [P + "default/key/1/", P + "default/key/", P])
uri("two segments", (404,), [P + "default/key", P + "default", P + "key/1"])
uri("four segments", (404,), [P + "default/key/1/1", P + "x/default/key/1", P + "default/key/1/x"])
uri("five segments", (404,), [P + "default/key/1/1/1", P + "a/b/default/key/1", P + "a/default/key/1/b"])
uri("leading dot", (404,), [P + ".default/key/1", P + "default/.key/1", P + "default/key/.1", P + "default/key/..1", P + "..."])
uri("segment of 256 bytes", (404,), [P + "default/key/" + "1" * 256, P + "d" * 256 + "/key/1", P + "default/" + "k" * 256 + "/1"])
uri("path of 10 KiB", (431,), [P + "a" * 10240, P + "a/" * 5120, P + "default/key/1?" + "a" * 10240])
uri("upper case", (404, 405), ["/KBS/v0/resource/default/key/1", "/kbs/V0/resource/default/key/1", "/kbs/v0/RESOURCE/default/key/1",
                               P + "DEFAULT/key/1", P + "default/Key/1"])
uri("+", (404,), [P + "default/key/+1", P + "default+/key/1", P + "default/k+y/1"])
uri("other characters", (404,), [P + "default/key/~1", P + "default/key/1:", P + "default/key/1@", P + "default/key/$1",
                                 P + "default/key/1,1", P + "default/(key)/1", P + "default/key/1=", P + "default/key/*", P + "default/key/!"])
uri("characters of no path", (400,), [P + "default/{key}/1", P + "default/[key]/1", P + 'default/"key"/1', P + "default/<key>/1",
                                      P + "default/key/1^", P + "default/key/`1`", P + "default/key|1"])
uri("a query key twice", (400,), [P + "default/key/1?a=1&a=2", P + "default/key/1?a&a", P + "default/key/1?a=1&%61=2", P + "default/key/1?=1&=2"])
uri("query above 2 KiB", (400,), [P + "default/key/1?" + "a" * 2049, P + "default/key/1?a=" + "b" * 3000, P + "default/key/1?" + "a&" * 2000])
uri("kbs:// as a path", (400,), [P + "kbs:///default/key/1", "kbs:///default/key/1", "/kbs:///default/key/1"])
uri("controls", (400,), [P + "default/key/1\x01", P + "default/\x7f/1", P + "default/key/1\0", P + "default/key/1\x0b"])
