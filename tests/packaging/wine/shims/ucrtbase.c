/* This Wine's ucrtbase.dll knows the complex functions of C by name alone, and numpy calls them when it is imported.
 * These here work; all other functions are forwarded to Wine's own, see disk.py.
 *
 * Microsoft's complex numbers are structures of two, and its long double is a double.
 */
#include <complex.h>

typedef struct { double real, imaginary; } Double;
typedef struct { float real, imaginary; } Float;

static double complex of_double(Double z) { return __builtin_complex(z.real, z.imaginary); }
static float complex of_float(Float z) { return __builtin_complex(z.real, z.imaginary); }
static Double to_double(double complex z) { return (Double){creal(z), cimag(z)}; }
static Float to_float(float complex z) { return (Float){crealf(z), cimagf(z)}; }

#define FUNCTION(name) \
    Double shim_##name(Double z) { return to_double(name(of_double(z))); } \
    Double shim_##name##l(Double z) { return to_double(name(of_double(z))); } \
    Float shim_##name##f(Float z) { return to_float(name##f(of_float(z))); }
#define PART(name) \
    double shim_##name(Double z) { return name(of_double(z)); } \
    double shim_##name##l(Double z) { return name(of_double(z)); } \
    float shim_##name##f(Float z) { return name##f(of_float(z)); }

PART(cabs) PART(carg) PART(cimag) PART(creal)
FUNCTION(cacos) FUNCTION(cacosh) FUNCTION(casin) FUNCTION(casinh) FUNCTION(catan) FUNCTION(catanh)
FUNCTION(ccos) FUNCTION(ccosh) FUNCTION(cexp) FUNCTION(clog) FUNCTION(conj) FUNCTION(cproj)
FUNCTION(csin) FUNCTION(csinh) FUNCTION(csqrt) FUNCTION(ctan) FUNCTION(ctanh)

Double shim_cpow(Double z, Double power) { return to_double(cpow(of_double(z), of_double(power))); }
Double shim_cpowl(Double z, Double power) { return shim_cpow(z, power); }
Float shim_cpowf(Float z, Float power) { return to_float(cpowf(of_float(z), of_float(power))); }
