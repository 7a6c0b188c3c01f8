/* Rows as framed records of Kafka's record batch v2: what the reference way makes of them. */
#ifndef CSVKAFKA_RECORDS_H
#define CSVKAFKA_RECORDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "declared.h"
#include "drops.h"
#include "fields.h"
#include "partitions.h"
#include "plan.h"
#include "rows.h"

/* Adds the record of a row, which is number `number` of the source; 0 if there is no memory. Bytes
 * before `limit` may be read. */
static int add_record(Section *section, const Plan *plan, const Field *fields, uint64_t number,
                      const byte *limit)
{
    const int quote = plan->dialect.quote;
    const Field *const key = plan->key < 0 ? NULL : &fields[plan->key];
    const Digits digits = digits_of(number);
    size_t value_size = plan->names.size + digits.size;
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
        to = put_text(to, &plan->names, i);
        to = put_json(to, &fields[i], quote, limit);
    }
    to = put_number(put_text(to, &plan->names, plan->width), &digits);
    to = put_text(to, &plan->names, plan->width + 1);
    *to++ = 0;
    section->size = (size_t)(to - section->bytes);
    section->records++;
    return 1;
}

/* The bytes of a row's value and key, not framed. */
static size_t record_size(const Plan *plan, const Field *fields, uint64_t number)
{
    const int quote = plan->dialect.quote;
    size_t size = plan->names.size + digits_of(number).size;
    for (ptrdiff_t i = 0; i < plan->width; i++) {
        size += json_size(&fields[i], quote);
    }
    return plan->key < 0 ? size : size + raw_size(&fields[plan->key], quote);
}

/* The row's lane; -1 if there is no memory. `made`: its record, where the plan has a table. */
static int64_t lane_of(const Plan *plan, const Field *fields, const Made *made)
{
    if (plan->routing == ONE_PARTITION || (plan->table != NULL && !made->has_key)) {
        return 0;
    }
    if (plan->table != NULL) {
        return partition_of(plan->routing, made->key.bytes, made->key.size, plan->lane_count);
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

enum { DONE, DROPPED, LEFT, AT_END, DOES_NOT_FIT, NO_MEMORY };

/* The rows of a block, one after the other. */
typedef struct {
    const Plan *plan;
    const byte *place;  /* behind the rows that were read; where the one that is left begins */
    const byte *behind; /* behind the row that is left, which the caller is to make; NULL: none */
    const byte *end;
    const byte *dropped; /* of the rows to come: 1 where the caller says that it makes no record */
    const byte *dropped_end;
    Scan scan;
    Field *fields; /* of the row that was read last */
    Made made;     /* its record, where the plan has a table */
} Reader;

static int open_reader(Reader *reader, const Plan *plan, const byte *begin, const byte *end)
{
    reader->plan = plan;
    reader->place = begin;
    reader->behind = NULL;
    reader->end = end;
    reader->dropped = reader->dropped_end = NULL;
    reader->made = (Made){.has_key = 0};
    reader->fields = malloc((size_t)plan->width * sizeof(Field));
    scan_fields(&plan->dialect, &reader->scan, begin, end);
    return reader->fields == NULL ? NO_MEMORY : DONE;
}

static void close_reader(Reader *reader)
{
    free(reader->fields);
    release_made(&reader->made);
}

/* Leaves the row that was read last to the caller; it, or blank lines before it, begin at `begin`. */
static int leave(Reader *reader, const byte *begin)
{
    while (is_line_end(*begin)) {
        begin++;
    }
    reader->behind = reader->place;
    reader->place = begin;
    return LEFT;
}

/* Reads the next row, which is number `number`, and makes its record if the plan has a table. LEFT:
 * it is of another width, a field may not be of its type, or its record may be too large. */
static inline int next_row(Reader *reader, uint64_t number)
{
    const Plan *const plan = reader->plan;
    const byte *const begin = reader->place;
    const int is_said_to_be = reader->dropped < reader->dropped_end && *reader->dropped++;
    switch (read_row(&plan->dialect, &reader->scan, &reader->place, reader->fields, plan->width)) {
    case NO_ROW:
        return AT_END;
    case REFUSED:
        return DOES_NOT_FIT;
    case OTHER_WIDTH:
        return leave(reader, begin);
    default:
        break;
    }
    if (plan->table == NULL) {
        const int is_large = (size_t)(reader->place - begin) > plan->short_row
                             && record_size(plan, reader->fields, number) > plan->most_bytes;
        return is_large ? leave(reader, begin) : DONE;
    }
    if (is_said_to_be || is_dropped(plan->table, reader->fields, plan->dialect.quote)) {
        return DROPPED;
    }
    switch (make_record(&reader->made, plan, reader->fields, number, reader->end)) {
    case MADE:
        return most_made_size(plan, &reader->made) > plan->most_bytes ? leave(reader, begin) : DONE;
    case NO_ROOM:
        return NO_MEMORY;
    default:
        return leave(reader, begin);
    }
}

static int add(Section *section, const Reader *reader, uint64_t number)
{
    const Plan *const plan = reader->plan;
    const int is_added = plan->table == NULL
                             ? add_record(section, plan, reader->fields, number, reader->end)
                             : add_made(section, plan, &reader->made, number);
    return is_added ? DONE : NO_MEMORY;
}

/* Adds the records of the next rows, of which the first is number `number`: at most `rows`, no more
 * once there are `wanted_size` bytes, and none from one that is LEFT on. */
static int add_rows(Section *section, Reader *reader, uint64_t number, ptrdiff_t rows,
                    size_t wanted_size)
{
    int outcome = DONE;
    while (section->rows < rows && section->size < wanted_size) {
        const uint64_t this_one = number + (uint64_t)section->rows;
        outcome = next_row(reader, this_one);
        if (outcome == DONE) {
            outcome = add(section, reader, this_one);
        }
        if (outcome > DROPPED) {
            break;
        }
        section->rows++;
    }
    return outcome;
}

/* Adds the next rows, up to one that is LEFT, to the sections of their lanes, but of each lane not
 * the first `skip[lane]`. `rows` counts them, and those that are dropped. */
static int add_rows_to_lanes(Section *lanes, const ptrdiff_t *skip, Reader *reader, uint64_t number,
                             ptrdiff_t *rows)
{
    for (;; ++*rows) {
        const uint64_t this_one = number + (uint64_t)*rows;
        int outcome = next_row(reader, this_one);
        if (outcome == DROPPED) {
            continue;
        }
        if (outcome != DONE) {
            return outcome;
        }
        const int64_t lane = lane_of(reader->plan, reader->fields, &reader->made);
        if (lane < 0) {
            return NO_MEMORY;
        }
        if (lanes[lane].rows++ >= skip[lane]) {
            outcome = add(&lanes[lane], reader, this_one);
        }
        if (outcome != DONE) {
            return outcome;
        }
    }
}

/* Goes on behind `rows` rows, whatever they hold. */
static int skip_rows(Reader *reader, ptrdiff_t rows)
{
    for (; rows > 0; rows--) {
        const int row = read_row(&reader->plan->dialect, &reader->scan, &reader->place,
                                 reader->fields, reader->plan->width);
        if (row != ROW && row != OTHER_WIDTH) {
            return DOES_NOT_FIT;
        }
    }
    return DONE;
}

#endif
