#!/usr/bin/python3
"""A service that plays Intel's PCS or a PCCS on loopback (API v4), with whatever documents it is given, and that
misbehaves on demand: the real client code is tested against it. Chains go percent-encoded into the head of answers,
a PCCS gives CRLs as hexadecimal text.

    service = Pcs()                       # a port of its own choice; service.url
    service.add_folder(DIR)               # files as simtdx writes them: tdx_tcb_info.json, signing_chain.pem, ...
    service.add_qvl(FILE)                 # one JSON file with all seven pieces
    service.trouble["tcb"] = {"slow": 5}  # also: status, redirect, huge, broken, no_chain, cut, bad_chain

usage: pcs.py [--pccs] [--port N] DIR_OR_FILE...   serves until it is stopped; prints its address"""
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

CHAIN = {"tcb": "TCB-Info-Issuer-Chain", "identity": "SGX-Enclave-Identity-Issuer-Chain",
         "pckcrl": "SGX-PCK-CRL-Issuer-Chain"}
HUGE = 100 << 20


class Pcs:
    def __init__(self, pccs=False, port=0):
        self.pccs, self.trouble, self.asked, self.lock = pccs, {}, [], threading.Lock()
        self.tcb, self.identity, self.pckcrl, self.root_crl = {}, {}, {}, None
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                service.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def use_tls(self, folder):
        """From now on HTTPS, with a self-signed certificate; its file."""
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")
        return cert

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def count(self):
        with self.lock:
            return len(self.asked)

    # ---- documents: (body, chain) ------------------------------------------------------------------

    def add_documents(self, tee, tcb, tcb_chain, identity, identity_chain, crl, crl_chain, root_crl):
        fmspc = json.loads(tcb)["tcbInfo"]["fmspc"].upper()
        ca = "platform" if b"PCK Platform CA" in crl else "processor"
        self.tcb[tee, fmspc] = (tcb, tcb_chain)
        self.identity[tee] = (identity, identity_chain)
        self.pckcrl[ca] = (crl, crl_chain)
        self.root_crl = root_crl
        return fmspc

    def add_folder(self, folder):
        def read(name):
            with open(os.path.join(folder, name), "rb") as f:
                return f.read()
        signer = read("signing_chain.pem")
        for tee in ("sgx", "tdx"):
            self.add_documents(tee, read(tee + "_tcb_info.json"), signer, read(tee + "_identity.json"), signer,
                               read("pck_crl.der"), read("pck_crl_chain.pem"), read("root_ca_crl.der"))

    def add_qvl(self, path):
        with open(path) as f:
            d = json.load(f)

        def document(member, name):
            return ('{"%s":%s,"signature":"%s"}' % (member, d[name], d[name + "_signature"])).encode()
        tee = json.loads(d["tcb_info"])["id"].lower()
        self.add_documents(tee, document("tcbInfo", "tcb_info"), d["tcb_info_issuer_chain"].encode(),
                           document("enclaveIdentity", "qe_identity"), d["qe_identity_issuer_chain"].encode(),
                           bytes.fromhex(d["pck_crl"]), d["pck_crl_issuer_chain"].encode(),
                           bytes.fromhex(d["root_ca_crl"]))

    # ---- answers -----------------------------------------------------------------------------------

    def find(self, path, query):
        """(kind, body, chain); body None: there is none."""
        tee = path.split("/")[1]
        if path.endswith("/certification/v4/tcb"):
            return ("tcb",) + self.tcb.get((tee, query.get("fmspc", "")), (None, None))
        if path.endswith("/certification/v4/qe/identity"):
            return ("identity",) + self.identity.get(tee, (None, None))
        if path == "/sgx/certification/v4/pckcrl":
            return ("pckcrl",) + self.pckcrl.get(query.get("ca"), (None, None))
        if path == "/sgx/certification/v4/rootcacrl" or path.endswith(".der"):
            return "rootcrl", self.root_crl, None
        return "unknown", None, None

    def answer(self, request):
        parts = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        kind, body, chain = self.find(parts.path, query)
        with self.lock:
            self.asked.append(request.path)
            trouble = dict(self.trouble.get(kind, {}), **self.trouble.get("*", {}))
        time.sleep(trouble.get("slow", 0))
        status = trouble.get("status", 200 if body is not None else 404)
        try:
            self.send(request, kind, status, body or b"", chain, trouble)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send(self, request, kind, status, body, chain, trouble):
        if self.pccs and kind in ("pckcrl", "rootcrl"):
            body = body.hex().encode()
        if trouble.get("broken"):
            body = body[:-12] + bytes([body[-12] ^ 1]) + body[-11:]
        request.send_response(302 if trouble.get("redirect") else status)
        if trouble.get("redirect"):
            request.send_header("Location", self.url + "/elsewhere" + request.path)
        if chain and not trouble.get("no_chain"):
            text = urllib.parse.quote(chain.decode(), safe="")
            request.send_header(CHAIN[kind], "%ZZ" + text if trouble.get("bad_chain") else text)
        request.send_header("Content-Length", str(HUGE if trouble.get("huge") else len(body)))
        request.send_header("Connection", "close")
        request.close_connection = True
        request.end_headers()
        if trouble.get("huge"):
            for _ in range(HUGE >> 20):
                request.wfile.write(b" " * (1 << 20))
        else:
            request.wfile.write(body[:len(body) // 2] if trouble.get("cut") else body)


def main(args):
    pccs, port, paths = False, 0, []
    while args:
        arg = args.pop(0)
        if arg == "--pccs":
            pccs = True
        elif arg == "--port":
            port = int(args.pop(0))
        else:
            paths.append(arg)
    if not paths:
        sys.exit(__doc__)
    service = Pcs(pccs, port)
    for path in paths:
        service.add_folder(path) if os.path.isdir(path) else service.add_qvl(path)
    print(service.url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        service.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
