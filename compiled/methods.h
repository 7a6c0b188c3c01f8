/* What Python calls of an encoder: csvkafka/compiled.py says what each takes and returns. */
#ifndef CSVKAFKA_METHODS_H
#define CSVKAFKA_METHODS_H

#include <stdlib.h>

#include "plan.h"
#include "records.h"
#include "rows.h"

typedef struct {
    PyObject_HEAD
    Plan plan;
} Encoder;

static const Plan *plan_of(PyObject *encoder)
{
    return &((const Encoder *)encoder)->plan;
}

static PyObject *refusal(int outcome)
{
    if (outcome == NO_MEMORY) {
        return PyErr_NoMemory();
    }
    PyErr_SetString(PyExc_ValueError, "a row does not fit");
    return NULL;
}

/* The section as bytes; it is empty from then on. */
static PyObject *taken(Section *section)
{
    PyObject *bytes =
        PyBytes_FromStringAndSize((const char *)section->bytes, (Py_ssize_t)section->size);
    free(section->bytes);
    *section = (Section){0};
    return bytes;
}

/* Where a reader stands: where the next row begins, and the place behind it if it is left, else -1. */
typedef struct {
    Py_ssize_t offset;
    Py_ssize_t behind;
} Stand;

static Stand stand_of(const Reader *reader, const byte *begin)
{
    return (Stand){reader->place - begin, reader->behind ? reader->behind - begin : -1};
}

static int is_complete(int outcome)
{
    return outcome == DONE || outcome == DROPPED || outcome == LEFT || outcome == AT_END;
}

/* frame(data, offset, number, delta, rows, piece_bytes) -> (piece, offset of the next row, rows in
 * the piece, offset behind the next row if it is left, else -1) */
static PyObject *Encoder_frame(PyObject *self, PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t offset, delta, rows, piece_bytes;
    unsigned long long number;
    if (!PyArg_ParseTuple(arguments, "y*nKnnn", &data, &offset, &number, &delta, &rows,
                          &piece_bytes)) {
        return NULL;
    }
    if (offset < 0 || offset > data.len || delta < 0 || piece_bytes < 0) {
        PyBuffer_Release(&data);
        PyErr_SetString(PyExc_IndexError, "outside of the data");
        return NULL;
    }
    const byte *const begin = data.buf;
    Section section = {.records = delta};
    Reader reader;
    int outcome;
    Py_BEGIN_ALLOW_THREADS
    outcome = open_reader(&reader, plan_of(self), begin + offset, begin + data.len);
    if (outcome == DONE) {
        outcome = add_rows(&section, &reader, number, rows, (size_t)piece_bytes);
    }
    close_reader(&reader);
    Py_END_ALLOW_THREADS
    const Stand stand = stand_of(&reader, begin);
    const Py_ssize_t row_count = section.rows;
    PyBuffer_Release(&data);
    PyObject *piece = taken(&section);
    if (piece == NULL || !is_complete(outcome)) {
        Py_XDECREF(piece);
        return is_complete(outcome) ? NULL : refusal(outcome);
    }
    return Py_BuildValue("(Nnnn)", piece, stand.offset, row_count, stand.behind);
}

/* skip(data, rows) -> the offset behind so many rows */
static PyObject *Encoder_skip(PyObject *self, PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t rows;
    if (!PyArg_ParseTuple(arguments, "y*n", &data, &rows)) {
        return NULL;
    }
    const byte *const begin = data.buf;
    Reader reader;
    int outcome;
    Py_BEGIN_ALLOW_THREADS
    outcome = open_reader(&reader, plan_of(self), begin, begin + data.len);
    if (outcome == DONE) {
        outcome = skip_rows(&reader, rows);
    }
    close_reader(&reader);
    Py_END_ALLOW_THREADS
    const Py_ssize_t offset = reader.place - begin;
    PyBuffer_Release(&data);
    return outcome == DONE ? PyLong_FromSsize_t(offset) : refusal(outcome);
}

/* The text of a field; `room` is for one that is quoted oddly. */
static PyObject *text_of_field(const Field *field, int quote, Section *room)
{
    const char *bytes = (const char *)field->start;
    Py_ssize_t size = (Py_ssize_t)field->size;
    if (field->kind & QUOTED_ODDLY) {
        byte *const to = room_for(room, raw_size(field, quote));
        if (to == NULL) {
            return PyErr_NoMemory();
        }
        size = put_raw(to, field, quote) - to;
        bytes = (const char *)to;
    }
    return PyUnicode_DecodeUTF8(bytes, size, "strict");
}

/* Adds to the list the text of the column in each row, or None where the row has another width; 0
 * and an exception if that cannot be done. */
static int add_texts(PyObject *list, Reader *reader, Py_ssize_t column, Section *room)
{
    const Plan *const plan = reader->plan;
    for (;;) {
        const int row = read_row(&plan->dialect, &reader->scan, &reader->place, reader->fields,
                                 plan->width);
        if (row == NO_ROW) {
            return 1;
        }
        if (row == REFUSED) {
            return refusal(DOES_NOT_FIT) != NULL;
        }
        PyObject *const text =
            row == ROW ? text_of_field(&reader->fields[column], plan->dialect.quote, room)
                       : Py_NewRef(Py_None);
        const int is_added = text != NULL && PyList_Append(list, text) == 0;
        Py_XDECREF(text);
        if (!is_added) {
            return 0;
        }
    }
}

