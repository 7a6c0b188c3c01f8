/* A field's value by its declared type, as JSON or in Avro, as the reference way makes it
 * (csvkafka/schema/types.py). What is not plainly of its type is refused: the reference way decides. */
#ifndef CSVKAFKA_VALUES_H
#define CSVKAFKA_VALUES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "avro.h"
#include "columns.h"
#include "fields.h"
#include "masks.h"
#include "numbers.h"
#include "times.h"

/* -- a value ------------------------------------------------------------------------------------- */

/* No value of the field is longer; 0: it is refused for its size. */
static inline size_t value_room(const Column *column, const Field *field, int quote)
{
    if (column->kind == STRING || column->kind == MASKED) {
        return json_size(field, quote) + 4 + VARINT_SIZE + 1 + SLACK;
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
            *to = column->options & IN_AVRO ? put_signed(at, 0) : put_bytes(at, "null", 4);
            return IS_NULL;
        }
    } else if (column->kind != STRING) {
        return IS_REFUSED; /* a long STRING is none of the texts, which are SHORT */
    }
    if (column->options & IN_AVRO) {
        if (column->nulls.size) {
            at = put_signed(at, 1); /* the branch of the union that is not null */
        }
        at = put_avro(at, column, field, &plain, quote);
        if (at == NULL) {
            return IS_REFUSED;
        }
        *to = at;
        return IS_VALUE;
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
