#!/usr/bin/env bash
# The main job in four parts, on loopback, with genuine and simulated AMD SEV-SNP and Intel TDX evidence. Called by
# ./run demo [--keep [--sample]]; --stop ends what --keep left running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ROOT=$PWD
BIN=$ROOT/build/release/bin
LAST=$ROOT/build/demo.environment
KEEP=0 SAMPLE=0

if [ -t 1 ]; then BOLD=$'\e[1m' GREEN=$'\e[32m' RED=$'\e[31m' DIM=$'\e[2m' OFF=$'\e[0m'; else BOLD='' GREEN='' RED='' DIM='' OFF=''; fi
title() { printf '\n%s%s%s\n' "$BOLD" "$*" "$OFF"; }
good() { printf '  %s✓%s %s\n' "$GREEN" "$OFF" "$*"; }
note() { printf '  %s%s%s\n' "$DIM" "$*" "$OFF"; }
fail() { printf '  %s✗ %s%s\n' "$RED" "$*" "$OFF" >&2; exit 1; }
indent() { sed 's/^/    /'; }

stop_servers() {
    local pid
    for pid in "$@"; do
        [ -n "$pid" ] && kill "$pid" 2>/dev/null || true
    done
    for pid in "$@"; do
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    done
}

if [ "${1:-}" = --stop ]; then
    [ -f "$LAST" ] || { echo "nothing is running"; exit 0; }
    # shellcheck disable=SC1090
    . "$LAST"
    stop_servers "$ISSUER_PID" "$BROKER_PID"
    rm -f "$LAST"
    echo "stopped; files are left in $DEMO_DIR"
    exit 0
fi
while [ $# -gt 0 ]; do
    case $1 in
    --keep) KEEP=1 ;;
    --sample) SAMPLE=1 ;;
    *) echo "./run demo: unknown option $1" >&2; exit 1 ;;
    esac
    shift
done
if [ $SAMPLE = 1 ] && [ $KEEP = 0 ]; then echo "--sample goes with --keep" >&2; exit 1; fi
if [ -f "$LAST" ]; then echo "a demo is still running: ./run stop" >&2; exit 1; fi

DIR=$(mktemp -d "${TMPDIR:-/tmp}/vidimus-demo-XXXXXX")
ISSUER_PID='' BROKER_PID=''
cleanup() { [ "$KEEP" = done ] || stop_servers $ISSUER_PID $BROKER_PID; [ "$KEEP" = done ] || rm -rf "$DIR"; }
trap cleanup EXIT

title "1  Genuine evidence, verified offline against the vendors' real roots"
note "AMD SEV-SNP, at 2026-06-01"
AT=2026-06-01T00:00:00Z
VECTORS=tests/vectors/snp
"$BIN/vidimus-issuer" verify --tee snp --at $AT $VECTORS/trustee/e2e-evidence.json >"$DIR/genoa"
# The checks are counted, the claims of the shipped policy and the trust vector are shown; verify prints all.
printf '    %s checks passed, among them: chain to AMD'"'"'s root, report signature, TCB, chip id\n' "$(grep -c '^  ok ' "$DIR/genoa")"
grep -E '^(claims of|  (measurement|product|vmpl|policy_debug_allowed|policy_migrate_ma|policy_smt_allowed|platform_smt_enabled|platform_tsme_enabled|reported_tcb_[a-z]+) )' "$DIR/genoa" | cut -c1-100 | indent
sed -n '/^trust vector/,/^ *$/p' "$DIR/genoa" | cut -c1-100 | indent
good "Genoa report of the Trustee project: accepted (not affirming: nobody set reference values for it here)"
if "$BIN/vidimus-issuer" verify --tee snp --at $AT --vcek $VECTORS/virtee-sev/vcek_milan.der $VECTORS/virtee-sev/report_milan.hex >"$DIR/milan" 2>&1; then
    fail "a version 2 report was accepted by default"
fi
grep -iE 'refused|version' "$DIR/milan" | head -n 2 | indent
good "Milan report of version 2: refused by default"
"$BIN/vidimus-issuer" verify --tee snp --at $AT --set tee.snp.allow_v2=true --vcek $VECTORS/virtee-sev/vcek_milan.der \
    $VECTORS/virtee-sev/report_milan.hex >/dev/null
good "the same with --set tee.snp.allow_v2=true: accepted"

