// CRC-32C (Castagnoli; RFC 3720, appendix B.4): by the processor's own instruction where there is one (SSE 4.2, ARMv8 CRC),
// found out at run time, else by a table of 8 x 256 entries.
//
// The instruction takes 8 bytes in one cycle but its result comes 3 cycles later. So three runs of equal length are summed
// side by side and joined: moving a sum over N zero bytes is a linear map, held as 4 tables of 256 entries for the two run
// lengths used.
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

enum { PAIL_CRC_LONG = 8192, PAIL_CRC_SHORT = 256 };

struct pail_crc_tables {
    uint32_t byte[8][256];
    uint32_t skip_long[4][256];
    uint32_t skip_short[4][256];
    int hardware;
};

// In a function, because Swift does not emit a header's variables.
static inline struct pail_crc_tables *pail_crc_state(void) {
    static struct pail_crc_tables tables;
    return &tables;
}

static inline uint32_t pail_crc_times(const uint32_t *matrix, uint32_t vector) {
    uint32_t sum = 0;
    for (; vector; vector >>= 1, matrix++)
        if (vector & 1) sum ^= *matrix;
    return sum;
}

static inline void pail_crc_square(uint32_t *square, const uint32_t *matrix) {
    for (int n = 0; n < 32; n++) square[n] = pail_crc_times(matrix, matrix[n]);
}

// The map "over `length` zero bytes", `length` a power of two, spread into tables by byte.
static inline void pail_crc_fill_skip(uint32_t table[4][256], size_t length) {
    uint32_t even[32], odd[32];
    odd[0] = 0x82F63B78u;  // one zero bit
    for (int n = 1; n < 32; n++) odd[n] = 1u << (n - 1);
    pail_crc_square(even, odd);  // two
    pail_crc_square(odd, even);  // four
    uint32_t *from = odd, *to = even;
    for (size_t done = length; done; done >>= 1) {  // the first squaring makes one byte
        pail_crc_square(to, from);
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 0; k < 4; k++) table[k][n] = pail_crc_times(from, n << (8 * k));
}

static inline void pail_crc_prepare(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
        pail_crc_state()->byte[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 1; k < 8; k++)
            pail_crc_state()->byte[k][n] = (pail_crc_state()->byte[k - 1][n] >> 8) ^ pail_crc_state()->byte[0][pail_crc_state()->byte[k - 1][n] & 255];
    pail_crc_fill_skip(pail_crc_state()->skip_long, PAIL_CRC_LONG);
    pail_crc_fill_skip(pail_crc_state()->skip_short, PAIL_CRC_SHORT);
#if defined(__x86_64__)
    __builtin_cpu_init();
    pail_crc_state()->hardware = __builtin_cpu_supports("sse4.2") != 0;
#elif defined(__aarch64__)
    pail_crc_state()->hardware = (getauxval(AT_HWCAP) & (1 << 7)) != 0;  // HWCAP_CRC32
#endif
}

static inline uint32_t pail_crc_software(uint32_t crc, const unsigned char *data, size_t count) {
    const struct pail_crc_tables *tables = pail_crc_state();
    while (count && ((uintptr_t)data & 7)) {
        crc = (crc >> 8) ^ tables->byte[0][(crc ^ *data++) & 255];
        count--;
    }
    while (count >= 8) {
        uint32_t low = crc ^ ((uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24);
        crc = tables->byte[7][low & 255] ^ tables->byte[6][(low >> 8) & 255] ^ tables->byte[5][(low >> 16) & 255]
            ^ tables->byte[4][low >> 24] ^ tables->byte[3][data[4]] ^ tables->byte[2][data[5]]
            ^ tables->byte[1][data[6]] ^ tables->byte[0][data[7]];
        data += 8;
        count -= 8;
    }
    while (count--) crc = (crc >> 8) ^ tables->byte[0][(crc ^ *data++) & 255];
    return crc;
}

static inline uint32_t pail_crc_skip(uint32_t table[4][256], uint32_t crc) {
    return table[0][crc & 255] ^ table[1][(crc >> 8) & 255] ^ table[2][(crc >> 16) & 255] ^ table[3][crc >> 24];
}

#if defined(__x86_64__)
#define PAIL_CRC_TARGET __attribute__((target("sse4.2")))
#define PAIL_CRC_STEP8(crc, word) __builtin_ia32_crc32di(crc, word)
#define PAIL_CRC_STEP1(crc, byte) __builtin_ia32_crc32qi((uint32_t)(crc), byte)
#elif defined(__aarch64__)
#define PAIL_CRC_TARGET __attribute__((target("crc")))
#define PAIL_CRC_STEP8(crc, word) __builtin_arm_crc32cd((uint32_t)(crc), word)
#define PAIL_CRC_STEP1(crc, byte) __builtin_arm_crc32cb((uint32_t)(crc), byte)
#endif

#if defined(PAIL_CRC_TARGET)
static inline uint64_t pail_crc_word(const unsigned char *data) {
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

PAIL_CRC_TARGET static inline uint32_t pail_crc_hardware(uint32_t start, const unsigned char *data, size_t count) {
    uint64_t crc = start;
    for (int pass = 0; pass < 2; pass++) {
        size_t run = pass ? PAIL_CRC_SHORT : PAIL_CRC_LONG;
        while (count >= 3 * run) {
            uint64_t second = 0, third = 0;
            for (size_t n = 0; n < run; n += 8) {
                crc = PAIL_CRC_STEP8(crc, pail_crc_word(data + n));
                second = PAIL_CRC_STEP8(second, pail_crc_word(data + run + n));
                third = PAIL_CRC_STEP8(third, pail_crc_word(data + 2 * run + n));
            }
            uint32_t(*table)[256] = pass ? pail_crc_state()->skip_short : pail_crc_state()->skip_long;
            crc = pail_crc_skip(table, (uint32_t)crc) ^ (uint32_t)second;
            crc = pail_crc_skip(table, (uint32_t)crc) ^ (uint32_t)third;
            data += 3 * run;
            count -= 3 * run;
        }
    }
    for (; count >= 8; data += 8, count -= 8) crc = PAIL_CRC_STEP8(crc, pail_crc_word(data));
    for (; count; data++, count--) crc = PAIL_CRC_STEP1(crc, *data);
    return (uint32_t)crc;
}
#endif

// The CRC-32C of what came before (`crc`, 0 at the start) and `count` more bytes.
static inline uint32_t pail_crc32c(uint32_t crc, const void *data, size_t count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, pail_crc_prepare);
#if defined(PAIL_CRC_TARGET)
    if (pail_crc_state()->hardware) return ~pail_crc_hardware(~crc, (const unsigned char *)data, count);
#endif
    return ~pail_crc_software(~crc, (const unsigned char *)data, count);
}

// The same by tables, whatever the processor has: for the test that compares the two.
static inline uint32_t pail_crc32c_tables(uint32_t crc, const void *data, size_t count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, pail_crc_prepare);
    return ~pail_crc_software(~crc, (const unsigned char *)data, count);
}
