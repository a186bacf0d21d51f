/* Windows has bcryptprimitives.dll, this Wine does not; llama.cpp's library asks it for random bytes. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size) { return RtlGenRandom(buffer, (ULONG)size); }
