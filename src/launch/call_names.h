/* Names of system calls, from the kernel's header (call_names.c is generated). */
#pragma once

/* "?" for a number without one. */
const char *call_name(unsigned nr);
