/* What the arguments of a system call are called. Freestanding. */
#pragma once

#include "base/compiler.h"

/* Of the call whose tracepoint is sys_enter_`call`: "int dfd;const char * filename\n". NULL: not known here. */
const char *args_of(const char *call);
