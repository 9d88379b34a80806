/* Targets vd_toml_to_json: what is accepted must be JSON for the strict reader (NUL in strings,
 * which it refuses, excepted), and so must the lines. */
#include <stdlib.h>

#include "shared/codec/json.h"
#include "shared/codec/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool readable(vd_span text)
{
    struct vd_json *j = NULL;
    const struct vd_json_limits limits = { text.n, 80, UINT32_MAX / 64 };
    bool nul = memmem(text.p, text.n, "\\u0000", 6) != NULL;
    bool ok = vd_json_parse(text, &limits, &j, NULL).code == VD_E_OK;
    vd_json_free(j);
    return ok || nul;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_AUTO_BUF json = vd_buf_of(1u << 20);
    VD_AUTO_BUF lines = vd_buf_of(1u << 20);
    vd_err err = { 0 };
    if (vd_toml_to_json(vd_span_of(data, size), &json, &lines, &err).code != VD_E_OK) {
        if (err.code == VD_E_INTERNAL)
            abort();
        return 0;
    }
    if (!readable(vd_buf_span(&json)) || !readable(vd_buf_span(&lines)))
        abort();
    return 0;
}
