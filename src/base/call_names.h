/* Names of system calls, from the kernel's header (call_names.c is generated). Freestanding. */
#pragma once

/* "?" for a number without one. */
const char *call_name(unsigned nr);
/* -1: there is no call of that name, of which `n` bytes count. */
int call_number(const char *name, unsigned n);
