/* A row's record by the declared table: its value and its key are made first, then framed. */
#ifndef CSVKAFKA_DECLARED_H
#define CSVKAFKA_DECLARED_H

#include <stddef.h>
#include <stdint.h>

#include "plan.h"
#include "values.h"

/* The record of the row that was read last, before it is framed. */
typedef struct {
    Section value;
    Section key;
    int has_key;
} Made;

enum { MADE, NOT_OF_ITS_TYPE, NO_ROOM };

static void release_made(Made *made)
{
    free(made->value.bytes);
    free(made->key.bytes);
}

/* Room for the values of these columns and `fixed_size` bytes more; NULL if there is none, or if a
 * field is too long for its type (`*outcome` says which). */
static byte *room_for_values(Section *section, const Plan *plan, const Field *fields,
                             const ptrdiff_t *columns, ptrdiff_t count, size_t fixed_size,
                             int *outcome)
{
    size_t size = fixed_size + SLACK;
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t place = columns[i];
        const size_t room =
            value_room(&plan->table->columns[place], &fields[place], plan->dialect.quote);
        if (room == 0) {
            *outcome = NOT_OF_ITS_TYPE;
            return NULL;
        }
        size += room;
    }
    section->size = 0;
    byte *const bytes = room_for(section, size);
    *outcome = bytes == NULL ? NO_ROOM : MADE;
    return bytes;
}

static int make_value(Section *section, const Plan *plan, const Field *fields,
                      uint64_t number, const byte *limit)
{
    const Table *const table = plan->table;
    const Digits digits = digits_of(number);
    int outcome;
    byte *to = room_for_values(section, plan, fields, table->fields, table->field_count,
                               plan->names.size + sizeof digits.bytes, &outcome);
    if (to == NULL) {
        return outcome;
    }
    for (ptrdiff_t i = 0; i < table->field_count; i++) {
        const ptrdiff_t place = table->fields[i];
        to = put_text(to, &plan->names, i);
        if (put_value(&to, &table->columns[place], &fields[place], plan->dialect.quote, limit)
            == IS_REFUSED) {
            return NOT_OF_ITS_TYPE;
        }
    }
    to = put_text(to, &plan->names, table->field_count);
    if (table->number_form == DIGITS) {
        to = put_number(to, &digits);
    } else if (table->number_form == VARINT) {
        to = put_varint(to, number);
    }
    to = put_text(to, &plan->names, table->field_count + 1);
    section->size = (size_t)(to - section->bytes);
    return MADE;
}

/* A key of values: an object of them, null if all of them are; or the text of the only one. */
static int make_key(Made *made, const Plan *plan, const Field *fields, const byte *limit)
{
    const Table *const table = plan->table;
    const int quote = plan->dialect.quote;
    Section *const section = &made->key;
    int outcome;
    byte *to = room_for_values(section, plan, fields, table->key, table->key_count,
                               table->key_names.size, &outcome);
    if (to == NULL) {
        return outcome;
    }
    made->has_key = 0;
    for (ptrdiff_t i = 0; i < table->key_count; i++) {
        const ptrdiff_t place = table->key[i];
        if (table->key_form == JSON_KEYS) {
            to = put_text(to, &table->key_names, i);
        }
        const int kind =
            put_value(&to, &table->columns[place], &fields[place], quote, limit);
        if (kind == IS_REFUSED) {
            return NOT_OF_ITS_TYPE;
        }
        made->has_key |= kind == IS_VALUE;
    }
    if (table->key_form == JSON_KEYS) {
        to = put_text(to, &table->key_names, table->key_count);
    } else if (made->has_key) {
        /* Its value was asked for: the text must be of its type. */
        const ptrdiff_t place = table->key[0];
        const Field *const field = &fields[place];
        ShortText text;
        Field plain;
        section->size = 0;
        to = room_for(section, raw_size(field, quote) + SLACK);
        if (to == NULL) {
            return NO_ROOM;
        }
        if (table->key_form == TEXT_KEYS) {
            to = put_raw(to, field, quote);
        } else if (unquoted(field, quote, &text, &plain)) {
            to = put_masked(to, &table->columns[place], &plain, 0);
        }
    }
    section->size = (size_t)(to - section->bytes);
    return MADE;
}

/* Makes the record of a row, which is number `number` of the source. */
static int make_record(Made *made, const Plan *plan, const Field *fields, uint64_t number,
                       const byte *limit)
{
    const int outcome = make_value(&made->value, plan, fields, number, limit);
    if (outcome != MADE || plan->table->key_form == NULL_KEYS) {
        return outcome;
    }
    return make_key(made, plan, fields, limit);
}

/* The most bytes that the record has: value, key and headers, some of them framed. */
static size_t most_made_size(const Plan *plan, const Made *made)
{
    const FixedTexts *const headers = &plan->table->headers;
    const size_t headers_size = headers->count ? headers->size + NUMBER_DIGITS : 0;
    return made->value.size + (made->has_key ? made->key.size : 0) + headers_size;
}

static size_t headers_size(const FixedTexts *headers, const Digits *digits)
{
    return headers->count ? headers->size + varint_size(digits->size) + digits->size : 1;
}

static byte *put_headers(byte *to, const FixedTexts *headers, const Digits *digits)
{
    if (!headers->count) {
        *to++ = 0;
        return to;
    }
    to = put_text(to, headers, 0);
    to = put_number(put_varint(to, digits->size), digits);
    return put_text(to, headers, 1);
}

/* Adds the record that was made; 0 if there is no memory. */
static int add_made(Section *section, const Plan *plan, const Made *made, uint64_t number)
{
    const FixedTexts *const headers = &plan->table->headers;
    const Digits digits = digits_of(number);
    const uint64_t delta = (uint64_t)section->records;
    const size_t value_size = made->value.size, key_size = made->has_key ? made->key.size : 0;
    const size_t framed_key_size = made->has_key ? varint_size(key_size) + key_size : 1;
    /* attributes, timestamp delta | offset delta | key | value | headers */
    const size_t size = 2 + varint_size(delta) + framed_key_size + varint_size(value_size)
                        + value_size + headers_size(headers, &digits);
    byte *to = room_for(section, varint_size(size) + size + SLACK);
    if (to == NULL) {
        return 0;
    }
    to = put_varint(to, size);
    *to++ = 0;
    *to++ = 0;
    to = put_varint(to, delta);
    if (made->has_key) {
        to = put_varint(to, key_size);
        to = put_bytes(to, made->key.bytes, key_size);
    } else {
        *to++ = 1; /* null */
    }
    to = put_varint(to, value_size);
    to = put_bytes(to, made->value.bytes, value_size);
    to = put_headers(to, headers, &digits);
    section->size = (size_t)(to - section->bytes);
    section->records++;
    return 1;
}

#endif
