/* Windows 10 brings icuuc.dll, this Wine does not, and Qt asks it for converters: it is told that there are none. */
#define EXPORT __declspec(dllexport)
#define U_UNSUPPORTED_ERROR 16

EXPORT void *ucnv_open(const char *name, int *error) { (void)name; *error = U_UNSUPPORTED_ERROR; return 0; }
EXPORT const char *ucnv_getName(const void *converter, int *error) { (void)converter; *error = U_UNSUPPORTED_ERROR; return 0; }
EXPORT const char *ucnv_getStandardName(const char *name, const char *standard, int *error)
{
    (void)name; (void)standard; *error = U_UNSUPPORTED_ERROR; return 0;
}
EXPORT const char *ucnv_getAvailableName(int index) { (void)index; return 0; }
EXPORT int ucnv_countAvailable(void) { return 0; }

/* Without a converter, nobody calls these; Qt must only find them. */
#define UNUSED(name) EXPORT void name(void) { __builtin_trap(); }
UNUSED(UCNV_FROM_U_CALLBACK_SUBSTITUTE)
UNUSED(UCNV_TO_U_CALLBACK_SUBSTITUTE)
UNUSED(ucnv_cbFromUWriteUChars)
UNUSED(ucnv_cbToUWriteUChars)
UNUSED(ucnv_close)
UNUSED(ucnv_fromUCountPending)
UNUSED(ucnv_fromUnicode)
UNUSED(ucnv_getMaxCharSize)
UNUSED(ucnv_getToUCallBack)
UNUSED(ucnv_reset)
UNUSED(ucnv_setFromUCallBack)
UNUSED(ucnv_setToUCallBack)
UNUSED(ucnv_toUCountPending)
UNUSED(ucnv_toUnicode)
