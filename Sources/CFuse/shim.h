// libfuse3's low-level API as Swift can see it, and the Linux calls around it that Swift's Glibc module leaves out.
#pragma once
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <fuse3/fuse_log.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

// Declared by glibc only under _GNU_SOURCE, which cannot be defined for the headers that Swift has read already.
extern int pipe2(int descriptors[2], int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *deadline);
extern int sched_getaffinity(pid_t pid, size_t size, unsigned long *set);

// From libfuse 3.17 on fuse_session_new is a macro, which Swift does not import.
static inline struct fuse_session *pail_fuse_session_new(
    struct fuse_args *args, const struct fuse_lowlevel_ops *operations, void *userdata) {
    return fuse_session_new(args, operations, sizeof(struct fuse_lowlevel_ops), userdata);
}

// The flags as plain numbers: the headers have enumerations that Swift shows differently on each libc.
static inline int pail_eventfd(void) { return eventfd(0, EFD_CLOEXEC); }
static inline int pail_signalfd(const sigset_t *signals) { return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK); }
