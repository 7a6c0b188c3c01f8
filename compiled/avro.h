/* A field's value by its declared type in Avro's binary encoding, as fastavro writes what
 * csvkafka/schema/avro_values.py makes. What is not plainly of its type is refused. */
#ifndef CSVKAFKA_AVRO_H
#define CSVKAFKA_AVRO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "columns.h"
#include "fields.h"
#include "masks.h"
#include "numbers.h"
#include "times.h"
#include "varints.h"

/* Puts its size before what was written from `to + VARINT_SIZE` to before `end`. */
static inline byte *sized(byte *to, const byte *end)
{
    const byte *const content = to + VARINT_SIZE;
    const size_t size = (size_t)(end - content);
    to = put_varint(to, size);
    memmove(to, content, size);
    return to + size;
}

/* The next ones return where the value ends; NULL: refused. */

static inline byte *put_avro_integer(byte *to, const Column *column, const Field *field)
{
    Number number;
    uint64_t size;
    if (!read_integer(column, field, &number, &size)) {
        return NULL;
    }
    /* Zigzag: 2n, and of -n 2n - 1. */
    return put_unsigned(to, 2 * size - (number.is_negative && size));
}

static inline uint64_t with_digits(uint64_t value, const byte *digits, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    return value;
}

static inline byte *put_avro_decimal(byte *to, const Column *column, const Field *field)
{
    Number number;
    size_t kept;
    const size_t scale = (size_t)column->second;
    if (!read_decimal(column, field, &number, &kept) || number.whole_size + scale > 18) {
        return NULL;
    }
    uint64_t size = with_digits(0, number.whole, number.whole_size);
    size = with_digits(size, number.fraction, kept);
    for (size_t i = kept; i < scale; i++) {
        size *= 10;
    }
    const int64_t value = number.is_negative ? -(int64_t)size : (int64_t)size;
    /* Two's complement, in as few bytes as hold it. */
    int bytes = 1;
    while (bytes < 8 && (value >> (8 * bytes - 1)) != (value < 0 ? -1 : 0)) {
        bytes++;
    }
    to = put_varint(to, (uint64_t)bytes);
    for (int i = bytes - 1; i >= 0; i--) {
        *to++ = (byte)((uint64_t)value >> (8 * i));
    }
    return to;
}

static inline byte *put_little_endian(byte *to, uint64_t bits, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        *to++ = (byte)(bits >> (8 * i));
    }
    return to;
}

static inline byte *put_avro_floating(byte *to, const Column *column, const Field *field)
{
    /* A double holds both exactly, so their quotient is the double nearest to the number. */
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
    Number number;
    if (!read_floating(column, field, &number)) {
        return NULL;
    }
    uint64_t digits = with_digits(0, number.whole, number.whole_size);
    digits = with_digits(digits, number.fraction, number.fraction_size);
    const double size = (double)digits / powers[number.fraction_size];
    const double value = number.is_negative ? -size : size;
    if (column->options & IN_32_BITS) {
        const float narrow = (float)value;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        return put_little_endian(to, bits, 4);
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_little_endian(to, bits, 8);
}

/* Days since the first of 1970. */
static inline int64_t days_since_epoch(const Day *day)
{
    static const int before[13] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    const int is_leap = days_of_month(day->year, 2) == 29;
    const int64_t years = day->year - 1;
    return years * 365 + years / 4 - years / 100 + years / 400 + before[day->month]
           + (day->month > 2 && is_leap) + day->day - 1 - 719162;
}

static inline byte *put_avro_date(byte *to, const Field *field)
{
    Day day;
    if (field->size != 10 || !read_day(field->start, &day)) {
        return NULL;
    }
    return put_signed(to, days_since_epoch(&day));
}

static inline byte *put_avro_timestamp(byte *to, const Column *column, const Field *field)
{
    Moment moment;
    if (!read_moment(column, field, &moment)) {
        return NULL;
    }
    const int64_t minutes =
        days_since_epoch(&moment.day) * 24 * 60 + moment.hour * 60 + moment.minute;
    const int64_t microseconds = digits_at(moment.fraction, 6);
    return put_signed(to, (minutes * 60 + moment.second) * 1000000 + microseconds);
}

/* A number that is written as text: without the quotes that JSON has. */
static inline byte *put_avro_digits(byte *to, const Column *column, const Field *field)
{
    byte *const content = to + VARINT_SIZE - 1; /* its first quote comes before the content */
    byte *const end = column->kind == INTEGER ? put_integer(content, column, field)
                                              : put_decimal(content, column, field);
    return end == NULL ? NULL : sized(to, end - 1);
}

/* The value of the field, which is `plain` without its quotes; it is none of null's texts. */
static inline byte *put_avro(byte *to, const Column *column, const Field *field,
                             const Field *plain, int quote)
{
    if (column->options & AS_TEXT) {
        return put_avro_digits(to, column, plain);
    }
    switch (column->kind) {
    case STRING:
        to = put_varint(to, raw_size(field, quote));
        return put_raw(to, field, quote);
    case MASKED:
        return sized(to, put_masked(to + VARINT_SIZE, column, plain, 0));
    case INTEGER:
        return put_avro_integer(to, column, plain);
    case FLOATING:
        return put_avro_floating(to, column, plain);
    case DECIMAL:
        return put_avro_decimal(to, column, plain);
    case BOOLEAN:
        if (!is_one_of(&column->trues, plain) && !is_one_of(&column->falses, plain)) {
            return NULL;
        }
        *to++ = (byte)is_one_of(&column->trues, plain);
        return to;
    case DATE:
        return put_avro_date(to, plain);
    default:
        return put_avro_timestamp(to, column, plain);
    }
}

#endif