/* texts(data, column) -> the text of that column in each row; None where it has another width */
static PyObject *Encoder_texts(PyObject *self, PyObject *arguments)
{
    const Plan *const plan = plan_of(self);
    Py_buffer data;
    Py_ssize_t column;
    if (!PyArg_ParseTuple(arguments, "y*n", &data, &column)) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    Section room = {0};
    Reader reader;
    int is_done = 0;
    if (open_reader(&reader, plan, data.buf, (const byte *)data.buf + data.len) != DONE) {
        PyErr_NoMemory();
    } else if (column < 0 || column >= plan->width) {
        PyErr_SetString(PyExc_IndexError, "there is no such column");
    } else {
        is_done = list != NULL && add_texts(list, &reader, column, &room);
    }
    close_reader(&reader);
    free(room.bytes);
    PyBuffer_Release(&data);
    if (!is_done) {
        Py_CLEAR(list);
    }
    return list;
}

/* A number for each lane; what is missing is 0. 0 and an exception if there are no such. */
static int read_numbers(PyObject *sequence, Py_ssize_t *numbers, Py_ssize_t lane_count)
{
    const Py_ssize_t count = PySequence_Size(sequence);
    for (Py_ssize_t i = 0; i < count && i < lane_count; i++) {
        PyObject *value = PySequence_GetItem(sequence, i);
        numbers[i] = value == NULL ? -1 : PyLong_AsSsize_t(value);
        Py_XDECREF(value);
    }
    return PyErr_Occurred() == NULL;
}

/* What is known of the lanes before their rows: `rows` of each, of which `skip` are no records. */
static void begin_lanes(Section *lanes, const Py_ssize_t *rows, const Py_ssize_t *skip,
                        Py_ssize_t lane_count)
{
    for (Py_ssize_t i = 0; i < lane_count; i++) {
        lanes[i].rows = rows[i];
        lanes[i].records = rows[i] > skip[i] ? rows[i] - skip[i] : 0;
    }
}

static PyObject *lanes_as_list(Section *lanes, Py_ssize_t lane_count)
{
    PyObject *list = PyList_New(lane_count);
    for (Py_ssize_t i = 0; list != NULL && i < lane_count; i++) {
        const Py_ssize_t rows = lanes[i].rows;
        PyObject *bytes = taken(&lanes[i]);
        PyObject *lane = bytes == NULL ? NULL : Py_BuildValue("(nN)", rows, bytes);
        if (lane == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, i, lane);
        }
    }
    return list;
}

/* frame_lanes(data, offset, number, skips, rows_before, dropped) -> ([(rows, section) of each lane],
 * offset of the next row, rows that were read, offset behind the next row if it is left, else -1) */
static PyObject *Encoder_frame_lanes(PyObject *self, PyObject *arguments)
{
    const Plan *const plan = plan_of(self);
    const Py_ssize_t lane_count = (Py_ssize_t)plan->lane_count;
    Py_buffer data, dropped;
    Py_ssize_t offset, row_count = 0;
    unsigned long long number;
    PyObject *skips, *rows_before, *result = NULL;
    if (!PyArg_ParseTuple(arguments, "y*nKOOy*", &data, &offset, &number, &skips, &rows_before,
                          &dropped)) {
        return NULL;
    }
    Section *lanes = calloc((size_t)lane_count, sizeof *lanes);
    Py_ssize_t *skip = calloc((size_t)lane_count, sizeof *skip);
    Py_ssize_t *before = calloc((size_t)lane_count, sizeof *before);
    if (lanes == NULL || skip == NULL || before == NULL) {
        PyErr_NoMemory();
    } else if (offset < 0 || offset > data.len) {
        PyErr_SetString(PyExc_IndexError, "outside of the data");
    } else if (read_numbers(skips, skip, lane_count)
               && read_numbers(rows_before, before, lane_count)) {
        const byte *const begin = data.buf;
        Reader reader;
        int outcome;
        Py_BEGIN_ALLOW_THREADS
        begin_lanes(lanes, before, skip, lane_count);
        outcome = open_reader(&reader, plan, begin + offset, begin + data.len);
        reader.dropped = dropped.buf;
        reader.dropped_end = reader.dropped + dropped.len;
        if (outcome == DONE) {
            outcome = add_rows_to_lanes(lanes, skip, &reader, number, &row_count);
        }
        close_reader(&reader);
        Py_END_ALLOW_THREADS
        const Stand stand = stand_of(&reader, begin);
        PyObject *list = is_complete(outcome) ? lanes_as_list(lanes, lane_count) : refusal(outcome);
        if (list != NULL) {
            result = Py_BuildValue("(Nnnn)", list, stand.offset, row_count, stand.behind);
        }
    }
    for (Py_ssize_t i = 0; lanes != NULL && i < lane_count; i++) {
        free(lanes[i].bytes);
    }
    free(lanes);
    free(skip);
    free(before);
    PyBuffer_Release(&data);
    PyBuffer_Release(&dropped);
    return result;
}

#endif
