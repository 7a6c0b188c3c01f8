/* Dates and timestamps as JSON. What is not plainly one is refused. */
#ifndef CSVKAFKA_TIMES_H
#define CSVKAFKA_TIMES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "columns.h"
#include "numbers.h"

/* So many digits as a number; -1 if they are none. */
static inline int digits_at(const byte *at, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit(at[i])) {
            return -1;
        }
        number = number * 10 + at[i] - '0';
    }
    return number;
}

static inline void put_digits(byte *to, int number, int count)
{
    for (int i = count - 1; i >= 0; i--, number /= 10) {
        to[i] = (byte)('0' + number % 10);
    }
}

typedef struct {
    int year, month, day;
} Day;

static inline int days_of_month(int year, int month)
{
    static const byte days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 2 && is_leap);
}

/* Of YYYY-MM-DD, ten bytes; 0 if they are no day. */
static inline int read_day(const byte *at, Day *day)
{
    *day = (Day){digits_at(at, 4), digits_at(at + 5, 2), digits_at(at + 8, 2)};
    return at[4] == '-' && at[7] == '-' && day->year >= 1 && day->month >= 1 && day->month <= 12
           && day->day >= 1 && day->day <= days_of_month(day->year, day->month);
}

/* The day before (-1) or after it (1). */
static inline void step(Day *day, int by)
{
    day->day += by;
    if (day->day < 1 || day->day > days_of_month(day->year, day->month)) {
        day->month += by;
        if (day->month < 1 || day->month > 12) {
            day->year += by;
            day->month = by < 0 ? 12 : 1;
        }
        day->day = by < 0 ? days_of_month(day->year, day->month) : 1;
    }
}

static inline byte *put_date(byte *to, const Field *field)
{
    Day day;
    if (field->size != 10 || !read_day(field->start, &day)) {
        return NULL;
    }
    *to++ = '"';
    to = put_bytes(to, field->start, 10);
    *to++ = '"';
    return to;
}

/* Minutes east of UTC of Z or +HH:MM, which must be all there is. 0 if it is none. */
static inline int read_offset(const byte *at, const byte *end, int *minutes)
{
    if (end - at == 1 && *at == 'Z') {
        *minutes = 0;
        return 1;
    }
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':') {
        return 0;
    }
    const int hour = digits_at(at + 1, 2), minute = digits_at(at + 4, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59) {
        return 0;
    }
    *minutes = (*at == '-' ? -1 : 1) * (hour * 60 + minute);
    return 1;
}

typedef struct {
    Day day;
    int hour, minute, second;
    int has_fraction;
    byte fraction[6];
} Moment;

/* Of YYYY-MM-DD(T| )HH:MM[:SS[.f to ffffff]][offset], in UTC unless it IS_LOCAL; 0 if it is none. */
static inline int read_moment(const Column *column, const Field *field, Moment *moment)
{
    const byte *at = field->start, *const end = at + field->size;
    *moment = (Moment){.fraction = "000000"};
    if (field->size < 16 || !read_day(at, &moment->day) || (at[10] != 'T' && at[10] != ' ')
        || at[13] != ':') {
        return 0;
    }
    moment->hour = digits_at(at + 11, 2);
    moment->minute = digits_at(at + 14, 2);
    at += 16;
    if (end - at >= 3 && *at == ':') {
        moment->second = digits_at(at + 1, 2);
        at += 3;
        if (at < end && *at == '.') {
            const byte *const begin = ++at;
            for (; at < end && is_digit(*at) && at - begin < 6; at++) {
                moment->fraction[at - begin] = *at;
                moment->has_fraction |= *at != '0';
            }
            if (at == begin) {
                return 0;
            }
        }
    }
    if (moment->hour < 0 || moment->hour > 23 || moment->minute < 0 || moment->minute > 59
        || moment->second < 0 || moment->second > 59) {
        return 0;
    }
    if (at == end) {
        return !(column->options & NEEDS_OFFSET);
    }
    int offset;
    if (column->options & IS_LOCAL || !read_offset(at, end, &offset)) {
        return 0;
    }
    int total = moment->hour * 60 + moment->minute - offset;
    if (total < 0) {
        step(&moment->day, -1);
        total += 24 * 60;
    } else if (total >= 24 * 60) {
        step(&moment->day, 1);
        total -= 24 * 60;
    }
    moment->hour = total / 60;
    moment->minute = total % 60;
    return moment->day.year >= 1 && moment->day.year <= 9999;
}

static inline byte *put_timestamp(byte *to, const Column *column, const Field *field)
{
    Moment moment;
    if (!read_moment(column, field, &moment)) {
        return NULL;
    }
    memcpy(to, "\"0000-00-00T00:00:00", 20);
    put_digits(to + 1, moment.day.year, 4);
    put_digits(to + 6, moment.day.month, 2);
    put_digits(to + 9, moment.day.day, 2);
    put_digits(to + 12, moment.hour, 2);
    put_digits(to + 15, moment.minute, 2);
    put_digits(to + 18, moment.second, 2);
    to += 20;
    if (moment.has_fraction) {
        *to++ = '.';
        to = put_bytes(to, moment.fraction, 6);
    }
    if (!(column->options & IS_LOCAL)) {
        *to++ = 'Z';
    }
    *to++ = '"';
    return to;
}

#endif
