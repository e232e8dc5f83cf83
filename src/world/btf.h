/*
 * BPF Type Format, as far as it matters for loading: is it whole, and where in
 * a map's value lies a member of a given type. Freestanding; the bytes are
 * others', and checked before each use.
 */
#pragma once

#include "base/compiler.h"

struct btf_view {
	const char *types;
	uint32_t types_len;
	const char *strings;
	uint32_t strings_len;
};

/* Header and all types: sizes, and names within the strings. -EINVAL. */
int btf_view(const void *data, uint64_t len, struct btf_view *v) must_check;
/* Offset in bytes of the first member of struct `id` whose type is a struct called `name`; -1: none. */
int32_t btf_member(const struct btf_view *v, uint32_t id, const char *name);
