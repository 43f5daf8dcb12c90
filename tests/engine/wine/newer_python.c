// python.exe for a python313.dll that came without one. It is its own home, whatever that of the program that starts it.
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

typedef int (*PyMain)(int argc, wchar_t** argv);

int wmain(int argc, wchar_t** argv) {
    wchar_t home[MAX_PATH];
    GetModuleFileNameW(NULL, home, MAX_PATH);
    *wcsrchr(home, L'\\') = 0;
    _wputenv_s(L"PYTHONHOME", home);
    SetEnvironmentVariableW(L"PYTHONHOME", home);
    SetDllDirectoryW(home);
    HMODULE dll = LoadLibraryW(L"python313.dll");
    if (!dll) {
        fprintf(stderr, "python313.dll does not load: error %lu\n", GetLastError());
        return 9;
    }
    return ((PyMain)(void*)GetProcAddress(dll, "Py_Main"))(argc, argv);
}
