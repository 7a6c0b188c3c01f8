/* csvkafka._compiled: from a block's bytes to framed records in one pass over them, without the
 * interpreter and without its lock. csvkafka/compiled.py says what Python sees of it.
 *
 * The same bytes as the reference way makes of a block (csvkafka/encode/row_json.py). A row that it
 * does not take is left to the caller, who goes the reference way with it; a block that cannot be read
 * is refused by ValueError.
 *
 * `agreeing`, `outline` and `records_of` are no part of that: they are the checker's
 * (compiled/checker.h).
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
#include "methods.h"
#include "moved.h"
#include "records.h"
#include "rows.h"
#include "utf8.h"

/* -- the encoder --------------------------------------------------------------------------------- */

/* Encoder(texts, delimiter, quote, key, lane_count, routing, table, most_bytes) */
static PyObject *Encoder_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(keywords))
{
    PyObject *texts, *table;
    int delimiter, quote, routing;
    Py_ssize_t key, most_bytes;
    unsigned int lane_count;
    if (!PyArg_ParseTuple(arguments, "O!iinIiOn", &PyTuple_Type, &texts, &delimiter, &quote, &key,
                          &lane_count, &routing, &table, &most_bytes)) {
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
        set_most_bytes(plan, most_bytes);
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
    {"texts", Encoder_texts, METH_VARARGS, NULL},
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
    {"outline", module_outline, METH_VARARGS, NULL},
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
