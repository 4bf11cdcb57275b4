/* The limit of a driver for Python: encodes EXECUTE, writes and reads a blocking socket, and makes the same Python objects
 * as a driver does. No event loop, no stream bookkeeping, no retries, no errors but the end of the connection.
 *
 * Native protocol v4: 4.1.6 (EXECUTE), 4.2.5 (RESULT), 6 (values). Built and called by benches/run only; the server is
 * trusted to keep to the protocol, so lengths are not checked.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <datetime.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HEADER 9
#define LARGE 65536

static PyObject *uuid_class, *uuid_int, *uuid_safe, *uuid_unknown, *decimal_class;

/* Bytes that are written or read; kept from call to call. */
typedef struct {
    char *bytes;
    size_t length, room;
} Buffer;

static Buffer out, in;

static int reserve(Buffer *buffer, size_t more) {
    if (buffer->length + more <= buffer->room) return 0;
    size_t room = buffer->room ? buffer->room : 1 << 16;
    while (room < buffer->length + more) room *= 2;
    char *bytes = realloc(buffer->bytes, room);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    buffer->bytes = bytes;
    buffer->room = room;
    return 0;
}

static void put(const void *bytes, size_t length) {
    memcpy(out.bytes + out.length, bytes, length);
    out.length += length;
}
static void put8(uint8_t value) { out.bytes[out.length++] = (char)value; }
static void put16(uint16_t value) {
    value = __builtin_bswap16(value);
    put(&value, 2);
}
static void put32(uint32_t value) {
    value = __builtin_bswap32(value);
    put(&value, 4);
}
static uint16_t get16(const char *bytes) {
    uint16_t value;
    memcpy(&value, bytes, 2);
    return __builtin_bswap16(value);
}
static uint32_t get32(const char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return __builtin_bswap32(value);
}
static uint64_t get64(const char *bytes) {
    uint64_t value;
    memcpy(&value, bytes, 8);
    return __builtin_bswap64(value);
}

/* Appends an EXECUTE to `out`. A last value that is large is left out of it and given back, to be written from its place. */
static int encode(uint16_t stream, const char *id, Py_ssize_t id_length, PyObject *values, int page_size,
                  const char *state, Py_ssize_t state_length, const char **large, size_t *large_length) {
    size_t start = out.length;
    *large = NULL;
    *large_length = 0;
    if (reserve(&out, 64 + id_length + state_length)) return -1;
    put8(0x04);
    put8(0);
    put16(stream);
    put8(0x0A);
    put32(0);
    put16((uint16_t)id_length);
    put(id, id_length);
    put16(0x000A);
    put8(0x01 | 0x02 | (page_size ? 0x04 : 0) | (state ? 0x08 : 0));
    Py_ssize_t count = PyTuple_GET_SIZE(values);
    put16((uint16_t)count);
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *value = PyTuple_GET_ITEM(values, index);
        const char *bytes;
        Py_ssize_t length;
        if (PyLong_Check(value)) {
            if (reserve(&out, 8)) return -1;
            put32(4);
            put32((uint32_t)PyLong_AsLong(value));
            continue;
        }
        if (PyUnicode_Check(value)) {
            bytes = PyUnicode_AsUTF8AndSize(value, &length);
            if (bytes == NULL) return -1;
        } else if (PyBytes_Check(value)) {
            bytes = PyBytes_AS_STRING(value);
            length = PyBytes_GET_SIZE(value);
        } else {
            PyErr_SetString(PyExc_TypeError, "int, str or bytes");
            return -1;
        }
        if (length >= LARGE && index + 1 == count && !page_size) {
            if (reserve(&out, 4)) return -1;
            put32((uint32_t)length);
            *large = bytes;
            *large_length = length;
            break;
        }
        if (reserve(&out, 4 + length)) return -1;
        put32((uint32_t)length);
        put(bytes, length);
    }
    if (reserve(&out, 8 + state_length)) return -1;
    if (page_size) put32((uint32_t)page_size);
    if (state) {
        put32((uint32_t)state_length);
        put(state, state_length);
    }
    uint32_t body = __builtin_bswap32((uint32_t)(out.length - start - HEADER + *large_length));
    memcpy(out.bytes + start + 5, &body, 4);
    return 0;
}