note "Intel TDX, at 2025-11-01: quote of a Google cloud machine with its event log; TCB info, identity and CRLs from a folder"
INTEL=tests/vectors/intel
TD=$INTEL/go-tdx-guest/ccel
"$BIN/vidimus-issuer" verify --tee tdx --at 2025-11-01T00:00:00Z --collateral $INTEL/automata-dcap-attestation \
    --event-log $TD/ccel_data.dat $TD/cos-113-tdx-quote.dat >"$DIR/tdx"
printf '    %s checks passed, among them: chain to Intel'"'"'s root, two CRLs, TCB info, quoting enclave, TDX module\n' "$(grep -c '^  ok ' "$DIR/tdx")"
grep -E '^  ok +event log' "$DIR/tdx" | cut -c1-100 | indent
sed -n '/^TCB of tdx/,/^ *$/p' "$DIR/tdx" | sed '$d' | cut -c1-100 | indent
good "TDX quote: accepted, and the event log gives exactly the four registers of the quote"
# One byte of the digest of a boot loader's event.
{ head -c 12000 $TD/ccel_data.dat; printf 'x'; tail -c +12002 $TD/ccel_data.dat; } >"$DIR/ccel"
if "$BIN/vidimus-issuer" verify --tee tdx --at 2025-11-01T00:00:00Z --collateral $INTEL/automata-dcap-attestation \
    --event-log "$DIR/ccel" $TD/cos-113-tdx-quote.dat >"$DIR/tdx" 2>&1; then
    fail "a changed event log was accepted"
fi
grep '^reason' "$DIR/tdx" | indent
good "the same with one byte of the event log changed: refused"
if "$BIN/vidimus-issuer" verify --tee tdx --at 2025-12-01T00:00:00Z --collateral $INTEL/automata-dcap-attestation \
    $TD/cos-113-tdx-quote.dat >"$DIR/tdx" 2>&1; then
    fail "expired collateral was accepted"
fi
grep '^reason' "$DIR/tdx" | indent
good "the quote a month later, with the same collateral: refused"

title "2  A guest attests at the issuer and fetches a secret from the broker"
"$BIN/vidimus" admin keygen --quiet --out "$DIR/admin.key"
# The simulated platform's RSA-4096 keys take seconds to make: a later demo finds them here.
PKI=$ROOT/build/demo-pki
PKI_ROOTS=$("$BIN/simsnp" pki --pki "$PKI" --line Milan)
INTEL_ROOT=$("$BIN/simtdx" pki --pki "$DIR/intel")
"$BIN/simtdx" collateral --pki "$DIR/intel" --out "$DIR/collateral"
common() { # program
    cat <<TOML
[guest]
listen = "127.0.0.1:0"
insecure_http = true
[admin]
listen = "127.0.0.1:0"
insecure_http = true
max_token_life = 86400
[[admin.identity]]
name = "you"
public_key_file = "$DIR/admin.key.pub"
audience = "$1"
roles = ["admin"]
default_role = "admin"
[[admin.role]]
name = "admin"
allow = ["* /kbs/v0/*", "* /api/v1/*"]
[root_key]
file = "$DIR/$1/root.key"
[store]
path = "$DIR/$1/store.sqlite"
[audit]
path = "$DIR/$1/audit.log"
[log]
level = "warn"
TOML
}
sample=false; [ $SAMPLE = 1 ] && sample=true
{ common issuer; cat <<TOML
[passport]
issuer = "https://issuer.example"
key_file = "$DIR/issuer/passport.key"
[collateral]
dir = "$DIR/collateral"
[tee.dcap]
extra_roots = ["$INTEL_ROOT"]
[tee.snp]
extra_roots = ["$PKI_ROOTS"]
[tee.sample]
enabled = $sample
TOML
} >"$DIR/issuer.toml"

start() { # program
    local ready=$DIR/$1.ready
    "$BIN/vidimus-$1" serve --config "$DIR/$1.toml" --ready-file "$ready" >"$DIR/$1.log" 2>&1 &
    STARTED=$!
    for _ in $(seq 200); do
        [ -s "$ready" ] && break
        kill -0 $STARTED 2>/dev/null || { cat "$DIR/$1.log" >&2; fail "vidimus-$1 did not start"; }
        sleep 0.05
    done
    [ -s "$ready" ] || fail "vidimus-$1 was not ready in time"
    READY=$(cat "$ready")
}
part() { sed -n "s/.*$1=\([0-9.:]*\).*/\1/p" <<<"$READY"; }

"$BIN/vidimus-issuer" init --config "$DIR/issuer.toml" >/dev/null
start issuer
ISSUER_PID=$STARTED
ISSUER_URL=http://$(part guest) ISSUER_ADMIN_URL=http://$(part admin)
"$BIN/vidimus" admin token --key "$DIR/admin.key" --role admin --audience issuer --ttl 24h --out "$DIR/issuer.token"

