/* Threads of servers: signals are for main's thread. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* As pthread_create, with every signal blocked in the new thread. attr may be NULL. */
bool vd_thread_start(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

/* Processors that this process may run on; at least 1. */
unsigned vd_processors(void);
