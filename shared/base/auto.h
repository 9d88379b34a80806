/* Ownership helpers: cleanup attributes and the move out of a local. Source: house style,
 * section 3. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VD_DEFINE_CLEANUP(type, fn)                                                                \
    static inline void fn##_p(type **pp)                                                           \
    {                                                                                              \
        if (*pp)                                                                                   \
            fn(*pp);                                                                               \
        *pp = NULL;                                                                                \
    }
#define VD_AUTO(fn) __attribute__((cleanup(fn##_p)))
#define VD_TAKE(ptr)                                                                               \
    __extension__({                                                                                \
        __typeof__(ptr) take_ = (ptr);                                                             \
        (ptr) = NULL;                                                                              \
        take_;                                                                                     \
    })

/* libc: VD_AUTO(free) works on any object pointer. */
static inline void free_p(void *pp)
{
    void **p = (void **)pp;
    free(*p);
    *p = NULL;
}
VD_DEFINE_CLEANUP(FILE, fclose)

/* A descriptor: VD_AUTO_FD int fd = -1; */
static inline void vd_fd_done(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
#define VD_AUTO_FD __attribute__((cleanup(vd_fd_done)))
static inline int vd_fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
