/*
 * Doubly linked lists of table entries, by 1 + index (0: none), each change in
 * the task's transaction. The entry type has members `next` and `prev`.
 */
#pragma once

#include "shm/txn.h"

/* Puts entry `i` of `table` (with `n` entries) at the front. */
#define list_push(t, head, table, n, i)                                                                                \
	do {                                                                                                           \
		uint32_t list_old = *(head);                                                                           \
		txn_set((t), &(table)[i].next, list_old);                                                              \
		txn_set((t), &(table)[i].prev, 0);                                                                     \
		if (list_old && list_old <= (n))                                                                       \
			txn_set((t), &(table)[list_old - 1].prev, (i) + 1);                                            \
		txn_set((t), (head), (i) + 1);                                                                         \
	} while (0)

#define list_unlink(t, head, table, n, i)                                                                              \
	do {                                                                                                           \
		uint32_t list_next = (table)[i].next, list_prev = (table)[i].prev;                                     \
		if (list_next && list_next <= (n))                                                                     \
			txn_set((t), &(table)[list_next - 1].prev, list_prev);                                         \
		if (list_prev && list_prev <= (n))                                                                     \
			txn_set((t), &(table)[list_prev - 1].next, list_next);                                         \
		else                                                                                                   \
			txn_set((t), (head), list_next);                                                               \
		txn_set((t), &(table)[i].next, 0);                                                                     \
		txn_set((t), &(table)[i].prev, 0);                                                                     \
	} while (0)
