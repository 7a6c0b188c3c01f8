/* What Python sees of the checker's reading; csvkafka/compiled.py says it. `records_of` and `agreeing`
 * hold the interpreter's lock, as they make and read its objects. */
#ifndef CSVKAFKA_CHECKER_H
#define CSVKAFKA_CHECKER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "agreement.h"

/* The UTF-8 of a str; 0 and an exception if it has none, or is no str. */
static int read_text(PyObject *object, Text *text)
{
    Py_ssize_t size;
    const char *const bytes = PyUnicode_AsUTF8AndSize(object, &size);
    if (bytes == NULL) {
        return 0;
    }
    *text = text_of(bytes, (size_t)size);
    return 1;
}

/* The texts of a list or tuple of so many; 0 and an exception if it is another number. */
static int read_texts(PyObject *objects, Text *texts, Py_ssize_t count)
{
    const int is_list = PyList_Check(objects);
    if (is_list ? PyList_Size(objects) != count : PyTuple_Size(objects) != count) {
        PyErr_SetString(PyExc_ValueError, "it has another width");
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *const object = is_list ? PyList_GetItem(objects, i) : PyTuple_GetItem(objects, i);
        if (!read_text(object, &texts[i])) {
            return 0;
        }
    }
    return 1;
}

static PyObject *as_bytes(Text text)
{
    if (text.at == NULL) {
        return Py_NewRef(Py_None);
    }
    return PyBytes_FromStringAndSize((const char *)text.at, text.end - text.at);
}

/* Without a limit, as whatever a batch says is taken. */
static long long plus(long long a, int64_t b)
{
    return (long long)((unsigned long long)a + (unsigned long long)b);
}

/* records_of(section, count, base_offset) -> [(Kafka offset, key, value, ())], or None */
static PyObject *module_records_of(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t count;
    long long base_offset;
    if (!PyArg_ParseTuple(arguments, "y*nL", &data, &count, &base_offset)) {
        return NULL;
    }
    Text section = text_of(data.buf, (size_t)data.len);
    PyObject *list = PyList_New(0), *no_headers = PyTuple_New(0);
    int is_usual = list != NULL && no_headers != NULL;
    for (Py_ssize_t i = 0; is_usual && i < count; i++) {
        Record record;
        is_usual = take_record(&section, &record);
        if (is_usual) {
            PyObject *item = Py_BuildValue("(LNNO)", plus(base_offset, record.offset_delta),
                                           as_bytes(record.key), as_bytes(record.value), no_headers);
            is_usual = item != NULL && PyList_Append(list, item) == 0;
            Py_XDECREF(item);
        }
    }
    is_usual = is_usual && section.at == section.end;
    Py_XDECREF(no_headers);
    PyBuffer_Release(&data);
    if (is_usual) {
        return list;
    }
    Py_XDECREF(list);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* Walks the records of a section; how many there are, which is `count` or fewer: then one of them has
 * headers, or is torn. `places` has room for one more than `count`. */
static Py_ssize_t outline(Text section, Py_ssize_t count, long long base_offset, int64_t *places,
                          int64_t *kafka_offsets)
{
    const uint8_t *const begin = section.at;
    Record record;
    for (Py_ssize_t i = 0; i < count; i++) {
        places[i] = section.at - begin;
        if (!take_record(&section, &record)) {
            return i;
        }
        kafka_offsets[i] = plus(base_offset, record.offset_delta);
    }
    places[count] = section.at - begin;
    return section.at == section.end ? count : -1;
}

/* outline(section, count, base_offset) -> (places, Kafka offsets), or None */
static PyObject *module_outline(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t count;
    long long base_offset;
    if (!PyArg_ParseTuple(arguments, "y*nL", &data, &count, &base_offset)) {
        return NULL;
    }
    PyObject *places = NULL, *kafka_offsets = NULL, *found = NULL;
    if (count < 0 || count > data.len / LEAST_RECORD_BYTES) {
        found = Py_NewRef(Py_None);
        goto end;
    }
    places = PyBytes_FromStringAndSize(NULL, (count + 1) * (Py_ssize_t)sizeof(int64_t));
    kafka_offsets = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(int64_t));
    if (places == NULL || kafka_offsets == NULL) {
        goto end;
    }
    int64_t *const to_places = (int64_t *)(void *)PyBytes_AsString(places);
    int64_t *const to_offsets = (int64_t *)(void *)PyBytes_AsString(kafka_offsets);
    Py_ssize_t walked;
    Py_BEGIN_ALLOW_THREADS
    walked = outline(text_of(data.buf, (size_t)data.len), count, base_offset, to_places, to_offsets);
    Py_END_ALLOW_THREADS
    found = walked == count ? PyTuple_Pack(2, places, kafka_offsets) : Py_NewRef(Py_None);
end:
    Py_XDECREF(places);
    Py_XDECREF(kafka_offsets);
    PyBuffer_Release(&data);
    return found;
}

