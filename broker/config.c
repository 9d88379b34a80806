/* Settings of the broker: [accept], [[trusted_issuer]], [relay], [release] (SHAPES section 2). */
#include "broker/config.h"

const struct vd_setting brk_settings[] = {
    { .key = "accept.audience",
      .type = VD_SET_STRS,
      .def = "[]",
      .help =
          "Names of this broker. A passport with an aud is accepted only if one of its members "
          "equals "
          "one of them; with none configured it is refused. The first is what a relay asks for." },
    { .key = "trusted_issuer[].name",
      .type = VD_SET_STR,
      .required = true,
      .help = "Name of the entry in logs, records and the API: [A-Za-z0-9._-], at most 64." },
    { .key = "trusted_issuer[].issuer",
      .type = VD_SET_STR,
      .required = true,
      .help = "The iss of its passports, byte for byte. \"\" means passports without iss (Trustee "
              "before "
              "v0.21) and needs assume_freshness." },
    { .key = "trusted_issuer[].jwks_file",
      .type = VD_SET_PATH,
      .help = "JWK set file with its public keys. This, or jwks_url, or ca_file." },
    { .key = "trusted_issuer[].jwks_url",
      .type = VD_SET_STR,
      .help = "URL of its JWK set, https:// (http:// only to this machine). Fetched again by the "
              "answer's "
              "max-age, and at most every 10 seconds when a passport names an unknown key." },
    { .key = "trusted_issuer[].jwks_url_ca",
      .type = VD_SET_PATH,
      .help = "PEM file: CA of the server behind jwks_url and revocation_url. Default: the "
              "system's." },
    { .key = "trusted_issuer[].revocation_url",
      .type = VD_SET_STR,
      .help =
          "URL of its revocation statement (an issuer of ours: /.well-known/vidimus-revocation). "
          "Fetched every 15 seconds, as jwks_url then is; what it revokes is refused from the "
          "next request on." },
    { .key = "trusted_issuer[].require_revocation",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Refuse its passports while there is no statement that is still good (they live 120 "
              "seconds)." },
    { .key = "trusted_issuer[].ca_file",
      .type = VD_SET_PATH,
      .help = "PEM file: CA of certificates in x5c of the passport's header. Needs leaf_name." },
    { .key = "trusted_issuer[].leaf_name",
      .type = VD_SET_STR,
      .help =
          "Name that the leaf certificate must have: a DNS name of its SAN, or its common name." },
    { .key = "trusted_issuer[].algs",
      .type = VD_SET_STRS,
      .required = true,
      .help = "Signature algorithms: ES256, ES384, ES512, EdDSA, RS256, PS256, PS384; [\"*\"] for "
              "all." },
    { .key = "trusted_issuer[].tees",
      .type = VD_SET_STRS,
      .required = true,
      .help = "TEEs that it may vouch for, as the KBS protocol names them; every device of a "
              "passport must "
              "be one of them. [\"*\"] for all." },
    { .key = "trusted_issuer[].repositories",
      .type = VD_SET_STRS,
      .required = true,
      .help =
          "Repositories (first path segment) that its passports are good for. [\"*\"] for all." },
    { .key = "trusted_issuer[].policies",
      .type = VD_SET_STRS,
      .def = "[\"default\"]",
      .help =
          "Attestation policies whose results count: id, or id@sha256 (hex) for one exact text." },
    { .key = "trusted_issuer[].require_audience",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Refuse passports without aud. Unmodified guests cannot ask for one." },
    { .key = "trusted_issuer[].max_lifetime",
      .type = VD_SET_U64,
      .def = "900",
      .min = 1,
      .max = 631152000,
      .help = "Longest exp - iat of its passports in seconds. Above a day every start warns." },
    { .key = "trusted_issuer[].accept_freshness",
      .type = VD_SET_STRS,
      .def = "[\"issuer-nonce\"]",
      .help = "Kinds of freshness that are accepted: issuer-nonce, caller-data, none." },
    { .key = "trusted_issuer[].accept_simulated",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept passports about simulated TEEs. For tests only." },
    { .key = "trusted_issuer[].assume_freshness",
      .type = VD_SET_ENUM,
      .choices = "issuer-nonce caller-data none",
      .help =
          "What to take passports for that do not say (another product's). Default: refuse them." },
    { .key = "relay.issuer_url",
      .type = VD_SET_STR,
      .help = "URL of an issuer to which /kbs/v0/auth and /kbs/v0/attest are handed, for guests "
              "that know one "
              "URL. Unset: both are 404." },
    { .key = "relay.trusted_issuer",
      .type = VD_SET_STR,
      .help = "Name of the trusted issuer that relay.issuer_url is." },
    { .key = "relay.ca_file",
      .type = VD_SET_PATH,
      .help = "PEM file: CA of the server behind relay.issuer_url. Default: the system's." },
    { .key = "release.denial_status",
      .type = VD_SET_U64,
      .def = "403",
      .min = 401,
      .max = 403,
      .help = "Status of a denial by policy. 403 ends a client's attempt at once; 401 is "
              "Trustee's, and makes "
              "clients attest again several times." },
    { .key = "release.allow_rsa1_5",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Encrypt to TEE keys that ask for RSA1_5 (guests of 2024 and older)." },
};
const size_t brk_settings_n = sizeof brk_settings / sizeof *brk_settings;
