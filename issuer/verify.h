/* The verb `verify`: one piece of evidence through the same drivers, policies and reference values
 * as a server's /attest, without a server and without the network. For auditors, owners and tests.
 */
#pragma once

#include "issuer/appraise/appraise.h"
#include "issuer/appraise/initdata.h"
#include "issuer/tee/tee.h"

/* argv[0] is the verb. Exit: 0 verified, 8 refused, 1 wrong options or a file that cannot be read.
 */
int iss_verify_verb(int argc, char **argv);

struct iss_verify_options {
    const char *tee;
    const char *config;
    const char **set; /* NULL-terminated; owned */
    size_t n_set;
    const char *report_data;
    const char *runtime_data;
    const char *init_data;
    const char *policy;
    const char *refvalues;
    const char *vcek;
    const char *collateral;
    const char *event_log;
    const char *at;
    const char *evidence;
    bool json;
    bool help;
};
/* VD_E_CONFIG with the line for the operator. */
vd_rc iss_verify_options_parse(int argc, char **argv, struct iss_verify_options *ret, vd_err *err);
void iss_verify_help(void);

/* Everything that is printed. */
struct iss_verdict {
    const char *tee;
    const char *file;
    int64_t at;
    const struct iss_claims_list *list;
    const struct iss_appraisals *appraisals; /* NULL: not reached */
    bool verified;                           /* the driver accepted */
    bool appraised;                          /* and the policies gave a vector */
    const vd_err *err;                       /* why not */
    bool data_bound;                         /* report data was compared with something */
    vd_span notes;                           /* lines: collateral that was not used, and why */
};
/* VD_E_FILE when standard output cannot be written. */
vd_rc iss_verify_print(const struct iss_verdict *v, bool json, vd_err *err);
