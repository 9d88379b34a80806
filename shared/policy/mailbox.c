/* See mailbox.h. */
#include "shared/policy/mailbox.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int vd_mail_create(void)
{
    int fd = memfd_create("vd-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, sizeof(struct vd_mail)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

struct vd_mail *vd_mail_map(int fd)
{
    void *p = mmap(NULL, sizeof(struct vd_mail), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

void vd_mail_unmap(struct vd_mail *m)
{
    if (m)
        (void)munmap(m, sizeof *m);
}

bool vd_slot_post(struct vd_slot *s, vd_span frame)
{
    bool fits = frame.n <= sizeof s->bytes;
    if (fits && frame.n)
        memcpy(s->bytes, frame.p, frame.n);
    atomic_store(&s->n, fits ? (uint32_t)frame.n : 0);
    atomic_fetch_add(&s->posted, 1);
    (void)syscall(SYS_futex, &s->posted, FUTEX_WAKE, 1, NULL, NULL, 0);
    return fits;
}

bool vd_slot_wait(struct vd_slot *s, uint32_t number, int64_t nanoseconds)
{
    const struct timespec most = { nanoseconds / 1000000000, nanoseconds % 1000000000 };
    uint32_t now = atomic_load(&s->posted);
    if (now == number || nanoseconds == 0)
        return now == number;
    (void)syscall(SYS_futex, &s->posted, FUTEX_WAIT, now, nanoseconds < 0 ? NULL : &most, NULL, 0);
    return atomic_load(&s->posted) == number;
}
