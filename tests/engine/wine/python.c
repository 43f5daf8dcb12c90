// python.exe for a python39.dll that came without one.
#include <stdio.h>
#include <windows.h>

typedef int (*PyMain)(int argc, wchar_t** argv);

int wmain(int argc, wchar_t** argv) {
    HMODULE dll = LoadLibraryW(L"python39.dll");
    if (!dll) {
        fprintf(stderr, "python39.dll does not load: error %lu\n", GetLastError());
        return 9;
    }
    return ((PyMain)(void*)GetProcAddress(dll, "Py_Main"))(argc, argv);
}
