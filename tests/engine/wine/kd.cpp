// A console debugger for the tests, with the options of Microsoft's kd that they use:
//
//   kd -z DUMP -logo FILE -c "command; command"
//   kd -k CONNECTION -logo FILE -c "command; command"
//
// opens DUMP or attaches to a kernel, runs the commands as one line and writes what the engine prints into FILE.
// It prints nothing itself: under Wine, Python starts inside the debugger only if no standard stream is a file.
// Two options are its own:  -dml  prints DML as it is instead of without its markup;
//   -break MILLISECONDS  sends Ctrl+Break that long after the commands began.
// Exit status: 0, or 2 no engine or no file, 3 the dump does not open or no kernel answers.
#include <windows.h>

#include <dbgeng.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

static const GUID kUnknown = {0, 0, 0, {0xc0, 0, 0, 0, 0, 0, 0, 0x46}};
static const GUID kClient4 = {0xca83c3de, 0x5089, 0x4cf8, {0x93, 0xc8, 0xd8, 0x92, 0x38, 0x7f, 0x2a, 0x5e}};
static const GUID kControl = {0x5182e668, 0x105e, 0x416e, {0xad, 0x92, 0x24, 0xef, 0x80, 0x04, 0x24, 0xba}};
static const GUID kOutput = {0x4bf58045, 0xd654, 0x4c40, {0xb0, 0xaf, 0x68, 0x30, 0x90, 0xf3, 0x56, 0xdc}};
static const GUID kOutput2 = {0x67721fe9, 0x56d2, 0x4a44, {0xa3, 0x25, 0x2b, 0x65, 0x51, 0x3c, 0xe6, 0xeb}};

// IDebugOutputCallbacks2 of the Windows SDK's dbgeng.h, which MinGW's does not have.
enum { kCallbackText = 0, kCallbackDml = 1, kInterestAny = 6 };

static FILE* output;

static void print_wide(PCWSTR text) {
    char utf8[0x10000];
    if (WideCharToMultiByte(CP_UTF8, 0, text, -1, utf8, sizeof utf8, NULL, NULL)) fputs(utf8, output);
}

struct Printer : IDebugOutputCallbacks {
    bool dml = false;

    // Offers the newer interface only if DML is wanted: with the plain one, the engine removes the markup itself.
    HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) override {
        bool known = !memcmp(&iid, &kUnknown, 16) || !memcmp(&iid, &kOutput, 16) ||
                     (dml && !memcmp(&iid, &kOutput2, 16));
        *out = known ? this : NULL;
        return known ? S_OK : E_NOINTERFACE;
    }
    ULONG STDMETHODCALLTYPE AddRef() override { return 1; }
    ULONG STDMETHODCALLTYPE Release() override { return 1; }
    HRESULT STDMETHODCALLTYPE Output(ULONG, PCSTR text) override {
        fputs(text, output);
        return S_OK;
    }
    virtual HRESULT STDMETHODCALLTYPE GetInterestMask(ULONG* mask) {
        *mask = kInterestAny;
        return S_OK;
    }
    virtual HRESULT STDMETHODCALLTYPE Output2(ULONG which, ULONG, ULONG64, PCWSTR text) {
        if ((which == kCallbackText || which == kCallbackDml) && text) print_wide(text);
        return S_OK;
    }
};

struct Break {
    IDebugControl* control;
    DWORD milliseconds;
};

static DWORD WINAPI press_break(void* argument) {
    const Break* request = (const Break*)argument;
    Sleep(request->milliseconds);
    request->control->SetInterrupt(DEBUG_INTERRUPT_ACTIVE);
    return 0;
}

// The engine of the pykd wheel, in the site-packages of the Python beside this program.
static HMODULE load_engine() {
    wchar_t path[MAX_PATH + 64];
    GetModuleFileNameW(NULL, path, MAX_PATH);
    wcscpy(wcsrchr(path, L'\\') + 1, L"Lib\\site-packages\\pykd");
    SetDllDirectoryW(path);
    return LoadLibraryW(L"dbgeng.dll");
}

int wmain(int argc, wchar_t** argv) {
    const wchar_t *dump = L"", *commands = L"";
    char connection[0x100] = "";
    static Printer printer;
    static Break request = {NULL, 0};
    for (int i = 1; i < argc; i++) {
        if (!wcscmp(argv[i], L"-dml")) printer.dml = true;
        if (i + 1 == argc) break;
        if (!wcscmp(argv[i], L"-z")) dump = argv[++i];
        else if (!wcscmp(argv[i], L"-k")) wcstombs(connection, argv[++i], sizeof connection - 1);
        else if (!wcscmp(argv[i], L"-logo")) output = _wfopen(argv[++i], L"wb");
        else if (!wcscmp(argv[i], L"-c")) commands = argv[++i];
        else if (!wcscmp(argv[i], L"-break")) request.milliseconds = wcstoul(argv[++i], NULL, 10);
    }
    HMODULE engine = load_engine();
    if (!engine || !output) return 2;
    setvbuf(output, NULL, _IONBF, 0);
    typedef HRESULT(WINAPI * Create)(REFIID, PVOID*);
    Create create = (Create)(void*)GetProcAddress(engine, "DebugCreate");
    IDebugClient4* client = NULL;
    IDebugControl* control = NULL;
    if (!create || create(kClient4, (void**)&client) || client->QueryInterface(kControl, (void**)&control)) return 2;
    client->SetOutputCallbacks(&printer);
    HRESULT opened = *connection ? client->AttachKernel(DEBUG_ATTACH_KERNEL_CONNECTION, connection)
                                 : client->OpenDumpFileWide(dump, 0);
    if (opened || control->WaitForEvent(0, INFINITE)) return 3;
    if (request.milliseconds) {
        control->QueryInterface(kControl, (void**)&request.control);
        CreateThread(NULL, 0, press_break, &request, 0, NULL);
    }
    char line[0x4000];
    WideCharToMultiByte(CP_ACP, 0, commands, -1, line, sizeof line, NULL, NULL);
    HRESULT result = control->Execute(DEBUG_OUTCTL_ALL_CLIENTS, line, DEBUG_EXECUTE_DEFAULT);
    if (result) fprintf(output, "\nkd: 0x%lx\n", (unsigned long)result);
    client->EndSession(DEBUG_END_PASSIVE);
    ExitProcess(0);
}
