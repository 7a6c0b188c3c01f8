/* Numbers as JSON: integers, decimals and doubles. What is not plainly one is refused. */
#ifndef CSVKAFKA_NUMBERS_H
#define CSVKAFKA_NUMBERS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "columns.h"

static inline int is_digit(byte c)
{
    return c >= '0' && c <= '9';
}

static inline byte *put_bytes(byte *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return to + size;
}

/* A number's text in its parts: [+-] whole [. fraction]. */
typedef struct {
    int is_negative;
    int has_leading_zero; /* and more digits behind it */
    const byte *whole;    /* without leading zeros */
    size_t whole_size;
    const byte *fraction;
    size_t fraction_size;
} Number;

/* 0 if the field is none. */
static inline int read_number(const Field *field, Number *number)
{
    const byte *at = field->start, *const end = at + field->size;
    *number = (Number){.is_negative = at < end && *at == '-'};
    at += at < end && (*at == '-' || *at == '+');
    const byte *const begin = at;
    while (at < end && is_digit(*at)) {
        at++;
    }
    size_t digits = (size_t)(at - begin);
    number->has_leading_zero = digits > 1 && *begin == '0';
    number->whole = begin;
    while (number->whole < at && *number->whole == '0') {
        number->whole++;
    }
    number->whole_size = (size_t)(at - number->whole);
    if (at < end && *at == '.') {
        number->fraction = ++at;
        while (at < end && is_digit(*at)) {
            at++;
        }
        number->fraction_size = (size_t)(at - number->fraction);
        digits += number->fraction_size;
    }
    return at == end && digits > 0;
}

static inline int is_zero(const byte *digits, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (digits[i] != '0') {
            return 0;
        }
    }
    return 1;
}

/* The next ones write a value to `to` and return where it ends; NULL: refused. */

enum { MOST_DIGITS = 64 }; /* of an integer, leading zeros counted in */

/* Of an integer: 0 if it is none of its type. */
static inline int read_integer(const Column *column, const Field *field, Number *number,
                               uint64_t *size)
{
    if (field->size > MOST_DIGITS || !read_number(field, number) || number->fraction != NULL
        || number->whole_size > 19
        || (number->has_leading_zero && !(column->options & LEADING_ZEROS))) {
        return 0;
    }
    uint64_t value = 0; /* 19 digits fit */
    for (size_t i = 0; i < number->whole_size; i++) {
        value = value * 10 + (uint64_t)(number->whole[i] - '0');
    }
    const uint64_t above = (uint64_t)1 << (column->first - 1);
    *size = value;
    return value <= above - !number->is_negative;
}

static inline byte *put_integer(byte *to, const Column *column, const Field *field)
{
    Number number;
    uint64_t value;
    if (!read_integer(column, field, &number, &value)) {
        return NULL;
    }
    const int is_text = column->options & AS_TEXT;
    if (is_text) {
        *to++ = '"';
    }
    if (number.is_negative && value) {
        *to++ = '-';
    }
    if (value) {
        to = put_bytes(to, number.whole, number.whole_size);
    } else {
        *to++ = '0';
    }
    if (is_text) {
        *to++ = '"';
    }
    return to;
}

/* Of a decimal; `*kept` of the digits after its point are written. 0 if it is none of its type. */
static inline int read_decimal(const Column *column, const Field *field, Number *number,
                               size_t *kept)
{
    const size_t scale = (size_t)column->second;
    if (!read_number(field, number) || number->whole_size > (size_t)column->first
        || (number->has_leading_zero && !(column->options & LEADING_ZEROS))) {
        return 0;
    }
    *kept = number->fraction_size < scale ? number->fraction_size : scale;
    return *kept == number->fraction_size
           || is_zero(number->fraction + scale, number->fraction_size - scale);
}

static inline byte *put_decimal(byte *to, const Column *column, const Field *field)
{
    Number number;
    size_t kept;
    const size_t scale = (size_t)column->second;
    if (!read_decimal(column, field, &number, &kept)) {
        return NULL;
    }
    const int is_text = column->options & AS_TEXT;
    if (is_text) {
        *to++ = '"';
    }
    if (number.is_negative && (number.whole_size || !is_zero(number.fraction, kept))) {
        *to++ = '-';
    }
    if (number.whole_size) {
        to = put_bytes(to, number.whole, number.whole_size);
    } else {
        *to++ = '0';
    }
    if (scale) {
        *to++ = '.';
        if (kept) {
            to = put_bytes(to, number.fraction, kept);
        }
        memset(to, '0', scale - kept);
        to += scale - kept;
    }
    if (is_text) {
        *to++ = '"';
    }
    return to;
}

/* Digits that a double tells apart from all others with as few: for these, the shortest text of the
 * double is their own (DBL_DIG of C). */
enum { EXACT_DIGITS = 15 };

/* Of a float or a double, of few enough digits, without the zeros that a fraction ends in. 0 if it
 * is none of its type, or has more. */
static inline int read_floating(const Column *column, const Field *field, Number *number)
{
    if (!read_number(field, number) || number->whole_size > EXACT_DIGITS
        || (number->has_leading_zero && !(column->options & LEADING_ZEROS))) {
        return 0;
    }
    while (number->fraction_size && number->fraction[number->fraction_size - 1] == '0') {
        number->fraction_size--;
    }
    size_t zeros = 0; /* that a fraction alone begins with; more than four make an exponent */
    while (!number->whole_size && zeros < number->fraction_size
           && number->fraction[zeros] == '0') {
        zeros++;
    }
    return zeros <= 4 && number->whole_size + number->fraction_size - zeros <= EXACT_DIGITS;
}

/* As the shortest text that reads as the same double. */
static inline byte *put_floating(byte *to, const Column *column, const Field *field)
{
    Number number;
    if (!read_floating(column, field, &number)) {
        return NULL;
    }
    if (number.is_negative) {
        *to++ = '-'; /* also of zero */
    }
    if (number.whole_size) {
        to = put_bytes(to, number.whole, number.whole_size);
    } else {
        *to++ = '0';
    }
    *to++ = '.';
    if (number.fraction_size) {
        return put_bytes(to, number.fraction, number.fraction_size);
    }
    *to++ = '0';
    return to;
}

#endif
