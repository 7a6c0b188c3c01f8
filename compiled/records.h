/* Rows as framed records of Kafka's record batch v2: what the reference way makes of them. */
#ifndef CSVKAFKA_RECORDS_H
#define CSVKAFKA_RECORDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "partitions.h"
#include "rows.h"

/* How rows become records; never changes. */
typedef struct {
    Dialect dialect;
    ptrdiff_t width;
    byte *texts; /* all texts of a record that are always the same, one after the other */
    size_t *text_ends; /* of each: before each field, before the row's number, and the last one */
    size_t texts_size;
    ptrdiff_t key; /* which field is the record's key; -1: null keys */
    uint32_t lane_count;
    int routing;
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

/* Kafka's zigzag varint of a number that is not negative. */
static inline size_t varint_size(uint64_t number)
{
    size_t size = 1;
    for (number <<= 1; number > 0x7f; number >>= 7) {
        size++;
    }
    return size;
}

static inline byte *put_varint(byte *to, uint64_t number)
{
    for (number <<= 1; number > 0x7f; number >>= 7) {
        *to++ = (byte)(number | 0x80);
    }
    *to++ = (byte)number;
    return to;
}

static inline byte *put_text(byte *to, const Plan *plan, ptrdiff_t index)
{
    const size_t begin = index ? plan->text_ends[index - 1] : 0;
    const byte *const limit = plan->texts + plan->texts_size + SLACK;
    return put(to, plan->texts + begin, plan->text_ends[index] - begin, limit);
}

typedef struct {
    byte bytes[20];
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

/* Adds the record of a row, which is number `number` of the source; 0 if there is no memory. Bytes
 * before `limit` may be read. */
static int add_record(Section *section, const Plan *plan, const Field *fields, uint64_t number,
                      const byte *limit)
{
    const int quote = plan->dialect.quote;
    const Field *const key = plan->key < 0 ? NULL : &fields[plan->key];
    const Digits digits = digits_of(number);
    size_t value_size = plan->texts_size + digits.size;
    for (ptrdiff_t i = 0; i < plan->width; i++) {
        value_size += json_size(&fields[i], quote);
    }
    const size_t key_size = key ? raw_size(key, quote) : 0;
    const size_t framed_key_size = key ? varint_size(key_size) + key_size : 1;
    const uint64_t delta = (uint64_t)section->records;
    /* attributes, timestamp delta | offset delta | key | value | number of headers */
    const size_t size =
        2 + varint_size(delta) + framed_key_size + varint_size(value_size) + value_size + 1;
    byte *to = room_for(section, varint_size(size) + size + SLACK);
    if (to == NULL) {
        return 0;
    }
    to = put_varint(to, size);
    *to++ = 0;
    *to++ = 0;
    to = put_varint(to, delta);
    if (key) {
        to = put_varint(to, key_size);
        to = put_raw(to, key, quote);
    } else {
        *to++ = 1; /* null */
    }
    to = put_varint(to, value_size);
    for (ptrdiff_t i = 0; i < plan->width; i++) {
        to = put_text(to, plan, i);
        to = put_json(to, &fields[i], quote, limit);
    }
    to = put_text(to, plan, plan->width);
    memcpy(to, digits.bytes + sizeof digits.bytes - digits.size, digits.size);
    to = put_text(to + digits.size, plan, plan->width + 1);
    *to++ = 0;
    section->size = (size_t)(to - section->bytes);
    section->records++;
    return 1;
}

/* The row's lane; -1 if there is no memory. */
static int64_t lane_of(const Plan *plan, const Field *fields)
{
    if (plan->routing == ONE_PARTITION) {
        return 0;
    }
    const Field *const field = &fields[plan->key];
    if (!(field->kind & QUOTED_ODDLY)) {
        return partition_of(plan->routing, field->start, field->size, plan->lane_count);
    }
    byte *const key = malloc(field->size);
    if (key == NULL) {
        return -1;
    }
    const size_t size = (size_t)(put_raw(key, field, plan->dialect.quote) - key);
    const int64_t lane = partition_of(plan->routing, key, size, plan->lane_count);
    free(key);
    return lane;
}

/* -- a block ------------------------------------------------------------------------------------- */

enum { DONE, DOES_NOT_FIT, NO_MEMORY };

static Field *new_fields(const Plan *plan)
{
    return malloc((size_t)plan->width * sizeof(Field));
}

/* Adds the records of the rows from `*place` on, of which the first is number `number`, and goes on
 * behind them: at most `rows`, and no more once there are `wanted_size` bytes. */
static int add_rows(Section *section, const Plan *plan, const byte **place, const byte *end,
                    uint64_t number, ptrdiff_t rows, size_t wanted_size)
{
    Field *const fields = new_fields(plan);
    int outcome = fields == NULL ? NO_MEMORY : DONE;
    Scan scan;
    scan_fields(&plan->dialect, &scan, *place, end);
    while (outcome == DONE && section->rows < rows && section->size < wanted_size) {
        const int row = read_row(&plan->dialect, &scan, place, fields, plan->width);
        if (row == NO_ROW) {
            break;
        }
        if (row == REFUSED) {
            outcome = DOES_NOT_FIT;
        } else if (!add_record(section, plan, fields, number + (uint64_t)section->rows, end)) {
            outcome = NO_MEMORY;
        }
        section->rows++;
    }
    free(fields);
    return outcome;
}

/* Adds all rows to the sections of their lanes, but of each lane the first `skip[lane]`. */
static int add_rows_to_lanes(Section *lanes, const ptrdiff_t *skip, const Plan *plan,
                             const byte *place, const byte *end, uint64_t number)
{
    Field *const fields = new_fields(plan);
    int outcome = fields == NULL ? NO_MEMORY : DONE;
    Scan scan;
    scan_fields(&plan->dialect, &scan, place, end);
    for (; outcome == DONE; number++) {
        const int row = read_row(&plan->dialect, &scan, &place, fields, plan->width);
        if (row == NO_ROW) {
            break;
        }
        if (row == REFUSED) {
            outcome = DOES_NOT_FIT;
            break;
        }
        const int64_t lane = lane_of(plan, fields);
        if (lane < 0) {
            outcome = NO_MEMORY;
        } else if (lanes[lane].rows++ >= skip[lane]
                   && !add_record(&lanes[lane], plan, fields, number, end)) {
            outcome = NO_MEMORY;
        }
    }
    free(fields);
    return outcome;
}

/* Goes on behind `rows` rows. */
static int skip_rows(const Plan *plan, const byte **place, const byte *end, ptrdiff_t rows)
{
    Field *const fields = new_fields(plan);
    int outcome = fields == NULL ? NO_MEMORY : DONE;
    Scan scan;
    scan_fields(&plan->dialect, &scan, *place, end);
    for (; outcome == DONE && rows > 0; rows--) {
        if (read_row(&plan->dialect, &scan, place, fields, plan->width) != ROW) {
            outcome = DOES_NOT_FIT;
        }
    }
    free(fields);
    return outcome;
}

#endif
