/* Options of the verbs that work without a server (verify, collateral): one table of rows for
 * parsing and for the help. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/base/err.h"

struct iss_option {
    const char *name;  /* "--config" */
    size_t at;         /* offset of its `const char *` in the verb's struct, or ISS_OPTION_SET */
    const char *value; /* what stands behind it, for the help */
    const char *help;
};
#define ISS_OPTION_SET SIZE_MAX /* "--set": may be repeated, goes to the list */

struct iss_options {
    const struct iss_option *row;
    size_t n;
    void *into;       /* the verb's struct; values are borrowed from argv */
    const char **set; /* room for argc */
    size_t *n_set;
};
/* argv[*at] as "--name VALUE" or "--name=VALUE"; *at is moved to the value. *ret_taken false: it is
 * none of the rows. VD_E_CONFIG: without a value, or given twice. */
vd_rc iss_options_take(const struct iss_options *o, int argc, char **argv, int *at, bool *ret_taken,
                       vd_err *err);
/* The rows to standard output, names in a column of this width. */
void iss_options_print(const struct iss_option *row, size_t n, int width);
