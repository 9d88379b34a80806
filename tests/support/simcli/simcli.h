/* What the programs of the simulated guests (simsnp, simtdx) have in common: values of options, the
 * attester's request, what goes out. Each ends the process with a message when something is wrong.
 */
#pragma once

#include <stdint.h>

#include "shared/base/buf.h"

/* "PROGRAM: what: value (PROGRAM --help)"; value may be NULL. */
void sim_die(const char *what, const char *value) __attribute__((noreturn));

uint64_t sim_number(const char *text); /* decimal, 0x, 0 */
/* Fills the field from its start; what the text does not reach is zero. */
void sim_hex_field(const char *text, uint8_t *to, size_t n);
/* Digest by a name that begins with sha256, sha384 or sha512; 0: another name. */
size_t sim_digest(const char *name, vd_span in, uint8_t ret[64]);
/* The init data's digest, by the algorithm that the file names, filled up with zeros. */
size_t sim_init_data(const char *path, uint8_t digest[64]);
/* "report_data" of the attester's request on standard input: base64url, put at the start of the
 * field of 64 bytes. */
void sim_read_request(uint8_t report_data[64]);
/* To the file, or to standard output when path is NULL; returns 0, for main. */
int sim_write(const char *path, vd_span bytes);
