#!/bin/bash
# A C project of 40 files built on the mount with parallel make, run there,
# touched, and built again: what make does depends on times being right.
. "$(dirname "$0")/lib.sh"
mount_fs
mkdir -p "$M/project/src"
cd "$M/project"

for ((i = 0; i < 40; i++)); do
	cat >"src/part$i.c" <<-END
		#include <stdio.h>
		#include <string.h>
		#include "all.h"
		int part$i(int x) { char buf[64]; snprintf(buf, sizeof(buf), "%d", x + $i); return (int)strlen(buf); }
	END
	echo "int part$i(int x);"
done >src/all.h
{
	echo '#include <stdio.h>'
	echo '#include "all.h"'
	echo 'int main(void) { int n = 0;'
	for ((i = 0; i < 40; i++)); do echo "n += part$i(100);"; done
	echo 'puts(n == 120 ? "120" : "wrong"); return 0; }'
} >src/main.c
cat >Makefile <<'END'
OBJS := $(patsubst src/%.c,obj/%.o,$(wildcard src/*.c))
CFLAGS = -O1 -fPIC -MMD
all: prog libparts.so
prog: $(OBJS)
	$(CC) -o $@ $^
libparts.so: $(filter-out obj/main.o,$(OBJS))
	$(CC) -shared -o $@ $^
obj/%.o: src/%.c | obj
	$(CC) $(CFLAGS) -c -o $@ $<
obj:
	mkdir $@
-include obj/*.d
END

built() {
	make -j4 >"$T/log" 2>&1 || {
		tail -20 "$T/log"
		die "make failed"
	}
	[ "$(./prog)" = 120 ] || die "the program says $(./prog)"
}

built
grep -q 'libparts.so' "$T/log" || die "nothing was built"
built
grep -q 'Nothing to be done' "$T/log" || die "make builds again: $(head -3 "$T/log")"
sleep 0.01
touch src/part7.c
built
[ "$(grep -c -- ' -c ' "$T/log")" = 1 ] || die "not just one file was compiled: $(cat "$T/log")"
touch src/all.h
built
[ "$(grep -c -- ' -c ' "$T/log")" = 41 ] || die "not all 41 files were compiled"

say "linking with the library from the mount, running it and a script there"
echo 'int part3(int); int main(void) { return part3(100) == 3 ? 0 : 1; }' >use.c
cc -o use use.c -L. -lparts -Wl,-rpath,"$PWD"
./use
printf '#!/bin/sh\nexec ./use\n' >script
chmod +x script
./script
printf '#!%s/script\n' "$PWD" >nested
chmod +x nested
./nested
gcc -g -O2 -o copy src/*.c
strip copy
[ "$(./copy)" = 120 ] || die "the stripped program says $(./copy)"
