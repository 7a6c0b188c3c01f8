/* A plan from what Python says of it (csvkafka/compiled.py).
 *
 * What sets a part of it is 0, with an exception, where that cannot be done; `release_plan` takes
 * whatever was set. */
#ifndef CSVKAFKA_ARGUMENTS_H
#define CSVKAFKA_ARGUMENTS_H

#include <stdlib.h>
#include <string.h>

#include "partitions.h"
#include "plan.h"

static int set_texts(FixedTexts *fixed, PyObject *texts)
{
    const Py_ssize_t count = PyTuple_Size(texts);
    if (count < 0) {
        return 0;
    }
    fixed->ends = calloc((size_t)count + 1, sizeof *fixed->ends);
    fixed->bytes = calloc(1, SLACK);
    for (; fixed->ends != NULL && fixed->bytes != NULL && fixed->count < count; fixed->count++) {
        char *text;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(texts, fixed->count), &text, &size) < 0) {
            return 0;
        }
        byte *grown = realloc(fixed->bytes, fixed->size + (size_t)size + SLACK);
        if (grown == NULL) {
            break;
        }
        memcpy(grown + fixed->size, text, (size_t)size);
        memset(grown + fixed->size + size, 0, SLACK);
        fixed->bytes = grown;
        fixed->size += (size_t)size;
        fixed->ends[fixed->count] = fixed->size;
    }
    if (fixed->count < count || fixed->ends == NULL || fixed->bytes == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    return 1;
}

static void release_texts(FixedTexts *fixed)
{
    free(fixed->bytes);
    free(fixed->ends);
}

/* Short texts, each behind its size. */
static int set_short_texts(Texts *short_texts, PyObject *texts)
{
    const Py_ssize_t count = PyTuple_Size(texts);
    if (count < 0) {
        return 0;
    }
    short_texts->bytes = calloc((size_t)count + 1, SHORT + 1);
    if (short_texts->bytes == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        char *text;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(texts, i), &text, &size) < 0) {
            return 0;
        }
        if (size > SHORT) {
            PyErr_SetString(PyExc_ValueError, "a column's text is too long");
            return 0;
        }
        short_texts->bytes[short_texts->size++] = (byte)size;
        memcpy(short_texts->bytes + short_texts->size, text, (size_t)size);
        short_texts->size += (size_t)size;
    }
    return 1;
}

/* (kind, options, first, second, nulls, trues, falses) */
static int set_column(Column *column, PyObject *declared)
{
    PyObject *nulls, *trues, *falses;
    if (!PyArg_ParseTuple(declared, "iiiiO!O!O!", &column->kind, &column->options, &column->first,
                          &column->second, &PyTuple_Type, &nulls, &PyTuple_Type, &trues,
                          &PyTuple_Type, &falses)) {
        return 0;
    }
    const int is_possible = column->kind >= STRING && column->kind < UNUSED && column->first >= 0
                            && column->second >= 0 && column->second < SHORT
                            && (column->kind != INTEGER || column->first == 32
                                || column->first == 64);
    if (!is_possible) {
        PyErr_SetString(PyExc_ValueError, "there is no such column");
        return 0;
    }
    return set_short_texts(&column->nulls, nulls) && set_short_texts(&column->trues, trues)
           && set_short_texts(&column->falses, falses);
}

/* Places of columns that are no UNUSED ones. */
static int set_places(ptrdiff_t **places, ptrdiff_t *count, PyObject *numbers, const Plan *plan)
{
    *count = PyTuple_Size(numbers);
    *places = calloc((size_t)(*count > 0 ? *count : 1), sizeof **places);
    if (*count < 0 || *places == NULL) {
        *count = 0;
        return PyErr_NoMemory() != NULL;
    }
    for (ptrdiff_t i = 0; i < *count; i++) {
        const Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GetItem(numbers, i));
        if (place < 0 || place >= plan->width || plan->table->columns[place].kind == UNUSED) {
            PyErr_SetString(PyExc_ValueError, "there is no such field");
            return 0;
        }
        (*places)[i] = place;
    }
    return 1;
}

