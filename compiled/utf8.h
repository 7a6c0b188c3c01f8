/* Whether bytes are UTF-8, as Python's strict decoder says it: no overlong forms, no surrogates,
 * nothing above U+10FFFF. */
#ifndef CSVKAFKA_UTF8_H
#define CSVKAFKA_UTF8_H

#include <stdint.h>
#include <string.h>

static inline int is_continuation(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* The size of the character that begins at `at` with a byte above 0x7f; 0 if there is none. */
static inline int character_size(const uint8_t *at, const uint8_t *end)
{
    const uint8_t lead = at[0];
    if (lead < 0xc2 || lead > 0xf4 || end - at < 2 || !is_continuation(at[1])) {
        return 0;
    }
    if (lead < 0xe0) {
        return 2;
    }
    if (end - at < 3 || !is_continuation(at[2])) {
        return 0;
    }
    if (lead < 0xf0) {
        const int is_overlong = lead == 0xe0 && at[1] < 0xa0;
        const int is_surrogate = lead == 0xed && at[1] > 0x9f;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    const int is_overlong = lead == 0xf0 && at[1] < 0x90;
    const int is_above_all = lead == 0xf4 && at[1] > 0x8f;
    return end - at < 4 || !is_continuation(at[3]) || is_overlong || is_above_all ? 0 : 4;
}

static int is_utf8(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint64_t word;
        while (end - at >= 8 && (memcpy(&word, at, 8), (word & 0x8080808080808080u) == 0)) {
            at += 8;
        }
        while (at < end && *at < 0x80) {
            at++;
        }
        while (at < end && *at >= 0x80) {
            const int size = character_size(at, end);
            if (size == 0) {
                return 0;
            }
            at += size;
        }
    }
    return 1;
}

#endif
