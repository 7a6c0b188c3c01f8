/* Text of which a part is hidden. */
#ifndef CSVKAFKA_MASKS_H
#define CSVKAFKA_MASKS_H

#include <stddef.h>
#include <stdint.h>

#include "columns.h"
#include "fields.h"

static inline int begins_character(byte c)
{
    return (c & 0xc0) != 0x80;
}

/* The text with a * for each character that is hidden, as JSON inside its quotes or as it is. */
static byte *put_masked(byte *to, const Column *column, const Field *field, int is_json)
{
    ptrdiff_t count = 0, place = -1;
    for (uint32_t i = 0; i < field->size; i++) {
        count += begins_character(field->start[i]);
    }
    ptrdiff_t shown_first = column->first, hidden = count - shown_first - column->second;
    if (hidden <= 0) { /* nothing would be */
        shown_first = 0;
        hidden = count;
    }
    for (uint32_t i = 0; i < field->size; i++) {
        const byte c = field->start[i];
        place += begins_character(c);
        if (place < shown_first || place >= shown_first + hidden) {
            if (is_json) {
                to = put_escaped(to, c);
            } else {
                *to++ = c;
            }
        } else if (begins_character(c)) {
            *to++ = '*';
        }
    }
    return to;
}

#endif
