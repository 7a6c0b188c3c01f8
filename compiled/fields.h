/* A field as it stands in a JSON text, and as it is: first how long that is, then its bytes. */
#ifndef CSVKAFKA_FIELDS_H
#define CSVKAFKA_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rows.h"

/* Most texts and fields are short: a copy of fixed size costs a fraction of a call of memcpy. It may
 * write up to SLACK bytes too many, for which there is room, and reads them only before `limit`. */
enum { SLACK = 16 };

static inline byte *put(byte *to, const byte *from, size_t size, const byte *limit)
{
    if (size <= SLACK && limit - from >= SLACK) {
        memcpy(to, from, SLACK);
    } else {
        memcpy(to, from, size);
    }
    return to + size;
}

/* -- characters ---------------------------------------------------------------------------------- */

static inline size_t escaped_size(byte c)
{
    return ESCAPES[c] == 0 ? 1 : ESCAPES[c] == 'u' ? 6 : 2;
}

static inline byte *put_escaped(byte *to, byte c)
{
    const byte escape = ESCAPES[c];
    if (escape == 0) {
        *to++ = c;
        return to;
    }
    *to++ = '\\';
    *to++ = escape;
    if (escape == 'u') {
        *to++ = '0';
        *to++ = '0';
        *to++ = (byte)('0' + (c >> 4));
        *to++ = (byte)"0123456789abcdef"[c & 15];
    }
    return to;
}

/* Goes through the characters of an oddly quoted field. */
typedef struct {
    const byte *at;
    const byte *end;
    int quote;
    int is_inside;
} Characters;

static inline Characters characters_of(const Field *field, int quote)
{
    return (Characters){field->start + 1, field->start + field->size, quote, 1};
}

/* The next one, a byte of UTF-8; -1 at the end. */
static int next_character(Characters *characters)
{
    while (characters->at < characters->end) {
        const byte c = *characters->at++;
        if (!characters->is_inside || c != characters->quote) {
            return c;
        }
        if (characters->at < characters->end && *characters->at == characters->quote) {
            characters->at++;
            return c;
        }
        characters->is_inside = 0;
    }
    return -1;
}

/* -- fields -------------------------------------------------------------------------------------- */

static size_t raw_size(const Field *field, int quote)
{
    if (!(field->kind & QUOTED_ODDLY)) {
        return field->size;
    }
    Characters characters = characters_of(field, quote);
    size_t size = 0;
    while (next_character(&characters) >= 0) {
        size++;
    }
    return size;
}

static byte *put_raw(byte *to, const Field *field, int quote)
{
    if (!(field->kind & QUOTED_ODDLY)) {
        memcpy(to, field->start, field->size);
        return to + field->size;
    }
    Characters characters = characters_of(field, quote);
    int c;
    while ((c = next_character(&characters)) >= 0) {
        *to++ = (byte)c;
    }
    return to;
}

static inline size_t json_size(const Field *field, int quote)
{
    size_t size = 0;
    if (field->kind == 0) {
        return field->size;
    }
    if (field->kind & QUOTED_ODDLY) {
        Characters characters = characters_of(field, quote);
        int c;
        while ((c = next_character(&characters)) >= 0) {
            size += escaped_size((byte)c);
        }
        return size;
    }
    for (uint32_t i = 0; i < field->size; i++) {
        size += escaped_size(field->start[i]);
    }
    return size;
}

static inline byte *put_json(byte *to, const Field *field, int quote, const byte *limit)
{
    if (field->kind == 0) {
        return put(to, field->start, field->size, limit);
    }
    if (field->kind & QUOTED_ODDLY) {
        Characters characters = characters_of(field, quote);
        int c;
        while ((c = next_character(&characters)) >= 0) {
            to = put_escaped(to, (byte)c);
        }
        return to;
    }
    for (uint32_t i = 0; i < field->size; i++) {
        to = put_escaped(to, field->start[i]);
    }
    return to;
}

#endif
