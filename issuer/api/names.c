/* Names that administrators give; see names.h. */
#include "issuer/api/names.h"

#include "issuer/appraise/appraise.h"

bool iss_policy_name_ok(vd_span name)
{
    if (name.n == 0 || name.n > ISS_POLICY_BASE || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
        if (!ok)
            return false;
    }
    return true;
}
