/* Which reference values the evaluations of a policy asked for, so that the next request can carry
 * their values: lists of names that were asked for together. A policy asks for other names for
 * another kind of evidence, hence several lists. Wrong guesses cost a round trip, nothing else. */
#pragma once

#include <pthread.h>

#include "shared/base/buf.h"

enum { VD_NAMES_LISTS = 8, VD_NAMES_EACH = 64, VD_NAMES_BYTES = 8192 };

struct vd_names {
    pthread_mutex_t lock;
    vd_buf list[VD_NAMES_LISTS]; /* names, each with its length in front */
    unsigned n;
    unsigned last; /* the list of the evaluation before */
};

void vd_names_init(struct vd_names *n);
void vd_names_done(struct vd_names *n);
/* Appends the list that the next evaluation will most likely ask for. */
void vd_names_likely(struct vd_names *n, vd_buf *ret);
/* Appends the list that has this name, if there is one. */
void vd_names_beside(struct vd_names *n, vd_span name, vd_buf *ret);
/* The names that an evaluation asked for, in order. */
void vd_names_learn(struct vd_names *n, vd_span list);

void vd_names_add(vd_buf *list, vd_span name);
/* The next name of a list; false at its end. */
bool vd_names_next(vd_rd *r, vd_span *ret);
