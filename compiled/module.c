/* csvkafka._compiled: from a block's bytes to framed records in one pass over them, without the
 * interpreter and without its lock. csvkafka/compiled.py says what Python sees of it.
 *
 * The same bytes as the reference way makes of a block (csvkafka/encode/row_json.py). What it does
 * not take is refused by ValueError, and the caller goes the reference way.
 *
 * `agreeing` and `records_of` are no part of that: they are the checker's (compiled/checker.h).
 *
 * Memory: the output, and 32 bytes for each column (by a declared table: one record too); nothing is
 * allocated for a row or a field.
 * Built against the stable ABI: one binary for CPython 3.11 and every later one.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "arguments.h"
#include "checker.h"
#include "moved.h"
#include "records.h"
#include "rows.h"
#include "utf8.h"

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

/* -- methods ------------------------------------------------------------------------------------- */

/* frame(data, offset, number, delta, rows, piece_bytes) -> (piece, offset behind it, rows in it) */
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
    const byte *place = begin + offset;
    Section section = {.records = delta};
    int outcome;
    Py_BEGIN_ALLOW_THREADS
    outcome = add_rows(&section, plan_of(self), &place, begin + data.len, number, rows,
                       (size_t)piece_bytes);
    Py_END_ALLOW_THREADS
    const Py_ssize_t end = place - begin, row_count = section.rows;
    PyBuffer_Release(&data);
    PyObject *piece = taken(&section);
    if (piece == NULL || outcome != DONE) {
        Py_XDECREF(piece);
        return outcome == DONE ? NULL : refusal(outcome);
    }
    return Py_BuildValue("(Nnn)", piece, end, row_count);
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
    const byte *place = begin;
    int outcome;
    Py_BEGIN_ALLOW_THREADS
    outcome = skip_rows(plan_of(self), &place, begin + data.len, rows);
    Py_END_ALLOW_THREADS
    const Py_ssize_t offset = place - begin;
    PyBuffer_Release(&data);
    return outcome == DONE ? PyLong_FromSsize_t(offset) : refusal(outcome);
}

/* How many rows of each lane to skip; what is missing is 0. 0 and an exception if it is no such. */
static int read_skips(PyObject *skips, Py_ssize_t *skip, Py_ssize_t lane_count)
{
    const Py_ssize_t count = PySequence_Size(skips);
    for (Py_ssize_t i = 0; i < count && i < lane_count; i++) {
        PyObject *value = PySequence_GetItem(skips, i);
        skip[i] = value == NULL ? -1 : PyLong_AsSsize_t(value);
        Py_XDECREF(value);
    }
    return PyErr_Occurred() == NULL;
}

static PyObject *lanes_as_list(Section *lanes, Py_ssize_t lane_count)
{
    PyObject *list = PyList_New(lane_count);
    for (Py_ssize_t i = 0; list != NULL && i < lane_count; i++) {
        const Py_ssize_t rows = lanes[i].rows, records = lanes[i].records;
        PyObject *bytes = taken(&lanes[i]);
        PyObject *lane = bytes == NULL ? NULL : Py_BuildValue("(nnN)", rows, records, bytes);
        if (lane == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, i, lane);
        }
    }
    return list;
}

/* frame_lanes(data, number, skips) -> [(rows, records, section) of each lane] */
static PyObject *Encoder_frame_lanes(PyObject *self, PyObject *arguments)
{
    const Plan *const plan = plan_of(self);
    const Py_ssize_t lane_count = (Py_ssize_t)plan->lane_count;
    Py_buffer data;
    unsigned long long number;
    PyObject *skips, *result = NULL;
    if (!PyArg_ParseTuple(arguments, "y*KO", &data, &number, &skips)) {
        return NULL;
    }
    Section *lanes = calloc((size_t)lane_count, sizeof *lanes);
    Py_ssize_t *skip = calloc((size_t)lane_count, sizeof *skip);
    if (lanes == NULL || skip == NULL) {
        PyErr_NoMemory();
    } else if (read_skips(skips, skip, lane_count)) {
        const byte *const begin = data.buf;
        int outcome;
        Py_BEGIN_ALLOW_THREADS
        outcome = add_rows_to_lanes(lanes, skip, plan, begin, begin + data.len, number);
        Py_END_ALLOW_THREADS
        result = outcome == DONE ? lanes_as_list(lanes, lane_count) : refusal(outcome);
    }
    for (Py_ssize_t i = 0; lanes != NULL && i < lane_count; i++) {
        free(lanes[i].bytes);
    }
    free(lanes);
    free(skip);
    PyBuffer_Release(&data);
    return result;
}

/* -- the encoder --------------------------------------------------------------------------------- */

