/* Names of the places. The kernel's tracepoints have the names of its functions: some differ from the call's. */
#include "world/event.h"

#include "base/call_names.h"

static const struct {
	char point[16];
	char call[12];
} aliases[] = {
    {"newstat", "stat"},	{"newfstat", "fstat"}, {"newlstat", "lstat"}, {"newuname", "uname"},
    {"sendfile64", "sendfile"}, {"umount", "umount2"}, {"sysctl", "_sysctl"},
};

/* Behind `prefix` in `s`; NULL: it does not begin so. */
static const char *behind(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return NULL;
	return s;
}

static bool same(const char *a, const char *b)
{
	const char *rest = behind(a, b);

	return rest && !*rest;
}

static unsigned length(const char *s)
{
	unsigned n = 0;

	while (s[n])
		n++;
	return n;
}

static uint32_t whole(const char *name, uint32_t flags)
{
	if (same(name, "sys_enter"))
		return EVENT_SET | flags | EVENT_ALL;
	if (same(name, "sys_exit"))
		return EVENT_SET | flags | EVENT_EXIT | EVENT_ALL;
	return EVENT_NONE;
}

static int call_of(const char *point)
{
	for (unsigned i = 0; i < array_len(aliases); i++)
		if (same(point, aliases[i].point))
			return call_number(aliases[i].call, length(aliases[i].call));
	return call_number(point, length(point));
}

uint32_t event_find(const char *category, const char *name)
{
	const char *enter = behind(name, "sys_enter_"), *exit = behind(name, "sys_exit_");
	int nr;

	if (!category)
		return whole(name, EVENT_RAW);
	if (same(category, "raw_syscalls"))
		return whole(name, 0);
	if (!same(category, "syscalls") || (!enter && !exit))
		return EVENT_NONE;
	nr = call_of(enter ? enter : exit);
	return nr < 0 ? EVENT_NONE : EVENT_SET | (enter ? 0 : EVENT_EXIT) | (uint32_t)nr;
}

static uint32_t append(char *buf, uint32_t size, uint32_t n, const char *s)
{
	for (; *s; s++, n++)
		if (n + 1 < size)
			buf[n] = *s;
	if (size)
		buf[min_of(n, size - 1)] = 0;
	return n;
}

static const char *point_of(uint32_t nr)
{
	const char *name = call_name(nr);

	for (unsigned i = 0; i < array_len(aliases); i++)
		if (same(name, aliases[i].call))
			return aliases[i].point;
	return name;
}

uint32_t event_name(uint32_t e, char *buf, uint32_t size)
{
	const char *side = e & EVENT_EXIT ? "sys_exit" : "sys_enter";
	uint32_t n = 0;

	if (!(e & EVENT_SET))
		return append(buf, size, 0, "");
	if (event_call(e) != EVENT_ALL) {
		n = append(buf, size, n, "syscalls/");
		n = append(buf, size, n, side);
		n = append(buf, size, n, "_");
		return append(buf, size, n, point_of(event_call(e)));
	}
	if (!(e & EVENT_RAW))
		n = append(buf, size, n, "raw_syscalls/");
	return append(buf, size, n, side);
}

#define FIRST_ID 1000u

uint32_t event_id(uint32_t e)
{
	uint32_t nr = event_call(e) == EVENT_ALL ? 0 : event_call(e) + 1;

	return FIRST_ID + 2 * nr + !!(e & EVENT_EXIT);
}

uint32_t event_of_id(uint64_t id)
{
	uint64_t k = id - FIRST_ID, nr = k / 2;

	if (id < FIRST_ID || nr > 472)
		return EVENT_NONE;
	return EVENT_SET | (k & 1 ? EVENT_EXIT : 0) | (uint32_t)(nr ? nr - 1 : EVENT_ALL);
}
