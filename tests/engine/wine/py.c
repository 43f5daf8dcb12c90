// py.exe, the launcher that comes with Python for Windows (PEP 397), as far as people are told to type it:
// `py ...` starts the newest Python, `py -3.9 ...` that one. PY_NEWEST and PY_3_9 name their folders.
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#define NO_SUCH_PYTHON 103  // RC_NO_PYTHON of the launcher

int wmain(void) {
    // what follows the program's own name, quotes and all
    const wchar_t* rest = GetCommandLineW();
    const wchar_t* end = *rest == L'"' ? wcschr(rest + 1, L'"') : wcspbrk(rest, L" \t");
    rest = end ? end + (*end == L'"') : L"";
    rest += wcsspn(rest, L" \t");

    const wchar_t* which = L"PY_NEWEST";
    if (!wcsncmp(rest, L"-3.9", 4) && wcschr(L" \t", rest[4])) {
        which = L"PY_3_9";
        rest += 4;
    }
    static wchar_t folder[MAX_PATH], line[0x8000];
    if (!GetEnvironmentVariableW(which, folder, MAX_PATH)) {
        fprintf(stderr, "No suitable Python runtime found\n");
        return NO_SUCH_PYTHON;
    }
    swprintf(line, 0x8000, L"\"%ls\\python.exe\" %ls", folder, rest);
    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process)) {
        fprintf(stderr, "%ls\\python.exe does not start: error %lu\n", folder, GetLastError());
        return NO_SUCH_PYTHON;
    }
    DWORD status = 1;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &status);
    return (int)status;
}