/* ((column, is_negated, texts), ...) */
static int set_drops(Table *table, PyObject *declared, ptrdiff_t width)
{
    const Py_ssize_t count = PyTuple_Size(declared);
    table->drops = calloc((size_t)count + 1, sizeof *table->drops);
    if (table->drops == NULL) {
        return PyErr_NoMemory() != NULL;
    }
    for (; table->drop_count < count; table->drop_count++) {
        Drop *const drop = &table->drops[table->drop_count];
        PyObject *texts;
        if (!PyArg_ParseTuple(PyTuple_GetItem(declared, table->drop_count), "npO!", &drop->column,
                              &drop->is_negated, &PyTuple_Type, &texts)) {
            return 0;
        }
        if (drop->column < 0 || drop->column >= width) {
            PyErr_SetString(PyExc_ValueError, "there is no such field");
            return 0;
        }
        if (!set_short_texts(&drop->texts, texts)) {
            free(drop->texts.bytes);
            return 0;
        }
    }
    return 1;
}

/* (columns, fields, number_form, headers, key_form, key, key_names, drops); a column may be None */
static int set_table(Plan *plan, PyObject *declared)
{
    PyObject *columns, *fields, *headers, *key, *key_names, *drops;
    Table *const table = plan->table = calloc(1, sizeof *table);
    if (table == NULL) {
        return PyErr_NoMemory() != NULL;
    }
    if (!PyArg_ParseTuple(declared, "O!O!iO!iO!O!O!", &PyTuple_Type, &columns, &PyTuple_Type, &fields,
                          &table->number_form, &PyTuple_Type, &headers, &table->key_form,
                          &PyTuple_Type, &key, &PyTuple_Type, &key_names, &PyTuple_Type,
                          &drops)) {
        return 0;
    }
    const Py_ssize_t width = PyTuple_Size(columns);
    table->columns = calloc((size_t)width + 1, sizeof *table->columns);
    if (table->columns == NULL) {
        return PyErr_NoMemory() != NULL;
    }
    plan->width = width;
    for (Py_ssize_t i = 0; i < width; i++) {
        PyObject *const column = PyTuple_GetItem(columns, i);
        if (column == Py_None) {
            table->columns[i].kind = UNUSED;
        } else if (!set_column(&table->columns[i], column)) {
            return 0;
        }
    }
    return set_places(&table->fields, &table->field_count, fields, plan)
           && set_places(&table->key, &table->key_count, key, plan)
           && set_texts(&table->headers, headers) && set_texts(&table->key_names, key_names)
           && set_drops(table, drops, width);
}

static void release_table(Plan *plan)
{
    Table *const table = plan->table;
    for (ptrdiff_t i = 0; table->columns != NULL && i < plan->width; i++) {
        free(table->columns[i].nulls.bytes);
        free(table->columns[i].trues.bytes);
        free(table->columns[i].falses.bytes);
    }
    for (ptrdiff_t i = 0; i < table->drop_count; i++) {
        free(table->drops[i].texts.bytes);
    }
    free(table->drops);
    free(table->columns);
    free(table->fields);
    free(table->key);
    release_texts(&table->headers);
    release_texts(&table->key_names);
    free(table);
}

static int is_possible_table(const Plan *plan)
{
    const Table *const table = plan->table;
    const ptrdiff_t keys = table->key_count, names = table->key_names.count;
    const int is_possible_key =
        table->key_form == NULL_KEYS ? keys == 0
        : table->key_form == JSON_KEYS
            ? keys > 0 && names == keys + 1
            : keys == 1
                  && (table->key_form == TEXT_KEYS
                      || (table->key_form == MASKED_KEYS
                          && table->columns[table->key[0]].kind == MASKED));
    return plan->width > 0 && plan->names.count == table->field_count + 2 && plan->key == -1
           && (table->headers.count == 0 || table->headers.count == 2) && is_possible_key
           && (plan->routing == ONE_PARTITION || keys > 0);
}

/* In JSON a byte of a field takes up to six, and once more it may be one of the key. */
static void set_most_bytes(Plan *plan, Py_ssize_t most_bytes)
{
    const size_t besides = plan->names.size + NUMBER_DIGITS;
    plan->most_bytes = most_bytes < 0 ? SIZE_MAX : (size_t)most_bytes;
    plan->short_row = plan->most_bytes > besides ? (plan->most_bytes - besides) / 7 : 0;
}

static int is_possible(const Plan *plan)
{
    const int is_possible_record =
        plan->table != NULL
            ? is_possible_table(plan)
            : plan->width > 0 && plan->key >= -1 && plan->key < plan->width
                  && (plan->routing == ONE_PARTITION || plan->key >= 0);
    return is_possible_record && plan->dialect.delimiter >= 0 && plan->dialect.delimiter < 128
           && plan->dialect.quote < 128 && plan->lane_count > 0;
}

static void release_plan(Plan *plan)
{
    release_texts(&plan->names);
    if (plan->table != NULL) {
        release_table(plan);
    }
}

#endif
