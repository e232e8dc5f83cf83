/* Ringing at a loader's door: see wake.h. */
#include "world/wake.h"

#include <errno.h>
#include <fcntl.h>

#include "base/atomic.h"
#include "base/sys.h"

#define DIGITS 16

void wake_path(const struct world *w, uint64_t ring, char path[WAKE_PATH])
{
	size_t n = 0;

	while (n < WAKE_PATH - DIGITS - 2 && w->table->wake[n]) {
		path[n] = w->table->wake[n];
		n++;
	}
	path[n++] = '/';
	for (int shift = 60; shift >= 0; shift -= 4)
		path[n++] = "0123456789abcdef"[ring >> shift & 15];
	path[n] = '\0';
}

void world_wake(struct world *w, uint64_t ring)
{
	uint32_t mark = wake_mark(ring), *word = wake_word(w, ring);
	char path[WAKE_PATH];
	long fd;

	fence_full();
	if (likely(load_relaxed(word) != mark) || !cas(word, &mark, 0))
		return;
	wake_path(w, ring, path);
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return; /* nobody is there any more, or the program sees other directories */
	sys_call3(SYS_write, fd, (long)"", 1);
	sys_close((int)fd);
}
