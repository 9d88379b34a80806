/* The settings that both servers have. One row a key: this table makes the parser, the commented
 * default file and the documentation. Decisions: SHAPES sections 2, 3, 8 and 10. */
#include "shared/program/config.h"

#include <stddef.h>

/* Plain HTTP is never taken silently, so certificate and insecure_http are spelled out for each
 * plane. */
const struct vd_setting vd_settings_common[] = {
    { .key = "guest.listen",
      .type = VD_SET_STR,
      .def = "127.0.0.1:8080",
      .help =
          "Address and port of the guest plane, which strangers reach. Port 0 picks a free one." },
    { .key = "guest.tls_cert",
      .type = VD_SET_PATH,
      .help = "PEM file with the certificate chain of the guest plane. Read again on SIGHUP." },
    { .key = "guest.tls_key",
      .type = VD_SET_PATH,
      .help = "PEM file with the private key of guest.tls_cert." },
    { .key = "guest.insecure_http",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Serve plain HTTP when there is no certificate. Only behind a TLS proxy or on "
              "loopback." },
    { .key = "guest.kbs_admin",
      .type = VD_SET_BOOL,
      .def = "true",
      .help = "Serve the administration of the KBS protocol (kbs-client config) on the guest "
              "plane, with an "
              "administrator's token." },
    { .key = "admin.listen",
      .type = VD_SET_STR,
      .def = "127.0.0.1:8081",
      .help = "Address and port of the admin plane. Keep it on loopback or a management network." },
    { .key = "admin.tls_cert",
      .type = VD_SET_PATH,
      .help = "PEM file with the certificate chain of the admin plane. Read again on SIGHUP." },
    { .key = "admin.tls_key",
      .type = VD_SET_PATH,
      .help = "PEM file with the private key of admin.tls_cert." },
    { .key = "admin.insecure_http",
      .type = VD_SET_BOOL,
      .def = "false",
      .help =
          "Serve plain HTTP on the admin plane when there is no certificate. Only on loopback." },
    { .key = "admin.mode",
      .type = VD_SET_ENUM,
      .def = "authenticated",
      .choices = "authenticated deny",
      .help = "authenticated: tokens of the identities below. deny: nobody administrates." },
    { .key = "admin.max_token_life",
      .type = VD_SET_U64,
      .def = "900",
      .min = 1,
      .max = VD_ADMIN_TOKEN_SECONDS_MAX,
      .help = "Longest life of an administrator's token in seconds, exp - iat. Tools that keep a "
              "token in a "
              "file may need more." },
    { .key = "admin.identity[].name",
      .type = VD_SET_STR,
      .required = true,
      .help =
          "Name of the identity in the audit record. Make a key pair with: vidimus admin keygen" },
    { .key = "admin.identity[].public_key_file",
      .type = VD_SET_PATH,
      .help = "PEM file with the public key (Ed25519 or P-256). This or jwks_file." },
    { .key = "admin.identity[].jwks_file",
      .type = VD_SET_PATH,
      .help =
          "JWK set file with public keys, chosen by the token's kid. This or public_key_file." },
    { .key = "admin.identity[].audience",
      .type = VD_SET_STR,
      .help =
          "Value that the token's aud must be or contain. Required unless default_role is set." },
    { .key = "admin.identity[].issuer",
      .type = VD_SET_STR,
      .help = "Value that the token's iss must be." },
    { .key = "admin.identity[].roles",
      .type = VD_SET_STRS,
      .required = true,
      .help = "Names of the roles that a token of this identity may take." },
    { .key = "admin.identity[].default_role",
      .type = VD_SET_STR,
      .help = "One of roles, taken for a token without role. Such tokens may lack aud as well (old "
              "kbs-client)." },
    { .key = "admin.role[].name",
      .type = VD_SET_STR,
      .required = true,
      .help = "Name of the role: letters, digits, '_', '.', '-'." },
    { .key = "admin.role[].allow",
      .type = VD_SET_STRS,
      .required = true,
      .help = "Entries \"METHOD PATTERN\". METHOD is exact or *; a segment of PATTERN is literal, "
              "{name} (any "
              "one) or, last only, * (one or more)." },
    { .key = "root_key.file",
      .type = VD_SET_PATH,
      .def = "/var/lib/vidimus/{program}/root.key",
      .help = "File with the root key that seals what is stored. Made by init; keep a copy in a "
              "safe place." },
    { .key = "root_key.passphrase_file",
      .type = VD_SET_PATH,
      .help = "File with a passphrase; the root key is derived from it instead of read from "
              "root_key.file." },
    { .key = "store.path",
      .type = VD_SET_PATH,
      .def = "/var/lib/vidimus/{program}/store.db",
      .help = "File of the store. Made by init." },
    { .key = "audit.path",
      .type = VD_SET_PATH,
      .def = "/var/lib/vidimus/{program}/audit.jsonl",
      .help = "File of the audit record. Made by init. Beside it lie its older files, its key "
              "(.key, .pub) and its head (.head)." },
    { .key = "audit.reserve",
      .type = VD_SET_U64,
      .def = "67108864",
      .max = 1ull << 40,
      .help = "Bytes of the audit file's disk that stay usable for administrators' changes after "
              "releases "
              "have stopped." },
    { .key = "audit.checkpoint_records",
      .type = VD_SET_U64,
      .def = "1000",
      .min = 1,
      .max = 100000,
      .help = "A signed checkpoint is written after so many audit records." },
    { .key = "audit.checkpoint_seconds",
      .type = VD_SET_U64,
      .def = "60",
      .min = 1,
      .max = 86400,
      .help =
          "A signed checkpoint is written so long after the first record behind the last one." },
    { .key = "audit.rotate_bytes",
      .type = VD_SET_U64,
      .def = "16777216",
      .min = 65536,
      .max = 1ull << 40,
      .help = "The audit record goes on in a new file when the present one has so many bytes. A "
              "start reads and checks the present file only, some 200 MiB a second." },
    { .key = "log.format",
      .type = VD_SET_ENUM,
      .def = "logfmt",
      .choices = "logfmt json",
      .help = "Form of the log lines on standard error." },
    { .key = "log.level",
      .type = VD_SET_ENUM,
      .def = "info",
      .choices = "debug info warn error",
      .help = "Least level that is written." },
#define VD_LIMIT_SETTING(field, def_, hard, reason)                                                \
    { .key = "limits." #field,                                                                     \
      .type = VD_SET_U64,                                                                          \
      .def = #def_,                                                                                \
      .min = 1,                                                                                    \
      .max = (hard),                                                                               \
      .help = reason },
    VD_LIMITS(VD_LIMIT_SETTING)
#undef VD_LIMIT_SETTING
};
const size_t vd_settings_common_n = sizeof vd_settings_common / sizeof vd_settings_common[0];
