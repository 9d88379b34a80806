/* Names and tiers of the EAR trustworthiness vector. */
#include "shared/wire/ear.h"

static const char *const claim_names[] = {
#define VD_EAR_CLAIM_NAME(sym, name) [VD_EAR_##sym] = name,
    VD_EAR_CLAIMS(VD_EAR_CLAIM_NAME)
#undef VD_EAR_CLAIM_NAME
};
_Static_assert(sizeof claim_names / sizeof claim_names[0] == VD_EAR_CLAIM_MAX,
               "every claim has a name");

static const char *const tier_names[] = {
    [VD_EAR_NONE] = "none",
    [VD_EAR_AFFIRMING] = "affirming",
    [VD_EAR_WARNING] = "warning",
    [VD_EAR_CONTRAINDICATED] = "contraindicated",
};
_Static_assert(sizeof tier_names / sizeof tier_names[0] == VD_EAR_TIER_MAX,
               "every tier has a name");

const char *vd_ear_claim_name(enum vd_ear_claim c)
{
    return claim_names[c];
}

int vd_ear_claim_by_name(vd_span name)
{
    for (int i = 0; i < VD_EAR_CLAIM_MAX; i++)
        if (vd_span_eq_str(name, claim_names[i]))
            return i;
    return -1;
}

enum vd_ear_tier vd_ear_tier_of(int8_t value)
{
    if (value >= -1 && value <= 1)
        return VD_EAR_NONE;
    if (value >= -32 && value <= 31)
        return VD_EAR_AFFIRMING;
    if (value >= -96 && value <= 95)
        return VD_EAR_WARNING;
    return VD_EAR_CONTRAINDICATED;
}

const char *vd_ear_tier_name(enum vd_ear_tier t)
{
    return tier_names[t];
}

int vd_ear_tier_by_name(vd_span name)
{
    for (int i = 0; i < VD_EAR_TIER_MAX; i++)
        if (vd_span_eq_str(name, tier_names[i]))
            return i;
    return -1;
}
