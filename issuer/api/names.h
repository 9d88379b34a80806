/* Names that administrators give. */
#pragma once

#include "shared/base/span.h"

/* Policy ids: 1 to 200 of [A-Za-z0-9._-], no dot first (they are path segments and file names of
 * exports). */
bool iss_policy_name_ok(vd_span name);
