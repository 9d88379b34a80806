/* Flow: how long a start takes with many secrets, and with a long audit record. */
#pragma once

#include "shared/codec/json.h"
#include "tests/bench/bench.h"

/* Kills and starts the broker several times; it runs again at the end. w: inside the array of
 * flows.
 */
bool restart_run(struct bench *b, vd_jw *w);
