#!/bin/sh
# Prints call_names.c: the table of system call names, from the kernel's header.
# Names lie in the table itself: pointers would cost the agent relocations.
set -eu
echo '#include "base/call_names.h"'
echo '#include "base/compiler.h"'
echo 'static const char names[][32] = {'
echo '#include <asm/unistd_64.h>' | "${CC:-cc}" -E -dM - |
	sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/\t[\2] = "\1",/p'
cat <<'C'
};

const char *call_name(unsigned nr)
{
	return nr < array_len(names) && names[nr][0] ? names[nr] : "?";
}

int call_number(const char *name, unsigned n)
{
	for (unsigned nr = 0; nr < array_len(names); nr++) {
		unsigned i = 0;

		while (i < n && names[nr][i] == name[i] && name[i])
			i++;
		if (n && i == n && !names[nr][i])
			return (int)nr;
	}
	return -1;
}
C
