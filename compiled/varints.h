/* Varints, as Kafka and Avro have them: seven bits a byte, the lowest first. */
#ifndef CSVKAFKA_VARINTS_H
#define CSVKAFKA_VARINTS_H

#include <stddef.h>
#include <stdint.h>

#include "scan.h"

enum { VARINT_SIZE = 10 }; /* none is longer */

static inline byte *put_unsigned(byte *to, uint64_t number)
{
    for (; number > 0x7f; number >>= 7) {
        *to++ = (byte)(number | 0x80);
    }
    *to++ = (byte)number;
    return to;
}

/* The zigzag varint of a number. */
static inline byte *put_signed(byte *to, int64_t number)
{
    return put_unsigned(to, ((uint64_t)number << 1) ^ (uint64_t)(number < 0 ? -1 : 0));
}

/* The same, of a number that is not negative. */
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
    return put_unsigned(to, number << 1);
}

#endif
