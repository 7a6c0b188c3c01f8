/* What a row is, as Python's csv module reads it: quotes around a field, doubled quotes inside of
 * them, text after the closing one; line ends are LF, CRLF and a lone CR, and blank lines no rows. */
#ifndef CSVKAFKA_ROWS_H
#define CSVKAFKA_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "scan.h"

typedef struct {
    int delimiter;
    int quote; /* -1: nothing is quoted */
} Dialect;

/* What stands after the backslash of a character that JSON escapes; 0: it is not escaped. */
static const byte ESCAPES[256] = {
    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
    ['"'] = '"',  ['\\'] = '\\',
    [0] = 'u',  [1] = 'u',  [2] = 'u',  [3] = 'u',  [4] = 'u',  [5] = 'u',  [6] = 'u',  [7] = 'u',
    [11] = 'u', [14] = 'u', [15] = 'u', [16] = 'u', [17] = 'u', [18] = 'u', [19] = 'u', [20] = 'u',
    [21] = 'u', [22] = 'u', [23] = 'u', [24] = 'u', [25] = 'u', [26] = 'u', [27] = 'u', [28] = 'u',
    [29] = 'u', [30] = 'u', [31] = 'u',
};

enum { ESCAPED = 1, QUOTED_ODDLY = 2 };

/* A field's bytes in the block. `kind`: ESCAPED if a character of it needs an escape in JSON;
 * QUOTED_ODDLY if the field is not what stands between its quotes: then the bytes are those from
 * its opening quote on, to be read once more. */
typedef struct {
    const byte *start;
    uint32_t size;
    uint32_t kind;
} Field;

static inline int is_line_end(byte c)
{
    return c == '\n' || c == '\r';
}

/* Goes on behind the line end at `at`, which was found already. */
static inline const byte *behind_line_end(Scan *scan, const byte *at)
{
    if (*at == '\r' && at + 1 < scan->end && at[1] == '\n') {
        next(scan);
        return at + 2;
    }
    return at + 1;
}

/* The quote that closes a field whose opening one was found last; NULL if there is none. */
static inline const byte *closing_quote(Scan *scan, int quote, uint32_t *kind)
{
    const byte *found;
    while ((found = next(scan)) < scan->end) {
        if (*found != quote) {
            *kind |= ESCAPES[*found] ? ESCAPED : 0;
        } else if (found + 1 < scan->end && found[1] == quote) {
            next(scan);
            *kind |= QUOTED_ODDLY;
        } else {
            return found;
        }
    }
    return NULL;
}

/* -- where rows end ------------------------------------------------------------------------------ */

/* The line end of the row that begins at `row`, or the end of all; NULL if a quote is open there. A
 * quote opens a field where one begins; anywhere else it is a character like others. */
static inline const byte *end_of_row(const Dialect *dialect, Scan *scan, const byte *row)
{
    const byte *found = next(scan);
    while (found < scan->end && *found == dialect->quote) {
        uint32_t kind = 0;
        const int opens = found == row || found[-1] == dialect->delimiter;
        if (opens && closing_quote(scan, dialect->quote, &kind) == NULL) {
            return NULL;
        }
        found = next(scan);
    }
    return found;
}

typedef struct {
    ptrdiff_t size;
    ptrdiff_t rows;
} WholeRows;

/* The whole rows from `begin` on, blank lines among and behind them counted in: as many as fit into
 * `limit`, where each costs `row_overhead` beside its bytes, or the first one. A last row without a
 * line end is whole only `at_end`. */
