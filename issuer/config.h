/* Settings of the issuer: its own rows and those that the TEE drivers and collateral bring. */
#pragma once

#include "shared/program/config.h"

enum { ISS_SETTINGS_MAX = 256 };

/* Fills `out`; the number of rows, or 0 when they are more than fit. */
size_t iss_settings(struct vd_setting out[ISS_SETTINGS_MAX]);
