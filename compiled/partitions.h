/* Which partition a key goes to: librdkafka's `consistent` (crc32), Java's default (murmur2). */
#ifndef CSVKAFKA_PARTITIONS_H
#define CSVKAFKA_PARTITIONS_H

#include <stddef.h>
#include <stdint.h>

enum { ONE_PARTITION = 0, KEY_CRC32 = 1, KEY_MURMUR2 = 2 };

static uint32_t crc32_of(const uint8_t *key, size_t size)
{
    static const uint32_t of_four_bits[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= key[i];
        crc = crc >> 4 ^ of_four_bits[crc & 15];
        crc = crc >> 4 ^ of_four_bits[crc & 15];
    }
    return ~crc;
}

static uint32_t murmur2_of(const uint8_t *key, size_t size)
{
    const uint32_t m = 0x5bd1e995u;
    uint32_t h = 0x9747b28cu ^ (uint32_t)size;
    size_t i = 0;
    for (; i + 4 <= size; i += 4) {
        uint32_t k = (uint32_t)key[i] | (uint32_t)key[i + 1] << 8 | (uint32_t)key[i + 2] << 16
                     | (uint32_t)key[i + 3] << 24;
        k *= m;
        k ^= k >> 24;
        h = h * m ^ k * m;
    }
    if (i < size) {
        uint32_t rest = 0;
        for (size_t k = 0; i + k < size; k++) {
            rest |= (uint32_t)key[i + k] << (8 * k);
        }
        h = (h ^ rest) * m;
    }
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

static int64_t partition_of(int routing, const uint8_t *key, size_t size, uint32_t count)
{
    const uint32_t hash =
        routing == KEY_CRC32 ? crc32_of(key, size) : murmur2_of(key, size) & 0x7fffffffu;
    return hash % count;
}

#endif
