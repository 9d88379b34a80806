/* The TEEs that prove nothing: `sample` and its device `sampledevice`, for trying the protocol out.
 * Compiled in with VD_WITH_SAMPLE only, off unless the configuration says so, marked as simulated
 * in every passport. */
#pragma once

#include "issuer/tee/tee.h"

extern const struct iss_tee iss_tee_sample;
extern const struct iss_tee iss_tee_sampledevice;
