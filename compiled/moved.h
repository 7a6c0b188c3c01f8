/* Framed records at another place of a batch: so those of several blocks make one batch. */
#ifndef CSVKAFKA_MOVED_H
#define CSVKAFKA_MOVED_H

#include "agreement.h"
#include "varints.h"

/* What a record is but for its offset delta, and that delta. */
typedef struct {
    Text before; /* attributes and timestamp delta */
    int64_t delta;
    Text behind; /* key, value and headers */
} Framed;

/* Reads the next record and goes behind it; 0 if it is none. */
static int take_framed(Text *section, Framed *framed)
{
    int64_t size, timestamp_delta;
    if (!take_varint(section, &size) || size < 1 || size > section->end - section->at) {
        return 0;
    }
    Text body = text_of(section->at, (size_t)size);
    section->at = body.end;
    framed->before.at = body.at++;
    if (!take_varint(&body, &timestamp_delta)) {
        return 0;
    }
    framed->before.end = body.at;
    if (!take_varint(&body, &framed->delta) || framed->delta < 0) {
        return 0;
    }
    framed->behind = body;
    return 1;
}

static size_t body_size(const Framed *framed)
{
    return (size_t)(framed->before.end - framed->before.at) + varint_size((uint64_t)framed->delta)
           + (size_t)(framed->behind.end - framed->behind.at);
}

/* How many bytes the records take with offset deltas that are `by` more; -1 if they are no records. */
static ptrdiff_t moved_size(Text section, int64_t by)
{
    size_t size = 0;
    while (section.at < section.end) {
        Framed framed;
        if (!take_framed(&section, &framed)) {
            return -1;
        }
        framed.delta += by;
        const size_t of_body = body_size(&framed);
        size += varint_size(of_body) + of_body;
    }
    return (ptrdiff_t)size;
}

/* Writes them to where there is room for so many bytes. */
static void put_moved(byte *to, Text section, int64_t by)
{
    Framed framed;
    while (section.at < section.end && take_framed(&section, &framed)) {
        framed.delta += by;
        to = put_varint(to, body_size(&framed));
        const size_t before = (size_t)(framed.before.end - framed.before.at);
        memcpy(to, framed.before.at, before);
        to = put_varint(to + before, (uint64_t)framed.delta);
        const size_t behind = (size_t)(framed.behind.end - framed.behind.at);
        memcpy(to, framed.behind.at, behind);
        to += behind;
    }
}

#endif
