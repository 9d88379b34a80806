/* Settings of the issuer. One row a key: the parser, the commented default file and the
 * documentation come from here (SHAPES section 2). */
#include "issuer/config.h"

#include "issuer/tee/tee.h"

static const struct vd_setting own[] = {
    { .key = "passport.issuer",
      .type = VD_SET_STR,
      .def = "vidimus-issuer",
      .help = "Value of `iss` in passports. Brokers name it in their [[trusted_issuer]]; give each "
              "issuer a "
              "name of its own, an URL as a rule." },
    { .key = "passport.lifetime",
      .type = VD_SET_U64,
      .def = "300",
      .min = 10,
      .max = VD_PASSPORT_SECONDS_MAX,
      .help = "Life of a passport in seconds." },
    { .key = "passport.alg",
      .type = VD_SET_ENUM,
      .def = "ES256",
      .choices = "ES256 ES384 EdDSA",
      .help = "Signature algorithm of passports. Trustee's verifiers know ES256 only." },
    { .key = "passport.key_file",
      .type = VD_SET_PATH,
      .def = "/var/lib/vidimus/issuer/passport.key",
      .help = "PEM file with a private key that signs passports. It is taken into the store once, "
              "sealed, and is the active key from then on; another file is taken in at the next "
              "start, and the keys before it retire. If the setting is written, `init` makes the "
              "file; else `init` makes a key in the store. It must not be the key of an "
              "administrator." },
    { .key = "passport.cert_file",
      .type = VD_SET_PATH,
      .help =
          "PEM file with a certificate chain for that key, leaf first. It goes into passports "
          "as x5c. While it is set, keys are not rotated: a new key would have no certificate." },
    { .key = "passport.pkcs11_module",
      .type = VD_SET_PATH,
      .help = "PKCS#11 module (shared object) of a token that makes and keeps the passport keys: "
              "ES256 or ES384. Needs the three settings that follow. passport.key_file is not "
              "made then." },
    { .key = "passport.pkcs11_token", .type = VD_SET_STR, .help = "Label of the token." },
    { .key = "passport.pkcs11_key_label",
      .type = VD_SET_STR,
      .help = "Label of the key pairs in the token: the first that is there is the first passport "
              "key, else one is made. Rotations make more of that label, and destroy those that "
              "have retired." },
    { .key = "passport.pkcs11_pin_file",
      .type = VD_SET_PATH,
      .help = "Private file whose first line is the PIN of the token's user." },
    { .key = "passport.publish_before",
      .type = VD_SET_U64,
      .def = "600",
      .min = 0,
      .max = 86400,
      .help = "Seconds for which a new key is published before it signs: longer than brokers keep "
              "the key set." },
    { .key = "passport.rotate_every",
      .type = VD_SET_U64,
      .def = "0",
      .min = 0,
      .max = 315360000,
      .help = "Seconds for which a key signs before the next one takes over by itself. 0: only by "
              "command (vidimus key rotate)." },
    { .key = "passport.jwks_max_age",
      .type = VD_SET_U64,
      .def = "300",
      .min = 1,
      .max = 3600,
      .help = "Seconds for which brokers may keep the key set (Cache-Control). A key that no "
              "longer signs stays published for the life of its passports, limits.leeway and this "
              "long." },
    { .key = "revocation.key_file",
      .type = VD_SET_PATH,
      .help =
          "PEM file with the private key that signs revocation statements; `init` makes it. It "
          "is taken into the store, sealed, like passport.key_file, and rotated by `vidimus key "
          "rotate --revocation`. Unset: the store makes the first key. It signs nothing "
          "else." },
    { .key = "passport.event_logs",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Put whole event logs into passports. They make passports of 50 to 90 KB, which "
              "guests and proxies "
              "may not carry; policies see them in any case." },
    { .key = "passport.max_bytes",
      .type = VD_SET_U64,
      .def = "49152",
      .min = 4096,
      .max = 65536,
      .help = "A passport that would be larger is refused." },
    { .key = "challenge.lifetime",
      .type = VD_SET_U64,
      .def = "300",
      .min = 10,
      .max = 900,
      .help = "Seconds between /auth and /attest." },
    { .key = "as.enabled",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Serve the attestation service's REST surface (/attestation, /challenge, /policy) on "
              "the guest plane. "
              "Its passports prove no freshness of ours and say so." },
    { .key = "limits.relays",
      .type = VD_SET_STRS,
      .def = "[]",
      .help = "Addresses of brokers that relay for their guests (IPv4 address, or IPv6 /64 as the "
              "log shows it): "
              "limits.relays_per_source counts for them." },
};

size_t iss_settings(struct vd_setting out[ISS_SETTINGS_MAX])
{
    const size_t n = sizeof own / sizeof own[0];
    memcpy(out, own, sizeof own);
    size_t more = iss_tee_settings(out + n, ISS_SETTINGS_MAX - n);
    return n + more > ISS_SETTINGS_MAX ? 0 : n + more;
}
