/*
 * A damaged pool. The input is a list of records, each of which changes some
 * bytes of a good pool before a process attaches to it:
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum damage_how {
	DAMAGE_SET,  /* the bytes become `value` */
	DAMAGE_XOR,  /* they change by it */
	DAMAGE_ADD,  /* a number grows by it */
	DAMAGE_COPY, /* they become those at `value` */
	DAMAGE_WAYS,
};

struct damage {
	uint8_t how;   /* enum damage_how, modulo their number */
	uint8_t width; /* 1 << width bytes, modulo 9: up to 256 */
	uint8_t pad[2];
	uint32_t where; /* among the bytes that the pool has memory for, modulo their number, cut to the width */
	uint64_t value;
};

/* How many bytes of the good pool have memory behind them. */
size_t pool_bytes(void);
/* A good pool in a memfd. */
int pool_good(void);
/* Makes every call of the store on the pool, which may refuse to be attached. Takes `fd` over. */
void pool_call_all(int fd);