static int send_all(int fd, const char *large, size_t large_length) {
    struct iovec parts[2] = {{out.bytes, out.length}, {(void *)large, large_length}};
    int first = 0;
    while (first < 2) {
        if (parts[first].iov_len == 0) {
            first++;
            continue;
        }
        ssize_t written = writev(fd, parts + first, 2 - first);
        if (written < 0) {
            if (errno == EINTR) continue;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        while (written > 0) {
            size_t part = (size_t)written < parts[first].iov_len ? (size_t)written : parts[first].iov_len;
            parts[first].iov_base = (char *)parts[first].iov_base + part;
            parts[first].iov_len -= part;
            written -= part;
            if (parts[first].iov_len == 0 && first < 1) first++;
        }
        if (parts[1].iov_len == 0 && parts[0].iov_len == 0) break;
    }
    out.length = 0;
    return 0;
}

/* Reads until `in` holds `wanted` bytes. */
static int fill(int fd, size_t wanted) {
    while (in.length < wanted) {
        size_t more = wanted - in.length > 1 << 18 ? wanted - in.length : 1 << 18;
        if (reserve(&in, more)) return -1;
        ssize_t count = recv(fd, in.bytes + in.length, in.room - in.length, 0);
        if (count < 0) {
            if (errno == EINTR) continue;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        if (count == 0) {
            PyErr_SetString(PyExc_ConnectionError, "the server closed the connection");
            return -1;
        }
        in.length += count;
    }
    return 0;
}

/* Days since 1970-01-01 as a date (Howard Hinnant's civil_from_days). */
static PyObject *timestamp(int64_t milliseconds) {
    int64_t days = milliseconds / 86400000, rest = milliseconds % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    unsigned day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    int year = (int)(yoe + era * 400 + (month <= 2));
    int second = (int)(rest / 1000);
    return PyDateTime_FromDateAndTime(year, (int)month, (int)day, second / 3600, second / 60 % 60, second % 60,
                                      (int)(rest % 1000) * 1000);
}

static PyObject *uuid(const char *bytes) {
    PyTypeObject *type = (PyTypeObject *)uuid_class;
    PyObject *found = type->tp_alloc(type, 0);
    PyObject *number = _PyLong_FromByteArray((const unsigned char *)bytes, 16, 0, 0);
    if (found == NULL || number == NULL || PyObject_GenericSetAttr(found, uuid_int, number) ||
        PyObject_GenericSetAttr(found, uuid_safe, uuid_unknown)) {
        Py_XDECREF(found);
        Py_XDECREF(number);
        return NULL;
    }
    Py_DECREF(number);
    return found;
}

/* Unscaled numbers of at most eight bytes. */
static PyObject *decimal(const char *bytes, int length) {
    int32_t scale = (int32_t)get32(bytes);
    int64_t unscaled = (int8_t)bytes[4];
    for (int index = 5; index < length; index++) unscaled = unscaled * 256 + (uint8_t)bytes[index];
    char text[64];
    snprintf(text, sizeof text, "%lldE%d", (long long)unscaled, -scale);
    PyObject *string = PyUnicode_FromString(text);
    if (string == NULL) return NULL;
    PyObject *found = PyObject_CallOneArg(decimal_class, string);
    Py_DECREF(string);
    return found;
}

static PyObject *floats(const char *bytes, int length) {
    PyObject *list = PyList_New(length / 4);
    for (int index = 0; list != NULL && index < length / 4; index++) {
        uint32_t bits = get32(bytes + 4 * index);
        float value;
        memcpy(&value, &bits, 4);
        PyObject *item = PyFloat_FromDouble(value);
        if (item == NULL) Py_CLEAR(list);
        else PyList_SET_ITEM(list, index, item);
    }
    return list;
}

static PyObject *integers(const char *bytes) {
    int count = (int)get32(bytes);
    const char *at = bytes + 4;
    PyObject *list = PyList_New(count);
    for (int index = 0; list != NULL && index < count; index++, at += 8) {
        PyObject *item = PyLong_FromLong((int32_t)get32(at + 4));
        if (item == NULL) Py_CLEAR(list);
        else PyList_SET_ITEM(list, index, item);
    }
    return list;
}

static PyObject *value(char type, const char *bytes, int length) {
    uint64_t bits;
    double number;
    if (length < 0) Py_RETURN_NONE;
    switch (type) {
    case 'i': return PyLong_FromLong((int32_t)get32(bytes));
    case 'l': return PyLong_FromLongLong((int64_t)get64(bytes));
    case 's': return PyUnicode_DecodeUTF8(bytes, length, NULL);
    case 'd':
        bits = get64(bytes);
        memcpy(&number, &bits, 8);
        return PyFloat_FromDouble(number);
    case 'b': return PyBool_FromLong(bytes[0]);
    case 't': return timestamp((int64_t)get64(bytes));
    case 'u': return uuid(bytes);
    case 'x': return PyBytes_FromStringAndSize(bytes, length);
    case 'L': return integers(bytes);
    case 'D': return decimal(bytes, length);
    case 'F': return floats(bytes, length);
    default: PyErr_SetString(PyExc_ValueError, "no such type"); return NULL;
    }
}

/* A row: of this subclass of tuple, or a dict of these names. */
static PyObject *row(const char **at, const char *types, PyObject *class, PyObject *names) {
    Py_ssize_t count = (Py_ssize_t)strlen(types);
    PyObject *found;
    if (names != Py_None) found = PyDict_New();
    else if ((PyTypeObject *)class == &PyTuple_Type) found = PyTuple_New(count);
    else found = ((PyTypeObject *)class)->tp_alloc((PyTypeObject *)class, count);
    for (Py_ssize_t index = 0; found != NULL && index < count; index++) {
        int length = (int)get32(*at);
        PyObject *item = value(types[index], *at + 4, length);
        *at += 4 + (length > 0 ? length : 0);
        if (item == NULL) {
            Py_CLEAR(found);
        } else if (names != Py_None) {
            if (PyDict_SetItem(found, PyTuple_GET_ITEM(names, index), item)) Py_CLEAR(found);
            Py_DECREF(item);
        } else {
            PyTuple_SET_ITEM(found, index, item);
        }
    }
    /* A tuple of values that refer to nothing is no business of the cyclic collector. */
    if (found != NULL && names == Py_None && strpbrk(types, "LF") == NULL && PyObject_GC_IsTracked(found))
        PyObject_GC_UnTrack(found);
    return found;
}

/* The answer whose body begins at `at`: None, or a list of rows. The paging state is left in `state`. */
static PyObject *answer(uint8_t opcode, const char *at, const char *types, PyObject *class, PyObject *names,
                        const char **state, int *state_length) {
    *state = NULL;
    if (opcode != 0x08) {
        PyErr_SetString(PyExc_RuntimeError, "not a result");
        return NULL;
    }
    if (get32(at) != 2) Py_RETURN_NONE;
    uint32_t flags = get32(at + 4);
    at += 12;
    if (flags & 0x02) {
        *state_length = (int)get32(at);
        *state = at + 4;
        at += 4 + *state_length;
    }
    if (!(flags & 0x04)) {
        PyErr_SetString(PyExc_RuntimeError, "metadata was not to be sent");
        return NULL;
    }
    uint32_t count = get32(at);
    at += 4;
    PyObject *rows = PyList_New(count);
    for (uint32_t index = 0; rows != NULL && index < count; index++) {
        PyObject *item = row(&at, types, class, names);
        if (item == NULL) Py_CLEAR(rows);
        else PyList_SET_ITEM(rows, index, item);
    }
    return rows;
}

/* pipeline(fd, id, parameters, types, class, names): a list of tuples of values, all in flight at once; a list of answers. */
static PyObject *pipeline(PyObject *self, PyObject *args) {
    (void)self;
    int fd;
    const char *id, *types, *state, *large;
    Py_ssize_t id_length;
    size_t large_length;
    int state_length;
    PyObject *parameters, *class, *names;
    if (!PyArg_ParseTuple(args, "iy#O!sOO", &fd, &id, &id_length, &PyList_Type, &parameters, &types, &class, &names))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(parameters);
    out.length = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *values = PyList_GET_ITEM(parameters, index);
        if (encode((uint16_t)index, id, id_length, values, 0, NULL, 0, &large, &large_length)) return NULL;
        if (large != NULL && send_all(fd, large, large_length)) return NULL;
    }
    if (out.length && send_all(fd, NULL, 0)) return NULL;
    PyObject *results = PyList_New(count);
    if (results == NULL) return NULL;
    size_t at = 0;
    for (Py_ssize_t done = 0; done < count; done++) {
        size_t length;
        if (fill(fd, at + HEADER)) goto failed;
        length = get32(in.bytes + at + 5);
        if (fill(fd, at + HEADER + length)) goto failed;
        PyObject *result = answer((uint8_t)in.bytes[at + 4], in.bytes + at + HEADER, types, class, names, &state,
                                  &state_length);
        if (result == NULL) goto failed;
        Py_ssize_t stream = get16(in.bytes + at + 2);
        Py_XDECREF(PyList_GET_ITEM(results, stream));
        PyList_SET_ITEM(results, stream, result);
        at += HEADER + length;
    }
    in.length = 0;
    return results;
failed:
    in.length = 0;
    Py_DECREF(results);
    return NULL;
}

/* page(fd, id, values, page_size, state, types, class, names): one page, its rows and the next paging state or None. */
static PyObject *page(PyObject *self, PyObject *args) {
    (void)self;
    int fd, page_size, next_length;
    const char *id, *types, *state, *next, *large;
    Py_ssize_t id_length, state_length;
    size_t large_length;
    PyObject *values, *class, *names;
    if (!PyArg_ParseTuple(args, "iy#O!iz#sOO", &fd, &id, &id_length, &PyTuple_Type, &values, &page_size, &state,
                          &state_length, &types, &class, &names))
        return NULL;
    out.length = in.length = 0;
    if (encode(0, id, id_length, values, page_size, state, state_length, &large, &large_length)) return NULL;
    if (send_all(fd, NULL, 0) || fill(fd, HEADER)) return NULL;
    if (fill(fd, HEADER + get32(in.bytes + 5))) return NULL;
    PyObject *rows = answer((uint8_t)in.bytes[4], in.bytes + HEADER, types, class, names, &next, &next_length);
    if (rows == NULL) return NULL;
    return next == NULL ? Py_BuildValue("NO", rows, Py_None) : Py_BuildValue("Ny#", rows, next, (Py_ssize_t)next_length);
}

static PyMethodDef methods[] = {
    {"pipeline", pipeline, METH_VARARGS, "Requests in flight together."},
    {"page", page, METH_VARARGS, "One page of rows."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "floor", .m_size = -1, .m_methods = methods};

static PyObject *attribute(const char *module_name, const char *name) {
    PyObject *imported = PyImport_ImportModule(module_name);
    if (imported == NULL) return NULL;
    PyObject *found = PyObject_GetAttrString(imported, name);
    Py_DECREF(imported);
    return found;
}

PyMODINIT_FUNC PyInit_floor(void) {
    PyDateTime_IMPORT;
    uuid_class = attribute("uuid", "UUID");
    decimal_class = attribute("decimal", "Decimal");
    PyObject *safe = attribute("uuid", "SafeUUID");
    uuid_unknown = safe == NULL ? NULL : PyObject_GetAttrString(safe, "unknown");
    Py_XDECREF(safe);
    uuid_int = PyUnicode_InternFromString("int");
    uuid_safe = PyUnicode_InternFromString("is_safe");
    if (uuid_class == NULL || decimal_class == NULL || uuid_unknown == NULL) return NULL;
    return PyModule_Create(&module);
}
