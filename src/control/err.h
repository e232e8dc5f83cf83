/*
 * An error with its text, passed up to the program, which prints it once:
 * "what: why; what to do". Libraries fill it, only programs print it.
 */
#pragma once

#include "base/compiler.h"

struct err {
	char text[512];
};

/* Sets the text, cut to fit and on one line, and returns `code` (a -errno). */
int err_set(struct err *e, int code, const char *fmt, ...) printf_like(3, 4);
