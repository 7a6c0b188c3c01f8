/* A field's value by its declared type, as JSON, as the reference way makes it
 * (csvkafka/schema/types.py). What is not plainly of its type is refused: the reference way decides. */
#ifndef CSVKAFKA_VALUES_H
#define CSVKAFKA_VALUES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "columns.h"
#include "fields.h"
#include "numbers.h"
#include "times.h"

/* -- text ---------------------------------------------------------------------------------------- */

static inline int begins_character(byte c)
{
    return (c & 0xc0) != 0x80;
}

/* The text with a * for each character that is hidden, as JSON inside its quotes or as it is. */
static byte *put_masked(byte *to, const Column *column, const Field *field, int is_json)
{
    ptrdiff_t count = 0, place = -1;
    for (uint32_t i = 0; i < field->size; i++) {
        count += begins_character(field->start[i]);
    }
    ptrdiff_t shown_first = column->first, hidden = count - shown_first - column->second;
    if (hidden <= 0) { /* nothing would be */
        shown_first = 0;
        hidden = count;
    }
    for (uint32_t i = 0; i < field->size; i++) {
        const byte c = field->start[i];
        place += begins_character(c);
        if (place < shown_first || place >= shown_first + hidden) {
            if (is_json) {
                to = put_escaped(to, c);
            } else {
                *to++ = c;
            }
        } else if (begins_character(c)) {
            *to++ = '*';
        }
    }
    return to;
}

/* -- a value ------------------------------------------------------------------------------------- */

/* No value of the field is longer; 0: it is refused for its size. */
static inline size_t value_room(const Column *column, const Field *field, int quote)
{
    if (column->kind == STRING || column->kind == MASKED) {
        return json_size(field, quote) + 4 + SLACK;
    }
    return field->size > 2 * SHORT ? 0 : 2 * SHORT + 2 * SLACK;
}

enum { IS_VALUE = 1, IS_NULL = 0, IS_REFUSED = -1 };

/* Writes the field's value to `*to`, for which there is `value_room`, and goes on behind it. Bytes
 * before `limit` may be read. */
static inline int put_value(byte **to, const Column *column, const Field *field, int quote,
                            const byte *limit)
{
    byte *at = *to;
    ShortText text;
    Field plain;
    if (column->kind == STRING && !column->nulls.size) {
        plain = *field;
    } else if (unquoted(field, quote, &text, &plain)) {
        if (is_one_of(&column->nulls, &plain)) {
            *to = put_bytes(at, "null", 4);
            return IS_NULL;
        }
    } else if (column->kind != STRING) {
        return IS_REFUSED; /* a long STRING is none of the texts, which are SHORT */
    }
    switch (column->kind) {
    case STRING:
        *at++ = '"';
        at = put_json(at, field, quote, limit);
        *at++ = '"';
        break;
    case MASKED:
        *at++ = '"';
        at = put_masked(at, column, &plain, 1);
        *at++ = '"';
        break;
    case INTEGER:
        at = put_integer(at, column, &plain);
        break;
    case FLOATING:
        at = put_floating(at, column, &plain);
        break;
    case DECIMAL:
        at = put_decimal(at, column, &plain);
        break;
    case BOOLEAN:
        at = is_one_of(&column->trues, &plain)    ? put_bytes(at, "true", 4)
             : is_one_of(&column->falses, &plain) ? put_bytes(at, "false", 5)
                                                  : NULL;
        break;
    case DATE:
        at = put_date(at, &plain);
        break;
    default:
        at = put_timestamp(at, column, &plain);
    }
    if (at == NULL) {
        return IS_REFUSED;
    }
    *to = at;
    return IS_VALUE;
}

#endif
