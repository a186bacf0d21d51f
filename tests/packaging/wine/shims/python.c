/* python.exe for the Windows CPython that tests run under Wine: hands its command line to python3XX.dll. */
#include <stdio.h>
#include <windows.h>

int wmain(int count, wchar_t **arguments)
{
    HMODULE library = LoadLibraryW(PYTHON_DLL);
    if (library == NULL) {
        fwprintf(stderr, L"python.exe: cannot load %ls (%lu)\n", PYTHON_DLL, GetLastError());
        return 127;
    }
    int (*py_main)(int, wchar_t **) = (int (*)(int, wchar_t **))(void *)GetProcAddress(library, "Py_Main");
    return py_main(count, arguments);
}
