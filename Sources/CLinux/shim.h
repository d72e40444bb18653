// What Linux has and Swift's Glibc module leaves out, because it is declared under _GNU_SOURCE only.
#ifndef PAIL_CLINUX_SHIM_H
#define PAIL_CLINUX_SHIM_H

#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/xattr.h>

extern const char *strerrorname_np(int error);
extern int fallocate64(int fd, int mode, int64_t offset, int64_t length);
extern int memfd_create(const char *name, unsigned int flags);

// fallocate(2) with FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE: gives a range of a file back to the disk.
static inline int pail_punch_hole(int fd, int64_t offset, int64_t length) {
    return fallocate64(fd, 0x02 | 0x01, offset, length);
}

// memfd_create(2) with MFD_CLOEXEC: a file in memory.
static inline int pail_memory_file(const char *name) { return memfd_create(name, 1); }

// mallopt(3): from which size on a block is a mapping of its own, given back when it is freed, and how much free memory the heap's end may
// hold. glibc's; elsewhere nothing is set.
static inline void pail_map_blocks_from(int bytes) {
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
    mallopt(M_MMAP_THRESHOLD, bytes);
    mallopt(M_TRIM_THRESHOLD, bytes);
#else
    (void)bytes;
#endif
}

// malloc_trim(3): gives free pages of the heap back to the system.
static inline void pail_trim_heap(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

// strerrorname_np(3): "ENOENT"; NULL for what is no errno.
static inline const char *pail_errno_name(int error) { return error > 0 ? strerrorname_np(error) : 0; }

// waitid(2): a child that has ended and that nobody has waited for; it stays as it is. 0 where there is none.
static inline pid_t pail_ended_child(void) {
    siginfo_t info = {0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid : 0;
}

#endif