/* What the records of a partition are compared with. */
typedef struct {
    Name *names;
    Text *fields;
    Py_ssize_t width;
    Text file;
    Py_ssize_t key; /* which field must be the record's key; -1: any key */
} Wanted;

/* Takes the texts in `fields` for the names; 0 and an exception if there is no memory. */
static int name_fields(Wanted *wanted)
{
    size_t size = 0;
    for (Py_ssize_t i = 0; i < wanted->width; i++) {
        size += usual_size(wanted->fields[i]);
    }
    wanted->names = malloc((size_t)wanted->width * sizeof *wanted->names + size + 1);
    if (wanted->names == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    uint8_t *to = (uint8_t *)(wanted->names + wanted->width);
    for (Py_ssize_t i = 0; i < wanted->width; i++) {
        wanted->names[i] = name_of(wanted->fields[i], to);
        to += usual_size(wanted->fields[i]);
    }
    return 1;
}

/* Whether the record is this row's; -1 and an exception if the row cannot be read. */
static int is_record_of(const Wanted *wanted, const Record *record, PyObject *row, PyObject *line)
{
    const unsigned long long number = PyLong_AsUnsignedLongLong(line);
    if (PyErr_Occurred() || !read_texts(row, wanted->fields, wanted->width)) {
        return -1;
    }
    if (record->value.at == NULL
        || !says_the_same(record->value, wanted->names, wanted->fields, wanted->width, number,
                          wanted->file)) {
        return 0;
    }
    if (wanted->key < 0) {
        return 1;
    }
    const Text key = wanted->fields[wanted->key], found = record->key;
    return found.at != NULL && found.end - found.at == key.end - key.at
           && memcmp(found.at, key.at, (size_t)(key.end - key.at)) == 0;
}

/* How many of the section's first records are those of the rows, one by one; -1 and an exception. A
 * row that is nothing to compare (another width, half a surrogate pair) agrees with nothing. */
static Py_ssize_t count_agreeing(const Wanted *wanted, Text section, PyObject *rows, PyObject *lines)
{
    Py_ssize_t count = PyList_Size(rows);
    count = PyList_Size(lines) < count ? PyList_Size(lines) : count;
    for (Py_ssize_t i = 0; i < count; i++) {
        Record record;
        if (!take_record(&section, &record)) {
            return i;
        }
        const int same =
            is_record_of(wanted, &record, PyList_GetItem(rows, i), PyList_GetItem(lines, i));
        if (same < 0
            && (PyErr_ExceptionMatches(PyExc_ValueError)
                || PyErr_ExceptionMatches(PyExc_TypeError))) {
            PyErr_Clear();
        } else if (same < 0) {
            return -1;
        }
        if (same <= 0) {
            return i;
        }
    }
    return count;
}

/* agreeing(section, place, rows, lines, names, file, key) -> how many of the records from there on
 * agree */
static PyObject *module_agreeing(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t place;
    PyObject *rows, *lines, *names, *file;
    Wanted wanted;
    if (!PyArg_ParseTuple(arguments, "y*nO!O!O!Un", &data, &place, &PyList_Type, &rows, &PyList_Type,
                          &lines, &PyTuple_Type, &names, &file, &wanted.key)) {
        return NULL;
    }
    Py_ssize_t count = -1;
    wanted.names = NULL;
    wanted.fields = NULL;
    wanted.width = PyTuple_Size(names);
    if (wanted.key < -1 || wanted.key >= wanted.width || place < 0 || place > data.len) {
        PyErr_SetString(PyExc_IndexError, "no such key, or no such place");
        goto end;
    }
    wanted.fields = calloc((size_t)wanted.width + 1, sizeof *wanted.fields);
    if (wanted.fields == NULL) {
        PyErr_NoMemory();
        goto end;
    }
    if (read_text(file, &wanted.file) && read_texts(names, wanted.fields, wanted.width)
        && name_fields(&wanted)) {
        const Text section = text_of((const uint8_t *)data.buf + place, (size_t)(data.len - place));
        count = count_agreeing(&wanted, section, rows, lines);
    }
end:
    free(wanted.names);
    free(wanted.fields);
    PyBuffer_Release(&data);
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

#endif
