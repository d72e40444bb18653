// Linked into every program that packaging/sanitize builds for ThreadSanitizer, and into no other.
//
// Problem: Synchronization.Mutex is a word that is taken and given back by compare-and-exchange. The compiler puts that fast
// path into our own code, where ThreadSanitizer sees it. When two threads meet, the mutex calls its slow path in
// libswiftSynchronization.so, which lets the kernel change the word (futex(2), FUTEX_LOCK_PI) and was not built for
// ThreadSanitizer. It then sees no order between the two threads and reports a race at each such meeting.
//
// Design: the functions of the slow path are defined here once more. The linker prefers a program's own definition to that of
// a shared library, so the calls arrive here; they are handed on, and ThreadSanitizer is told what the mutex promises: what
// happened before an unlock happened before the next lock of the same word. The address is the one that the fast path uses, so
// both paths share one history. Nothing is hidden by it: the order is the one there is. No source file knows of it, and the
// other builds have the mutex as it is.
//
// Limit: the three names belong to Swift's library, which promises them on Darwin and not on Linux. Should a future one rename
// them, false reports come back and none is lost; packaging/sanitize tries it out first, with Check.swift.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

// Synchronization._MutexHandle._lockSlow(UInt32), _unlockSlow(), _tryLockSlow() -> Bool
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define TRY_LOCK_SLOW "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"

SWIFT void pail_lock_slow(uint32_t thread, SELF void *word) __asm__(LOCK_SLOW);
SWIFT void pail_unlock_slow(SELF void *word) __asm__(UNLOCK_SLOW);
SWIFT bool pail_try_lock_slow(SELF void *word) __asm__(TRY_LOCK_SLOW);

// Of the ThreadSanitizer runtime.
void __tsan_acquire(void *address);
void __tsan_release(void *address);

// The library's own function. dlsym(3) at each call: a few hundred nanoseconds where a thread has to wait anyway.
static void *original(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) {
        fprintf(stderr, "packaging/sanitizers/thread.c: libswiftSynchronization has no %s\n", name);
        abort();
    }
    return function;
}

SWIFT void pail_lock_slow(uint32_t thread, SELF void *word) {
    ((SWIFT void (*)(uint32_t, SELF void *))original(LOCK_SLOW))(thread, word);
    __tsan_acquire(word);
}

SWIFT void pail_unlock_slow(SELF void *word) {
    __tsan_release(word);
    ((SWIFT void (*)(SELF void *))original(UNLOCK_SLOW))(word);
}

SWIFT bool pail_try_lock_slow(SELF void *word) {
    if (!((SWIFT bool (*)(SELF void *))original(TRY_LOCK_SLOW))(word)) return false;
    __tsan_acquire(word);
    return true;
}

// Options that hold for programs with a cleared environment too. TSAN_OPTIONS goes over them.
const char *__tsan_default_options(void) { return "second_deadlock_stack=1:history_size=4"; }

// Reports that are wrong, each with its reason. Names of globals and functions as in the report.
const char *__tsan_default_suppressions(void) {
    return
        // SystemRandomNumberGenerator has no bytes. Passed inout, it has no address either: the compiler passes whatever the
        // register holds, the witness table in the next argument's place, and tells ThreadSanitizer of a change there.
        "race:^$ss27SystemRandomNumberGeneratorVSGsWP$\n"
        // The one object that all empty arrays share. Array(unsafeUninitializedCapacity: 0) notes the count 0 in it, which it
        // holds already; the library's code for it is compiled into ours.
        "race:^_swiftEmptyArrayStorage$\n";
}
