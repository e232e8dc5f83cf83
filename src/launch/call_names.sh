#!/bin/sh
# Prints call_names.c: the table of system call names, from the kernel's header.
set -eu
echo '#include "launch/call_names.h"'
echo '#include "base/compiler.h"'
echo 'static const char *const names[] = {'
echo '#include <asm/unistd_64.h>' | "${CC:-cc}" -E -dM - |
	sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/\t[\2] = "\1",/p'
cat <<'C'
};

const char *call_name(unsigned nr)
{
	return nr < array_len(names) && names[nr] != NULL ? names[nr] : "?";
}
C
