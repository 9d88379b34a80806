/* The table of verbs: what `vidimus --help` lists, and what runs. */
#include "cli/cli.h"

#define OUTPUT "json quiet ca-file"
#define ADMIN OUTPUT " server issuer-admin broker-admin token-file"
#define ISSUER OUTPUT " issuer-admin token-file"
#define BROKER OUTPUT " broker-admin token-file"

const struct cli_verb cli_verbs[] = {
    { "attest", NULL, "", OUTPUT " issuer tee attester key init-data audience out", 0, 0,
      "Attest this guest at an issuer and print the passport.\n"
      "The TEE key is read from --key, or made there; secrets are encrypted to it later.",
      cli_attest },
    { "get", NULL, "REPOSITORY/TYPE/TAG",
      OUTPUT " broker issuer passport tee attester key init-data audience out", 1, 1,
      "Fetch a secret and decrypt it.\n"
      "With --passport and --key: shows that passport to the broker. With --issuer: attests there "
      "first.\n"
      "With --broker alone: attests through the broker, which relays to its issuer.",
      cli_get },
    { "passport", "show", "FILE", OUTPUT, 1, 1, "Show what a passport says, without verifying it.",
      cli_passport_show },
    { "passport", "verify", "FILE", OUTPUT " issuer jwks jwks-url iss audience at", 1, 1,
      "Verify a passport against an issuer's keys; exit 8 when it is refused.",
      cli_passport_verify },
    { "policy", "put", "ID FILE", ADMIN " if-version", 2, 2,
      "Store a policy: an attestation policy on an issuer, a release policy on a broker.\n"
      "It is compiled before it is stored. Without --if-version the present version is replaced.",
      cli_policy_put },
    { "policy", "show", "ID", ADMIN " version", 1, 1, "Print a policy, or one version of it.",
      cli_policy_show },
    { "policy", "list", "", ADMIN, 0, 0, "List the policies.", cli_policy_list },
    { "policy", "history", "ID", ADMIN, 1, 1,
      "List the versions of a policy: when, by whom, digest.", cli_policy_history },
    { "policy", "rm", "ID", ADMIN " if-version", 1, 1,
      "Remove a policy; its versions stay in the history.", cli_policy_rm },
    { "refvalue", "put", "NAME VALUE", ISSUER " if-version expires", 2, 2,
      "Set a reference value: JSON, a plain word, @FILE, or - for standard input.",
      cli_refvalue_put },
    { "refvalue", "show", "NAME", ISSUER, 1, 1, "Print a reference value.", cli_refvalue_show },
    { "refvalue", "list", "", ISSUER, 0, 0, "List the reference values.", cli_refvalue_list },
    { "refvalue", "rm", "NAME", ISSUER " if-version", 1, 1, "Remove a reference value.",
      cli_refvalue_rm },
    { "secret", "put", "REPOSITORY/TYPE/TAG FILE", BROKER " if-version", 2, 2,
      "Store a secret from a file, or - for standard input. Never in an argument.",
      cli_secret_put },
    { "secret", "rm", "REPOSITORY/TYPE/TAG", BROKER " if-version", 1, 1,
      "Remove a secret; its bytes are erased.", cli_secret_rm },
    { "secret", "list", "[PREFIX]", BROKER, 0, 1,
      "List secrets (names, versions, dates; never the bytes).", cli_secret_list },
    { "issuer", "trust", "NAME",
      BROKER " if-version iss jwks jwks-url alg allow-tee repository policy accept-simulated "
             "revocation-url require-revocation",
      1, 1, "Trust an issuer of passports: its id, its keys, and what it may open.",
      cli_issuer_trust },
    { "issuer", "list", "", BROKER, 0, 0, "List the trusted issuers.", cli_issuer_list },
    { "issuer", "suspend", "NAME", BROKER " if-version resume", 1, 1,
      "Refuse an issuer's passports from the next request on; --resume takes it back.",
      cli_issuer_suspend },
    { "issuer", "reset", "NAME", BROKER, 1, 1,
      "Forget the highest numbers of key set and revocation statement seen of an issuer.\n"
      "For an issuer that was set up anew; older ones are refused otherwise.",
      cli_issuer_reset },
    { "key", "list", "", ISSUER " revocation", 0, 0,
      "List the issuer's passport keys: next, active, retiring, retired, revoked.", cli_key_list },
    { "key", "rotate", "", ISSUER " now revocation", 0, 0,
      "Make the next passport key; it signs once brokers have had time to fetch it.\n"
      "With --now it signs at once, and brokers refuse its passports until they fetch it.",
      cli_key_rotate },
    { "key", "revoke", "KID", ISSUER " revocation", 1, 1,
      "Withdraw a passport key at once; another takes over if it is the active one.",
      cli_key_revoke },
    { "revoke", "jti", "JTI", ISSUER " reason", 1, 1, "Revoke one passport.", cli_revoke_jti },
    { "revoke", "hw-id", "HEX", ISSUER " reason", 1, 1,
      "Revoke a platform: its live passports, and new ones are not issued.", cli_revoke_hw_id },
    { "revoke", "policy", "SHA256", ISSUER " reason", 1, 1,
      "Revoke all passports made under one text of an attestation policy.", cli_revoke_policy },
    { "revoke", "before", "TIME", ISSUER " reason", 1, 1,
      "Revoke all passports issued before a time: 2026-06-01T00:00:00Z, or now.",
      cli_revoke_before },
    { "revoke", "list", "", ISSUER, 0, 0, "List the revocations in force.", cli_revoke_list },
    { "revoke", "rm", "TYPE VALUE", ISSUER, 2, 2,
      "Take a revocation back: TYPE is jti, hw-id or policy.", cli_revoke_rm },
    { "admin", "keygen", "", OUTPUT " out type", 0, 0,
      "Make an administrator's key pair: FILE and FILE.pub.", cli_admin_keygen },
    { "admin", "token", "", OUTPUT " key role audience iss ttl out", 0, 0,
      "Make an administrator's token from the private key.", cli_admin_token },
    { "explain", NULL, "DECISION", ADMIN, 1, 1,
      "Say why a request was decided as it was, by the decision id that the guest was given.",
      cli_explain },
    { "audit", "verify", "FILE...", OUTPUT " key head", 1, CLI_ARGS_MAX,
      "Check the chain and every signed checkpoint of an audit record, offline; exit 8 when "
      "broken.\n"
      "Give all of its files, or the newest: earlier ones beside it are found. Without --key it "
      "is\n"
      "checked against the key that the file names, which proves only that it was not damaged.",
      cli_audit_verify },
    { "audit", "export", "FILE...", OUTPUT " key from to out", 1, CLI_ARGS_MAX,
      "Write a range of records as a file that verifies by itself, offline.\n"
      "The range grows to whole checkpoints.",
      cli_audit_export },
    { "audit", "head", "", ADMIN " out", 0, 0,
      "Print the newest signed checkpoint of a server: keep it elsewhere, and verify with --head.",
      cli_audit_head },
    { "audit", "key", "", ADMIN " out", 0, 0,
      "Print the public key (JWK) that a server's checkpoints verify with.", cli_audit_key },
    { "audit", "receipt", "SEQ", ADMIN " out", 1, 1,
      "Print the proof that a record (header Vidimus-Audit of an answer) is in the audit record.",
      cli_audit_receipt },
    { "audit", "check-receipt", "FILE", OUTPUT " key record", 1, 1,
      "Check a receipt against the public key of the audit record, offline; exit 8 when it fails.",
      cli_audit_check_receipt },
    { "audit", "show", "", ADMIN " after limit", 0, 0, "Print audit records of a server.",
      cli_audit_show },
    { "status", NULL, "", ADMIN, 0, 0, "Print the state of a server.", cli_status },
};
const size_t cli_verbs_n = sizeof cli_verbs / sizeof cli_verbs[0];
