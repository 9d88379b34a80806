/* Memory that a server and one of its policy workers share. A frame that fits goes through it, with
 * a futex for a bell: half of what a socket costs. A longer one goes over the socket; the mailbox
 * says so. The worker can write to all of it at any time: the server copies before it looks. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/span.h"

enum { VD_MAIL_FRAME = 32 << 10 };

/* One direction. */
struct vd_slot {
    _Atomic uint32_t posted; /* frames so far: the futex */
    _Atomic uint32_t n;      /* bytes of the last; 0: it is on the socket */
    uint8_t bytes[VD_MAIL_FRAME];
};
struct vd_mail {
    struct vd_slot ask;
    struct vd_slot tell;
};

/* Memory as a descriptor whose size cannot be changed any more: touching what was cut off would end
 * the server. -1 with errno. */
int vd_mail_create(void);
/* NULL with errno. Unmap with vd_mail_unmap. */
struct vd_mail *vd_mail_map(int fd);
void vd_mail_unmap(struct vd_mail *m); /* NULL: nothing */

/* True: the frame lies in the slot. False: it is too long and has to be written to the socket; its
 * reader is woken to read it there. */
bool vd_slot_post(struct vd_slot *s, vd_span frame);
/* Waits until `posted` is the number that is asked for. nanoseconds: at most so long; negative: no
 * end. Returns whether it is. */
bool vd_slot_wait(struct vd_slot *s, uint32_t number, int64_t nanoseconds);
