/* Quantities in few characters, for tables: "12.3 k", "4.50 MiB", "81 ns". */
#pragma once

struct units {
	char s[24];
};

struct units units_count(double n);
struct units units_bytes(double n);
struct units units_time(double ns);
