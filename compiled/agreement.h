/* The checker's reading of records: out of a batch, and whether a record's JSON text says what a row
 * of the source says.
 *
 * It shares nothing with the encoder, so that a mistake there cannot hide itself. It says that the
 * two agree or it says nothing: whatever is unusual is left to a reading that is slow and by other
 * libraries.
 */
#ifndef CSVKAFKA_AGREEMENT_H
#define CSVKAFKA_AGREEMENT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What is left of a text. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} Text;

static Text text_of(const void *bytes, size_t size)
{
    return (Text){bytes, (const uint8_t *)bytes + size};
}

static void skip_space(Text *json)
{
    while (json->at < json->end
           && (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r')) {
        json->at++;
    }
}

/* Goes behind the character and the space around it; 0 if it is another one. */
static int take(Text *json, uint8_t character)
{
    skip_space(json);
    if (json->at == json->end || *json->at != character) {
        return 0;
    }
    json->at++;
    skip_space(json);
    return 1;
}

/* -- strings ------------------------------------------------------------------------------------- */

/* Four hexadecimal digits; -1 if there are none. */
static int32_t take_hex(Text *json)
{
    int32_t number = 0;
    for (int i = 0; i < 4; i++) {
        if (json->at == json->end) {
            return -1;
        }
        const uint8_t c = *json->at++, lower = c | 0x20;
        if (c >= '0' && c <= '9') {
            number = number * 16 + (c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            number = number * 16 + (lower - 'a' + 10);
        } else {
            return -1;
        }
    }
    return number;
}

/* The character behind `\u`, of which there are two if it is above U+FFFF; -1 if it is none. */
static int32_t take_code_point(Text *json)
{
    const int32_t first = take_hex(json);
    if (first < 0xd800 || first > 0xdfff) {
        return first;
    }
    if (first > 0xdbff || json->end - json->at < 2 || json->at[0] != '\\' || json->at[1] != 'u') {
        return -1;
    }
    json->at += 2;
    const int32_t second = take_hex(json);
    return second < 0xdc00 || second > 0xdfff ? -1
                                              : 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

static size_t as_utf8(int32_t c, uint8_t *to)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    const size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        to[i] = (uint8_t)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    to[0] = (uint8_t)((0xf00 >> size & 0xf0) | c);
    return size;
}

/* The character behind a backslash, in UTF-8, and its size; 0 if there is none. */
static size_t take_escaped(Text *json, uint8_t *to)
{
    if (json->at == json->end) {
        return 0;
    }
    switch (*json->at++) {
    case '"': to[0] = '"'; return 1;
    case '\\': to[0] = '\\'; return 1;
    case '/': to[0] = '/'; return 1;
    case 'b': to[0] = 8; return 1;
    case 't': to[0] = 9; return 1;
    case 'n': to[0] = 10; return 1;
    case 'f': to[0] = 12; return 1;
    case 'r': to[0] = 13; return 1;
    case 'u': {
        const int32_t c = take_code_point(json);
        return c < 0 ? 0 : as_utf8(c, to);
    }
    default: return 0;
    }
}

/* Goes behind the rest of a JSON string, its first quote being behind; 0 unless it says just this
 * text, which is UTF-8. */
static int take_rest(Text *json, Text text)
{
    while (json->at < json->end) {
        const uint8_t c = *json->at++;
        if (c == '"') {
            return text.at == text.end;
        }
        if (c == '\\') {
            uint8_t character[4];
            const size_t size = take_escaped(json, character);
            if (size == 0 || (size_t)(text.end - text.at) < size
                || memcmp(text.at, character, size) != 0) {
                return 0;
            }
            text.at += size;
        } else if (c < 0x20 || text.at == text.end || *text.at++ != c) {
            return 0;
        }
    }
    return 0;
}

/* Goes behind the JSON string; 0 unless it says just this text. */
static int take_string(Text *json, Text text)
{
    if (json->at == json->end || *json->at++ != '"') {
        return 0;
    }
    return take_rest(json, text);
}

/* A field's name, and how it is written mostly, with what stands around it: `"name":"`; empty if the
 * name is not to be written so. */
typedef struct {
    Text text;
    Text usual;
} Name;

/* The size of what may be written for the name. */
static size_t usual_size(Text name)
{
    return (size_t)(name.end - name.at) + 4;
}

/* Writes what is usual to `to`, if it is JSON. */
static Name name_of(Text text, uint8_t *to)
{
    Name name = {text, text_of(to, 0)};
    const size_t size = (size_t)(text.end - text.at);
    for (size_t i = 0; i < size; i++) {
        if (text.at[i] < 0x20 || text.at[i] == '"' || text.at[i] == '\\') {
            return name;
        }
    }
    to[0] = '"';
    memcpy(to + 1, text.at, size);
    memcpy(to + 1 + size, "\":\"", 3);
    name.usual.end += usual_size(text);
    return name;
}

/* Goes behind these bytes; 0 if others stand there, or there are none to look for. */
static int take_literal(Text *json, Text bytes)
{
    const size_t size = (size_t)(bytes.end - bytes.at);
    if (size == 0 || (size_t)(json->end - json->at) < size || memcmp(json->at, bytes.at, size) != 0) {
        return 0;
    }
    json->at += size;
    return 1;
}

/* Goes behind the field; 0 unless it has this name and is this text. */
static int take_field(Text *json, Name name, Text text)
{
    if (take_literal(json, name.usual)) {
        return take_rest(json, text);
    }
    return take_string(json, name.text) && take(json, ':') && take_string(json, text);
}

static int take_number(Text *json, uint64_t number)
{
    uint8_t digits[20];
    size_t size = 0;
    do {
        digits[sizeof digits - ++size] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    if ((size_t)(json->end - json->at) < size
        || memcmp(json->at, digits + sizeof digits - size, size) != 0) {
        return 0;
    }
    json->at += size;
    return 1;
}

/* -- a batch's records --------------------------------------------------------------------------- */

/* Kafka's zigzag varint, at most 32 bits of it; 0 if it is none. */
static int take_varint(Text *section, int64_t *number)
{
    uint64_t encoded = 0;
    for (int shift = 0; shift < 35 && section->at < section->end; shift += 7) {
        const uint8_t c = *section->at++;
        encoded |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *number = (int64_t)(encoded >> 1) ^ -(int64_t)(encoded & 1);
            return 1;
        }
    }
    return 0;
}

/* Bytes behind their size; `at` is NULL if they are null. 0 if there are none. */
static int take_bytes(Text *section, Text *bytes)
{
    int64_t size;
    if (!take_varint(section, &size) || size < -1 || size > section->end - section->at) {
        return 0;
    }
    *bytes = size < 0 ? (Text){NULL, NULL} : text_of(section->at, (size_t)size);
    section->at += size < 0 ? 0 : size;
    return 1;
}

typedef struct {
    int64_t offset_delta;
    Text key;
    Text value;
} Record;

/* The sizes of record, key, value and headers, the attributes, and the two deltas. */
enum { LEAST_RECORD_BYTES = 7 };

/* Reads the next record and goes behind it; 0 if it has headers, or is no record. */
static int take_record(Text *section, Record *record)
{
    int64_t size, timestamp_delta, headers;
    if (!take_varint(section, &size) || size < 1 || size > section->end - section->at) {
        return 0;
    }
    Text body = text_of(section->at, (size_t)size);
    section->at = body.end;
    body.at++; /* attributes, of which there are none */
    /* A timestamp delta of more than 32 bits is unusual. */
    return take_varint(&body, &timestamp_delta) && take_varint(&body, &record->offset_delta)
           && take_bytes(&body, &record->key) && take_bytes(&body, &record->value)
           && take_varint(&body, &headers) && headers == 0 && body.at == body.end;
}

/* -- a record ------------------------------------------------------------------------------------ */

/* Whether the JSON is one object of these fields, once each and in this order, and of the row's line
 * and file behind them. */
static int says_the_same(Text json, const Name *names, const Text *fields, ptrdiff_t count,
                         uint64_t line, Text file)
{
    if (!take(&json, '{')) {
        return 0;
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        if (!take_field(&json, names[i], fields[i]) || !take(&json, ',')) {
            return 0;
        }
    }
    return take_string(&json, text_of("_source_line", 12)) && take(&json, ':')
           && take_number(&json, line) && take(&json, ',')
           && take_string(&json, text_of("_source_file", 12)) && take(&json, ':')
           && take_string(&json, file) && take(&json, '}') && json.at == json.end;
}

#endif