static WholeRows whole_rows(const Dialect *dialect, const byte *begin, const byte *end, int at_end,
                            ptrdiff_t row_overhead, ptrdiff_t limit)
{
    const byte quote = dialect->quote < 0 ? '\n' : (byte)dialect->quote;
    Scan scan = {.alphabet = {{'\n', '\r', quote, quote}, 0}};
    scan_from(&scan, begin, end);
    WholeRows whole = {0, 0};
    for (const byte *row = begin; row < end;) {
        const byte *line_end = end_of_row(dialect, &scan, row);
        if (line_end == NULL || (line_end == end && !at_end)) {
            break;
        }
        const int is_row = line_end > row;
        row = line_end < end ? behind_line_end(&scan, line_end) : end;
        if (is_row && whole.rows > 0 && row - begin + (whole.rows + 1) * row_overhead > limit) {
            break;
        }
        whole.rows += is_row;
        whole.size = row - begin;
    }
    return whole;
}

/* -- a row's fields ------------------------------------------------------------------------------ */

enum { NO_ROW, ROW, OTHER_WIDTH, REFUSED };

static void scan_fields(const Dialect *dialect, Scan *scan, const byte *begin, const byte *end)
{
    const byte delimiter = (byte)dialect->delimiter;
    const byte quote = dialect->quote < 0 ? delimiter : (byte)dialect->quote;
    scan->alphabet = (Alphabet){{delimiter, quote, '"', '\\'}, 1};
    scan_from(scan, begin, end);
}

/* Reads the field that begins at `at`. Returns the delimiter or the line end behind it, or the end
 * of all; NULL if its quote is open there. */
static inline const byte *read_field(const Dialect *dialect, Scan *scan, const byte *at,
                                     Field *field)
{
    const byte *const end = scan->end;
    const byte *begin = at, *closed = NULL, *found;
    uint32_t kind = 0;
    if (at < end && *at == dialect->quote) {
        next(scan);
        closed = closing_quote(scan, dialect->quote, &kind);
        if (closed == NULL) {
            return NULL;
        }
        at = closed + 1;
        if (at < end && *at != dialect->delimiter && !is_line_end(*at)) {
            kind |= QUOTED_ODDLY; /* text after the closing quote */
        }
    }
    while ((found = next(scan)) < end && *found != dialect->delimiter && !is_line_end(*found)) {
        kind |= ESCAPES[*found] ? ESCAPED : 0;
    }
    const int is_between_quotes = closed != NULL && !(kind & QUOTED_ODDLY);
    begin += is_between_quotes;
    const byte *const field_end = is_between_quotes ? closed : found;
    *field = (Field){begin, (uint32_t)(field_end - begin), kind};
    return found;
}

/* Goes on behind a row that has more fields than are wanted; the next one begins at `at`. */
static int read_surplus(const Dialect *dialect, Scan *scan, const byte **place, const byte *at)
{
    for (;;) {
        Field field;
        const byte *const found = read_field(dialect, scan, at, &field);
        if (found == NULL) {
            return REFUSED;
        }
        if (found == scan->end || *found != dialect->delimiter) {
            *place = found < scan->end ? behind_line_end(scan, found) : scan->end;
            return OTHER_WIDTH;
        }
        at = found + 1;
    }
}

/* Reads the row that begins at `*place`, or behind blank lines there, and goes on behind it, also if
 * it is of another width. REFUSED: a quote is open at the end, or a field is too large. */
static int read_row(const Dialect *dialect, Scan *scan, const byte **place, Field *fields,
                    ptrdiff_t width)
{
    const byte *const end = scan->end;
    const byte *at = *place;
    while (at < end && is_line_end(*at)) {
        next(scan);
        at++;
    }
    *place = at;
    if (at == end) {
        return NO_ROW;
    }
    for (ptrdiff_t count = 0; count < width; count++) {
        const byte *const found = read_field(dialect, scan, at, &fields[count]);
        if (found == NULL || found - fields[count].start > INT32_MAX) {
            return REFUSED;
        }
        if (found == end || *found != dialect->delimiter) {
            *place = found < end ? behind_line_end(scan, found) : end;
            return count + 1 == width ? ROW : OTHER_WIDTH;
        }
        at = found + 1;
    }
    return read_surplus(dialect, scan, place, at);
}

#endif
