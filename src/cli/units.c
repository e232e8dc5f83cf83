/* Three digits and a unit: see units.h. */
#include "cli/units.h"

#include <stdio.h>

static struct units scaled(double n, double step, const char *const *names)
{
	struct units u;

	while (n >= step && names[1]) {
		n /= step;
		names++;
	}
	snprintf(u.s, sizeof(u.s),
		 n == (double)(long)n && n < 1000 ? "%.0f%s"
		 : n >= 100			  ? "%.0f%s"
		 : n >= 10			  ? "%.1f%s"
						  : "%.2f%s",
		 n, *names);
	return u;
}

struct units units_count(double n)
{
	static const char *const names[] = {"", " k", " M", " G", 0};

	return scaled(n, 1000, names);
}

struct units units_bytes(double n)
{
	static const char *const names[] = {" B", " KiB", " MiB", " GiB", " TiB", 0};

	return scaled(n, 1024, names);
}

struct units units_time(double ns)
{
	static const char *const names[] = {" ns", " us", " ms", " s", 0};

	return scaled(ns, 1000, names);
}