# The two owners meet on the wire only: the broker pins the issuer's published keys.
{ common broker; cat <<TOML
[[trusted_issuer]]
name = "issuer"
issuer = "https://issuer.example"
jwks_url = "$ISSUER_URL/.well-known/jwks.json"
algs = ["ES256"]
tees = ["*"]
repositories = ["*"]
accept_simulated = true
[relay]
trusted_issuer = "issuer"
issuer_url = "$ISSUER_URL"
TOML
} >"$DIR/broker.toml"
"$BIN/vidimus-broker" init --config "$DIR/broker.toml" >/dev/null
start broker
BROKER_PID=$STARTED
BROKER_URL=http://$(part guest) BROKER_ADMIN_URL=http://$(part admin)
"$BIN/vidimus" admin token --key "$DIR/admin.key" --role admin --audience broker --ttl 24h --out "$DIR/broker.token"
good "issuer $ISSUER_URL and broker $BROKER_URL are up, each with its own store, keys and administrator"

export VIDIMUS_ISSUER_URL=$ISSUER_URL VIDIMUS_BROKER_URL=$BROKER_URL \
    VIDIMUS_ISSUER_ADMIN_URL=$ISSUER_ADMIN_URL VIDIMUS_BROKER_ADMIN_URL=$BROKER_ADMIN_URL \
    VIDIMUS_ISSUER_ADMIN_TOKEN_FILE=$DIR/issuer.token VIDIMUS_BROKER_ADMIN_TOKEN_FILE=$DIR/broker.token
V="$BIN/vidimus"
MEASUREMENT=$(printf 'a5%.0s' $(seq 48))
OTHER=$(printf 'b6%.0s' $(seq 48))
GUEST="$BIN/simsnp attest --pki $PKI --measurement $MEASUREMENT"
"$V" policy put --quiet --server issuer default_cpu examples/quickstart/issuer-policy.rego >/dev/null
"$V" refvalue put --quiet snp_launch_measurement "[\"$MEASUREMENT\"]" >/dev/null
TD_GUEST="$BIN/simtdx attest --pki $DIR/intel"
"$BIN/simtdx" quote --pki "$DIR/intel" --out "$DIR/quote"
register() { tail -c "+$(($1 + 1))" "$DIR/quote" | head -c 48 | od -An -v -tx1 | tr -d ' \n'; } # offset in a version 4 quote
"$V" refvalue put --quiet mr_td "[\"$(register 184)\"]" >/dev/null
"$V" refvalue put --quiet rtmr_1 "[\"$(register 424)\"]" >/dev/null
"$V" refvalue put --quiet rtmr_2 "[\"$(register 472)\"]" >/dev/null
good "attestation owner: policy default_cpu, the expected launch measurement and the expected TDX registers are set"
"$V" policy put --quiet --server broker resource-policy examples/quickstart/release-policy.rego >/dev/null
printf 'the model is signed by three parties' | "$V" secret put --quiet demo/model/key - >/dev/null
good "secret owner: release policy is set, secret demo/model/key is stored"
"$V" attest --quiet --tee snp --attester "$GUEST" --key "$DIR/tee.key" --out "$DIR/passport"
good "simulated SNP guest: attested with a live nonce, passport received"
"$V" passport verify --quiet --iss https://issuer.example "$DIR/passport" | indent
SECRET=$("$V" get --quiet demo/model/key --passport "$DIR/passport" --key "$DIR/tee.key")
[ "$SECRET" = 'the model is signed by three parties' ] || fail "the secret came out wrong"
good "the broker released the secret, encrypted to the key inside the guest: \"$SECRET\""
SECRET=$("$V" get --quiet demo/model/key --tee snp --attester "$GUEST" --broker "$BROKER_URL" --issuer "$ISSUER_URL")
[ "$SECRET" = 'the model is signed by three parties' ] || fail "the secret came out wrong"
env -u VIDIMUS_ISSUER_URL "$V" get --quiet demo/model/key --tee snp --attester "$GUEST" >/dev/null
good "a guest that knows only the broker's URL gets it too, through the relay"
"$V" attest --quiet --tee tdx --attester "$TD_GUEST" --key "$DIR/td.key" --out "$DIR/td.passport"
good "simulated TDX guest: attested with a live nonce and its event log, passport of $(wc -c <"$DIR/td.passport") bytes received"
SECRET=$("$V" get --quiet demo/model/key --passport "$DIR/td.passport" --key "$DIR/td.key")
[ "$SECRET" = 'the model is signed by three parties' ] || fail "the secret came out wrong"
good "the broker released the secret to it as well"

