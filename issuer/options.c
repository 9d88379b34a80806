/* Options with a value; see options.h. */
#include "issuer/options.h"

#include <stdio.h>
#include <string.h>

static vd_rc store(const struct iss_options *o, const struct iss_option *row, const char *value,
                   vd_err *err)
{
    if (row->at == ISS_OPTION_SET) {
        o->set[(*o->n_set)++] = value;
        return VD_OK;
    }
    const char **field = (const char **)(void *)((char *)o->into + row->at);
    if (*field)
        return vd_fail(err, VD_E_CONFIG, "%s is given twice", row->name);
    *field = value;
    return VD_OK;
}

vd_rc iss_options_take(const struct iss_options *o, int argc, char **argv, int *at, bool *ret_taken,
                       vd_err *err)
{
    *ret_taken = true;
    for (size_t i = 0; i < o->n; i++) {
        const struct iss_option *row = &o->row[i];
        size_t n = strlen(row->name);
        const char *arg = argv[*at];
        if (strncmp(arg, row->name, n) != 0 || (arg[n] != '\0' && arg[n] != '='))
            continue;
        if (arg[n] == '=')
            return store(o, row, arg + n + 1, err);
        if (*at + 1 >= argc)
            return vd_fail(err, VD_E_CONFIG, "%s needs a value (%s)", row->name, row->value);
        return store(o, row, argv[++*at], err);
    }
    *ret_taken = false;
    return VD_OK;
}

void iss_options_print(const struct iss_option *row, size_t n, int width)
{
    for (size_t i = 0; i < n; i++)
        (void)printf("  %-*s %-10s %s\n", width, row[i].name, row[i].value, row[i].help);
}
