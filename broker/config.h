/* Settings of the broker alone; the common ones are in shared/program/settings.c. */
#pragma once

#include "shared/program/config.h"

extern const struct vd_setting brk_settings[];
extern const size_t brk_settings_n;
