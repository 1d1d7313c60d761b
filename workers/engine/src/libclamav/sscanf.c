/* sscanf(3) in place of libc's, for this program and for the libclamav that it has loaded.
 *
 * At the end of each file and of each form of it libclamav evaluates every logical signature, and reads each number in its expression ("0&1")
 * with sscanf(expression, "%u", &number). glibc makes a stream of the string for that: a fifth of the time of a file of 4 KiB, with 4,000
 * logical signatures (bench/README.md). Plain digits are read here; everything else is libc's, and so is what this one can't be sure of.
 *
 * <stdio.h> is left out: it would turn vsscanf into that of C99, and libclamav asks for the older one.
 */
#include <stdarg.h>

int vsscanf(const char *text, const char *format, va_list arguments);

/* Ten digits may be more than an unsigned int holds. */
enum { DIGITS_MAX = 9 };

static int is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

int sscanf(const char *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int read;
    unsigned number = 0;
    int digits = 0;
    if (format[0] == '%' && format[1] == 'u' && format[2] == '\0') {
        for (; digits < DIGITS_MAX && is_digit(text[digits]); digits++) {
            number = number * 10 + (unsigned)(text[digits] - '0');
        }
    }
    if (digits > 0 && !is_digit(text[digits])) {
        *va_arg(arguments, unsigned *) = number;
        read = 1;
    } else {
        read = vsscanf(text, format, arguments);
    }
    va_end(arguments);
    return read;
}
