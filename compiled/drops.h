/* Which rows make no record, as csvkafka/schema/dropping.py says it. */
#ifndef CSVKAFKA_DROPS_H
#define CSVKAFKA_DROPS_H

#include <stddef.h>

#include "columns.h"
#include "plan.h"

/* Whether a condition means the row. A field is compared as it stands in the file, whatever its type;
 * one that is too long to be unquoted is none of the texts, which are SHORT. */
static inline int is_dropped(const Table *table, const Field *fields, int quote)
{
    for (ptrdiff_t i = 0; i < table->drop_count; i++) {
        const Drop *const drop = &table->drops[i];
        ShortText text;
        Field plain;
        const int is_one = unquoted(&fields[drop->column], quote, &text, &plain)
                           && is_one_of(&drop->texts, &plain);
        if (is_one != drop->is_negated) {
            return 1;
        }
    }
    return 0;
}

#endif