/* Encoder(texts, delimiter, quote, key, lane_count, routing, table) */
static PyObject *Encoder_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(keywords))
{
    PyObject *texts, *table;
    int delimiter, quote, routing;
    Py_ssize_t key;
    unsigned int lane_count;
    if (!PyArg_ParseTuple(arguments, "O!iinIiO", &PyTuple_Type, &texts, &delimiter, &quote, &key,
                          &lane_count, &routing, &table)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Encoder *encoder = (Encoder *)allocate(type, 0); /* all zero */
    if (encoder == NULL) {
        return NULL;
    }
    Plan *const plan = &encoder->plan;
    plan->dialect = (Dialect){delimiter, quote};
    plan->key = key;
    plan->lane_count = lane_count;
    plan->routing = routing;
    plan->width = PyTuple_Size(texts) - 2;
    if (set_texts(&plan->names, texts) && (table == Py_None || set_table(plan, table))
        && is_possible(plan)) {
        return (PyObject *)encoder;
    }
    Py_DECREF((PyObject *)encoder);
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "there is no such plan");
    }
    return NULL;
}

static void Encoder_dealloc(PyObject *self)
{
    Encoder *encoder = (Encoder *)self;
    PyTypeObject *type = Py_TYPE(self);
    release_plan(&encoder->plan);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef encoder_methods[] = {
    {"frame", Encoder_frame, METH_VARARGS, NULL},
    {"frame_lanes", Encoder_frame_lanes, METH_VARARGS, NULL},
    {"skip", Encoder_skip, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot encoder_slots[] = {
    {Py_tp_new, Encoder_new},
    {Py_tp_dealloc, Encoder_dealloc},
    {Py_tp_methods, encoder_methods},
    {0, NULL},
};

static PyType_Spec encoder_spec = {
    .name = "csvkafka._compiled.Encoder",
    .basicsize = sizeof(Encoder),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = encoder_slots,
};

/* -- functions ----------------------------------------------------------------------------------- */

/* whole_rows(data, delimiter, quote, at_end, row_overhead, limit) -> (bytes, rows) */
static PyObject *module_whole_rows(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    Dialect dialect;
    int at_end;
    Py_ssize_t row_overhead, limit;
    if (!PyArg_ParseTuple(arguments, "y*iipnn", &data, &dialect.delimiter, &dialect.quote, &at_end,
                          &row_overhead, &limit)) {
        return NULL;
    }
    const byte *const begin = data.buf;
    WholeRows whole;
    Py_BEGIN_ALLOW_THREADS
    whole = whole_rows(&dialect, begin, begin + data.len, at_end, row_overhead, limit);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&data);
    return Py_BuildValue("(nn)", (Py_ssize_t)whole.size, (Py_ssize_t)whole.rows);
}

/* is_utf8(data) -> whether Python's strict decoder takes it */
static PyObject *module_is_utf8(PyObject *Py_UNUSED(module), PyObject *argument)
{
    Py_buffer data;
    if (PyObject_GetBuffer(argument, &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int is_text;
    Py_BEGIN_ALLOW_THREADS
    is_text = is_utf8(data.buf, (const byte *)data.buf + data.len);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&data);
    return PyBool_FromLong(is_text);
}

/* moved(section, by) -> the same records, with offset deltas that are so much more */
static PyObject *module_moved(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t by, size = -1;
    PyObject *bytes = NULL;
    if (!PyArg_ParseTuple(arguments, "y*n", &data, &by)) {
        return NULL;
    }
    const Text section = text_of(data.buf, (size_t)data.len);
    if (by >= 0 && by <= INT32_MAX) {
        Py_BEGIN_ALLOW_THREADS
        size = moved_size(section, by);
        Py_END_ALLOW_THREADS
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "these are no records that can stand there");
    } else if ((bytes = PyBytes_FromStringAndSize(NULL, size)) != NULL) {
        byte *const to = (byte *)PyBytes_AsString(bytes);
        Py_BEGIN_ALLOW_THREADS
        put_moved(to, section, by);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    return bytes;
}

static PyMethodDef module_methods[] = {
    {"agreeing", module_agreeing, METH_VARARGS, NULL},
    {"moved", module_moved, METH_VARARGS, NULL},
    {"records_of", module_records_of, METH_VARARGS, NULL},
    {"whole_rows", module_whole_rows, METH_VARARGS, NULL},
    {"is_utf8", module_is_utf8, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static int fill_module(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&encoder_spec);
    if (type == NULL) {
        return -1;
    }
    const int outcome = PyModule_AddObjectRef(module, "Encoder", type);
    Py_DECREF(type);
    return outcome;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)fill_module},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_compiled",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__compiled(void)
{
    return PyModuleDef_Init(&module_definition);
}
