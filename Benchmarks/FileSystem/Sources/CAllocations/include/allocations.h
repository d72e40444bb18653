// Counts what the whole process allocates: calls of malloc(3) and its kin, and the bytes asked for.
//
// The functions below stand in the program itself, so the dynamic linker gives them to all libraries, Swift's runtime included; they
// call glibc's own, which stay reachable under other names. Counting is off at first and costs one look at a flag then.

#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

#include <stdint.h>

typedef struct {
    uint64_t calls; // allocations, and reallocations that may move
    uint64_t bytes; // asked for
} Allocations;

// From now on, from zero.
void allocations_start(void);

// Ends counting; returns what was counted, by all threads.
Allocations allocations_stop(void);

#endif
