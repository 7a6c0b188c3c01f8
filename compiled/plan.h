/* What a record is made of, before any row is seen, and what it is put into. */
#ifndef CSVKAFKA_PLAN_H
#define CSVKAFKA_PLAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "rows.h"
#include "values.h"
#include "varints.h"

/* Texts that are always the same, one after the other, and where each ends. */
typedef struct {
    byte *bytes; /* and SLACK more */
    size_t *ends;
    size_t size;
    ptrdiff_t count;
} FixedTexts;

enum { NO_NUMBER, DIGITS, VARINT };

enum { NULL_KEYS, TEXT_KEYS, MASKED_KEYS, JSON_KEYS };

/* Rows whose field in `column` is one of the texts make no record; if `is_negated`, those whose field
 * is none of them. */
typedef struct {
    ptrdiff_t column;
    int is_negated;
    Texts texts;
} Drop;

/* A declared record. `names`: what stands before each field, before the row's number (if
 * there is a form for it), and at the end. `key_names`: before each field of a JSON key, and behind the last
 * one. `headers`: how many, and all up to the size of the row's number; then what stands behind it;
 * none if `headers.count` is 0. */
typedef struct {
    Column *columns; /* of the file, all of them */
    ptrdiff_t *fields; /* the columns that are in the record, in its order */
    ptrdiff_t field_count;
    ptrdiff_t *key;
    ptrdiff_t key_count;
    int key_form;
    int number_form;
    FixedTexts key_names;
    FixedTexts headers;
    Drop *drops;
    ptrdiff_t drop_count;
} Table;

/* How rows become records; never changes. `names` are those of the record: what stands before each
 * field, before the row's number, and at the end. */
typedef struct {
    Dialect dialect;
    ptrdiff_t width;
    FixedTexts names;
    ptrdiff_t key; /* which field is the record's key; -1: null keys, or the table's */
    uint32_t lane_count;
    int routing;
    Table *table; /* NULL: nothing is declared */
    size_t most_bytes; /* a row whose record may have more is left; SIZE_MAX: none is */
    size_t short_row;  /* without a table: no row of at most so many bytes makes such a record */
} Plan;

/* Framed records, one after the other. */
typedef struct {
    byte *bytes;
    size_t size;
    size_t room;
    ptrdiff_t records;
    ptrdiff_t rows;
} Section;

/* Room for `size` more bytes; NULL if there is no memory. */
static byte *room_for(Section *section, size_t size)
{
    if (section->room - section->size < size) {
        const size_t needed = section->size + size;
        const size_t room = needed + needed / 2 + 4096;
        byte *bytes = realloc(section->bytes, room);
        if (bytes == NULL) {
            return NULL;
        }
        section->bytes = bytes;
        section->room = room;
    }
    return section->bytes + section->size;
}

static inline byte *put_text(byte *to, const FixedTexts *texts, ptrdiff_t index)
{
    const size_t begin = index ? texts->ends[index - 1] : 0;
    const byte *const limit = texts->bytes + texts->size + SLACK;
    return put(to, texts->bytes + begin, texts->ends[index] - begin, limit);
}

enum { NUMBER_DIGITS = 20 };

typedef struct {
    byte bytes[NUMBER_DIGITS];
    size_t size;
} Digits;

static inline Digits digits_of(uint64_t number)
{
    Digits digits = {.size = 0};
    do {
        digits.bytes[sizeof digits.bytes - ++digits.size] = (byte)('0' + number % 10);
        number /= 10;
    } while (number);
    return digits;
}

static inline byte *put_number(byte *to, const Digits *digits)
{
    memcpy(to, digits->bytes + sizeof digits->bytes - digits->size, digits->size);
    return to + digits->size;
}

#endif
