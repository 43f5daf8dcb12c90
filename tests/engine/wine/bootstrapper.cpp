// A debugger extension for the tests that does what pykd's bootstrapper (pykd-ext, its pykd.dll) is documented to do:
//
//   !py [-3.9] [-g | -l] FILE [argument ...]
//
// runs a Python script with the arguments in sys.argv; quotes keep a word with blanks together. -g is one interpreter
// for all scripts of the session, -l (the default) a fresh one. What a script prints is shown by the debugger.
// Unlike the real one it has only one Python, the 3.9 beside kd.exe, and knows neither -m nor Ctrl+Break.
#include <windows.h>

#include <dbgeng.h>
#include <string.h>

#include <string>
#include <vector>

// From Python.h, which cannot be included: the platform settings of this Python are not available.
struct PyObject;
struct PyThreadState;
struct PyMethodDef {
    const char* name;
    PyObject* (*function)(PyObject*, PyObject*);
    int flags;
    const char* doc;
};
extern "C" __declspec(dllimport) void Py_InitializeEx(int signals);
extern "C" __declspec(dllimport) PyThreadState* Py_NewInterpreter();
extern "C" __declspec(dllimport) void Py_EndInterpreter(PyThreadState*);
extern "C" __declspec(dllimport) PyThreadState* PyThreadState_Swap(PyThreadState*);
extern "C" __declspec(dllimport) PyThreadState* PyEval_SaveThread();
extern "C" __declspec(dllimport) void PyEval_RestoreThread(PyThreadState*);
extern "C" __declspec(dllimport) int PyGILState_Ensure();
extern "C" __declspec(dllimport) int PyRun_SimpleString(const char*);
extern "C" __declspec(dllimport) PyObject* PyCFunction_NewEx(PyMethodDef*, PyObject*, PyObject*);
extern "C" __declspec(dllimport) int PySys_SetObject(const char*, PyObject*);
extern "C" __declspec(dllimport) int PyArg_ParseTuple(PyObject*, const char*, ...);
extern "C" __declspec(dllimport) PyObject* PyLong_FromLong(long);
extern "C" __declspec(dllimport) PyObject* PyUnicode_DecodeLocale(const char*, const char*);
extern "C" __declspec(dllimport) PyObject* PyList_New(ptrdiff_t);
extern "C" __declspec(dllimport) int PyList_Append(PyObject*, PyObject*);

static const GUID kControl = {0x5182e668, 0x105e, 0x416e, {0xad, 0x92, 0x24, 0xef, 0x80, 0x04, 0x24, 0xba}};

// If sys.stdout has writedml, pykd assumes that it runs as the debugger's extension and prints markup with it. There is
// no __file__, as under `!py` of pykd itself.
static const char kRun[] = R"(
import sys, traceback
class Output:
    encoding = "ascii"
    def write(self, text): sys.show(0, text)
    def writedml(self, text): sys.show(1, text)
    def flush(self): pass
before = sys.stdout, sys.stderr
sys.stdout = sys.stderr = Output()
try:
    with open(sys.argv[0], "rb") as script:
        code = compile(script.read(), sys.argv[0], "exec")
    exec(code, {"__name__": "__main__"})
except SystemExit:
    pass
except BaseException:
    traceback.print_exc()
sys.stdout, sys.stderr = before
)";

static const ULONG kAmbientDml = 0xfffffffe;  // DEBUG_OUTCTL_AMBIENT_DML

static IDebugControl* control;
static PyThreadState* global;

static PyObject* show(PyObject*, PyObject* arguments) {
    int dml;
    const char* text;
    if (!PyArg_ParseTuple(arguments, "is", &dml, &text)) return NULL;
    control->ControlledOutput(dml ? kAmbientDml : DEBUG_OUTCTL_AMBIENT, DEBUG_OUTPUT_NORMAL, "%s", text);
    return PyLong_FromLong(0);
}

// The words of a command's arguments, without the quotes.
static std::vector<std::string> words_of(const char* line) {
    std::vector<std::string> words;
    bool quoted = false, within = false;
    for (; *line; line++) {
        if (*line == '"') quoted = !quoted;
        bool part = quoted || !strchr(" \t\r\n", *line);
        if (part && !within) words.emplace_back();
        if (part && *line != '"') words.back() += *line;
        within = part;
    }
    return words;
}

extern "C" __declspec(dllexport) HRESULT CALLBACK DebugExtensionInitialize(PULONG version, PULONG flags) {
    *version = DEBUG_EXTENSION_VERSION(1, 0);
    *flags = 0;
    return S_OK;
}

extern "C" __declspec(dllexport) HRESULT CALLBACK py(IDebugClient* client, PCSTR line) {
    std::vector<std::string> words = words_of(line);
    bool shared = false;
    size_t used = 0;
    for (; used < words.size() && words[used][0] == '-'; used++) shared |= words[used] == "-g";
    if (used == words.size() || client->QueryInterface(kControl, (void**)&control)) return E_INVALIDARG;
    if (!global) {
        Py_InitializeEx(0);  // does nothing if pykd as an extension has done it
        PyGILState_Ensure();
        global = PyEval_SaveThread();
    }
    PyEval_RestoreThread(global);
    PyThreadState* fresh = shared ? NULL : Py_NewInterpreter();
    static PyMethodDef method = {"show", show, 1 /* METH_VARARGS */, NULL};
    PyObject* argv = PyList_New(0);
    for (; used < words.size(); used++) PyList_Append(argv, PyUnicode_DecodeLocale(words[used].c_str(), NULL));
    PySys_SetObject("argv", argv);
    PySys_SetObject("show", PyCFunction_NewEx(&method, NULL, NULL));
    PyRun_SimpleString(kRun);
    if (fresh) {
        Py_EndInterpreter(fresh);
        PyThreadState_Swap(global);
    }
    PyEval_SaveThread();
    control->Release();
    return S_OK;
}
