/* What is declared of a column, and the texts that it knows: of null, true and false. */
#ifndef CSVKAFKA_COLUMNS_H
#define CSVKAFKA_COLUMNS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fields.h"

enum { STRING, MASKED, INTEGER, FLOATING, DECIMAL, BOOLEAN, DATE, TIMESTAMP, UNUSED };

/* Options of a column, for its kind. */
enum { LEADING_ZEROS = 1, AS_TEXT = 2, IS_LOCAL = 4, NEEDS_OFFSET = 8, IN_AVRO = 16, IN_32_BITS = 32 };

/* Texts of a column are no longer, and typed fields that are longer are refused. */
enum { SHORT = 128 };

/* Texts, each behind a byte that says its size. */
typedef struct {
    byte *bytes;
    size_t size;
} Texts;

typedef struct {
    int kind;
    int options;
    int first;  /* MASKED: characters shown first; INTEGER: bits; DECIMAL: digits before the point */
    int second; /* MASKED: characters shown last; DECIMAL: digits after the point */
    Texts nulls, trues, falses;
} Column;

typedef struct {
    byte room[SHORT];
} ShortText;

/* The field with its quotes taken off, in `text` if they are odd. 0 if it is too long for that. */
static inline int unquoted(const Field *field, int quote, ShortText *text, Field *plain)
{
    *plain = *field;
    if (field->kind & QUOTED_ODDLY) {
        if (raw_size(field, quote) > SHORT) {
            return 0;
        }
        const size_t size = (size_t)(put_raw(text->room, field, quote) - text->room);
        *plain = (Field){text->room, (uint32_t)size, ESCAPED};
    }
    return 1;
}

static inline int is_one_of(const Texts *texts, const Field *field)
{
    for (size_t i = 0; i < texts->size; i += 1 + (size_t)texts->bytes[i]) {
        if (texts->bytes[i] == field->size
            && memcmp(texts->bytes + i + 1, field->start, field->size) == 0) {
            return 1;
        }
    }
    return 0;
}

#endif
