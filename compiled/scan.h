/* Finds the bytes that matter, 64 at a time: delimiters, quotes, line ends, what JSON escapes.
 *
 * No byte outside of what is scanned is read: the last ones are copied into a padded window.
 */
#ifndef CSVKAFKA_SCAN_H
#define CSVKAFKA_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef uint8_t byte;

enum { WINDOW = 64 };

/* Up to four bytes that are looked for, and the control characters too if `controls`. */
typedef struct {
    byte wanted[4];
    int controls;
} Alphabet;

/* Bit i: byte i of the window is one of the alphabet. */
static uint64_t matches(const byte *window, const Alphabet *alphabet)
{
#if defined(__SSE2__)
    const __m128i a = _mm_set1_epi8((char)alphabet->wanted[0]);
    const __m128i b = _mm_set1_epi8((char)alphabet->wanted[1]);
    const __m128i c = _mm_set1_epi8((char)alphabet->wanted[2]);
    const __m128i d = _mm_set1_epi8((char)alphabet->wanted[3]);
    const __m128i last_control = _mm_set1_epi8(alphabet->controls ? 0x1f : 0);
    uint64_t bits = 0;
    for (int i = 0; i < WINDOW; i += 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(window + i));
        __m128i m = _mm_or_si128(_mm_cmpeq_epi8(v, a), _mm_cmpeq_epi8(v, b));
        m = _mm_or_si128(m, _mm_or_si128(_mm_cmpeq_epi8(v, c), _mm_cmpeq_epi8(v, d)));
        if (alphabet->controls) {
            m = _mm_or_si128(m, _mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v));
        }
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(m) << i;
    }
    return bits;
#elif defined(__ARM_NEON) && defined(__aarch64__)
    static const byte weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t weight = vld1q_u8(weights);
    uint64_t bits = 0;
    for (int i = 0; i < WINDOW; i += 16) {
        const uint8x16_t v = vld1q_u8(window + i);
        uint8x16_t m = vceqq_u8(v, vdupq_n_u8(alphabet->wanted[0]));
        for (int k = 1; k < 4; k++) {
            m = vorrq_u8(m, vceqq_u8(v, vdupq_n_u8(alphabet->wanted[k])));
        }
        if (alphabet->controls) {
            m = vorrq_u8(m, vcltq_u8(v, vdupq_n_u8(0x20)));
        }
        m = vandq_u8(m, weight);
        const uint64_t low = vaddv_u8(vget_low_u8(m));
        const uint64_t high = vaddv_u8(vget_high_u8(m));
        bits |= (low | high << 8) << i;
    }
    return bits;
#else
    uint64_t bits = 0;
    for (int i = 0; i < WINDOW; i++) {
        const byte v = window[i];
        const int hit = v == alphabet->wanted[0] || v == alphabet->wanted[1]
                        || v == alphabet->wanted[2] || v == alphabet->wanted[3]
                        || (alphabet->controls && v < 0x20);
        bits |= (uint64_t)hit << i;
    }
    return bits;
#endif
}

/* Goes through the bytes of an alphabet, from left to right. */
typedef struct {
    const byte *window;
    const byte *end;
    uint64_t bits;
    Alphabet alphabet;
} Scan;

static uint64_t matches_before_end(const Scan *scan)
{
    const size_t left = (size_t)(scan->end - scan->window);
    if (left >= WINDOW) {
        return matches(scan->window, &scan->alphabet);
    }
    byte padded[WINDOW] = {0};
    memcpy(padded, scan->window, left);
    return matches(padded, &scan->alphabet) & (((uint64_t)1 << left) - 1);
}

static void scan_from(Scan *scan, const byte *begin, const byte *end)
{
    scan->window = begin;
    scan->end = end;
    scan->bits = begin < end ? matches_before_end(scan) : 0;
}

/* The next byte of the alphabet, or `end`. */
static inline const byte *next(Scan *scan)
{
    while (scan->bits == 0) {
        if (scan->end - scan->window <= WINDOW) {
            return scan->end;
        }
        scan->window += WINDOW;
        scan->bits = matches_before_end(scan);
    }
    const byte *found = scan->window + __builtin_ctzll(scan->bits);
    scan->bits &= scan->bits - 1;
    return found;
}

#endif
