/*
 * Where a program can be attached: entry or exit of one system call or of all,
 * with the context of a tracepoint or of a raw one. A number names the place.
 */
#pragma once

#include "base/compiler.h"

#define EVENT_ALL 0xffffu /* in place of a call's number */
#define EVENT_EXIT 0x10000u
#define EVENT_RAW 0x20000u /* raw_tracepoint's context */
#define EVENT_NONE 0u	   /* read is call 0: a real event has bit 31 */
#define EVENT_SET 0x80000000u

static inline uint32_t event_call(uint32_t e)
{
	return e & 0xffffu;
}

static inline bool event_covers(uint32_t e, uint32_t nr, bool exit)
{
	return (e & EVENT_SET) && !(e & EVENT_EXIT) == !exit && (event_call(e) == nr || event_call(e) == EVENT_ALL);
}

/*
 * Tracepoint `name` of `category` ("syscalls", "sys_enter_openat";
 * "raw_syscalls", "sys_enter"), or with category NULL a raw tracepoint.
 * EVENT_NONE: there is no such.
 */
uint32_t event_find(const char *category, const char *name);
/* "syscalls/sys_enter_openat", "raw_syscalls/sys_exit", or for raw ones "sys_enter". Returns the length. */
uint32_t event_name(uint32_t e, char *buf, uint32_t size);
/* The number that tracefs shows for it, and back. */
uint32_t event_id(uint32_t e);
uint32_t event_of_id(uint64_t id);
