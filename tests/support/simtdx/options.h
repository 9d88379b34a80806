/* Options of the program simtdx. */
#pragma once

#include "tests/support/simcli/simcli.h"
#include "tests/support/simtdx/simtdx.h"

struct simtdx_args {
    const char *verb;
    const char *pki;
    const char *out;
    bool bundle;
    bool sgx;
    bool without_log;
    bool altered_log; /* the log is not the one that the registers hold */
    size_t log_size;
    struct simtdx_pck pck;
    struct simtdx_quote quote;
    struct simtdx_collateral collateral;
};
/* Ends the process with a message when an option is wrong. */
void simtdx_options(int argc, char **argv, struct simtdx_args *ret);