title "3  What must be refused, and how the owner sees why"
"$V" attest --quiet --tee snp --attester "$BIN/simsnp attest --pki $PKI --measurement $OTHER" --key "$DIR/other.key" --out "$DIR/other.passport"
if "$V" get --quiet demo/model/key --passport "$DIR/other.passport" --key "$DIR/other.key" 2>"$DIR/denied"; then
    fail "a changed measurement got the secret"
fi
indent <"$DIR/denied"
DECISION=$(sed -n 's/.*(decision \([A-Za-z0-9_-]*\)).*/\1/p' "$DIR/denied")
[ -n "$DECISION" ] || fail "the denial carries no decision id"
"$V" explain --server broker "$DECISION" | indent
good "changed measurement: denied; the secret owner reads the reason above"
if "$V" attest --quiet --tee tdx --attester "$TD_GUEST --altered-log" --key "$DIR/td.key" >/dev/null 2>"$DIR/denied"; then
    fail "an event log that does not replay was accepted"
fi
indent <"$DIR/denied"
DECISION=$(sed -n 's/.*(decision \([A-Za-z0-9_-]*\)).*/\1/p' "$DIR/denied")
[ -n "$DECISION" ] || fail "the refusal carries no decision id"
"$V" explain --server issuer "$DECISION" | indent
good "TDX guest whose event log has one event too many: refused"
cat >"$DIR/replay" <<TEXT
#!/bin/sh
# An attester that answers every challenge with the evidence of the first one.
[ -f "$DIR/replayed" ] || exec $GUEST | tee "$DIR/replayed"
cat >/dev/null; cat "$DIR/replayed"
TEXT
chmod +x "$DIR/replay"
"$V" attest --quiet --tee snp --attester "$DIR/replay" --key "$DIR/replay.key" --out /dev/null 2>/dev/null || true
[ -s "$DIR/replayed" ] || fail "the replaying attester recorded nothing"
if "$V" attest --quiet --tee snp --attester "$DIR/replay" --key "$DIR/replay.key" >/dev/null 2>"$DIR/denied"; then
    fail "replayed evidence was accepted"
fi
indent <"$DIR/denied"
DECISION=$(sed -n 's/.*(decision \([A-Za-z0-9_-]*\)).*/\1/p' "$DIR/denied")
[ -n "$DECISION" ] || fail "the refusal carries no decision id"
"$V" explain --server issuer "$DECISION" | indent
good "replayed nonce: refused; the attestation owner reads the reason above"
"$V" audit verify "$DIR/broker/audit.log" | indent
good "the broker's audit record verifies"

title "4  How to go on"
cat <<TEXT
  ./run demo --keep            leaves both servers running (./run stop ends them)
  build/release/bin/vidimus --help
  docs/getting-started.md      your own issuer and broker, step by step
TEXT
if [ $KEEP = 1 ]; then
    if [ $SAMPLE = 1 ]; then
        "$V" policy put --quiet --server broker resource-policy policies/release/allow_all.rego >/dev/null
        note "sample evidence is switched on and the release policy is allow_all: for trials only"
    fi
    cat >"$DIR/environment" <<TEXT
DEMO_DIR=$DIR
ISSUER_URL=$ISSUER_URL
BROKER_URL=$BROKER_URL
ISSUER_ADMIN_URL=$ISSUER_ADMIN_URL
BROKER_ADMIN_URL=$BROKER_ADMIN_URL
ISSUER_ADMIN_TOKEN_FILE=$DIR/issuer.token
BROKER_ADMIN_TOKEN_FILE=$DIR/broker.token
ISSUER_PID=$ISSUER_PID
BROKER_PID=$BROKER_PID
VIDIMUS_ISSUER_URL=$ISSUER_URL
VIDIMUS_BROKER_URL=$BROKER_URL
VIDIMUS_ISSUER_ADMIN_URL=$ISSUER_ADMIN_URL
VIDIMUS_BROKER_ADMIN_URL=$BROKER_ADMIN_URL
VIDIMUS_ISSUER_ADMIN_TOKEN_FILE=$DIR/issuer.token
VIDIMUS_BROKER_ADMIN_TOKEN_FILE=$DIR/broker.token
TEXT
    cp "$DIR/environment" "$LAST"
    KEEP=done
    disown -a
    note "for the command line: set -a; . $DIR/environment; set +a; build/release/bin/vidimus status --server broker"
    echo "environment: $DIR/environment"
fi
