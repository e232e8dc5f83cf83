/* Types are found by walking: they have no index, and are looked at once a map. */
#include "world/btf.h"

#include <errno.h>
#include <linux/btf.h>

#include "base/mem.h"

#define TYPES_MAX (1u << 24)

static const char *name_at(const struct btf_view *v, uint32_t off)
{
	return off < v->strings_len ? v->strings + off : NULL;
}

/* Bytes of the type at `at`, 0 where it does not fit. */
static uint32_t size_at(const struct btf_view *v, uint32_t at)
{
	const struct btf_type *t = (const struct btf_type *)(const void *)(v->types + at);
	uint32_t left = v->types_len - at, n = sizeof *t, vlen;

	if (left < n)
		return 0;
	vlen = BTF_INFO_VLEN(t->info);
	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		n += 4;
		break;
	case BTF_KIND_ARRAY:
		n += sizeof(struct btf_array);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		n += vlen * (uint32_t)sizeof(struct btf_member);
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		n += vlen * 8;
		break;
	case BTF_KIND_DATASEC:
	case BTF_KIND_ENUM64:
		n += vlen * 12;
		break;
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		break;
	default:
		return 0;
	}
	return n <= left && name_at(v, t->name_off) ? n : 0;
}

int btf_view(const void *data, uint64_t len, struct btf_view *v)
{
	const struct btf_header *h = data;
	uint64_t body;

	/* Longer headers will be whole words too: types are read where they lie. */
	if (len < sizeof *h || h->magic != BTF_MAGIC || h->version != 1 || h->flags || h->hdr_len < sizeof *h ||
	    h->hdr_len > len || h->hdr_len % 4)
		return -EINVAL;
	body = len - h->hdr_len;
	if (h->type_len > TYPES_MAX || h->str_len > TYPES_MAX || h->type_off % 4 || h->type_off > body ||
	    h->type_len > body - h->type_off || h->str_off > body || h->str_len > body - h->str_off || !h->str_len)
		return -EINVAL;
	v->types = (const char *)data + h->hdr_len + h->type_off;
	v->types_len = h->type_len;
	v->strings = (const char *)data + h->hdr_len + h->str_off;
	v->strings_len = h->str_len;
	if (v->strings[0] || v->strings[v->strings_len - 1])
		return -EINVAL;
	for (uint32_t at = 0, n; at < v->types_len; at += n) {
		n = size_at(v, at);
		if (!n)
			return -EINVAL;
	}
	return 0;
}

static const struct btf_type *type(const struct btf_view *v, uint32_t id)
{
	uint32_t at = 0, n;

	while (id > 1 && at < v->types_len && (n = size_at(v, at))) {
		at += n;
		id--;
	}
	return id == 1 && size_at(v, at) ? (const struct btf_type *)(const void *)(v->types + at) : NULL;
}

/* What stands behind typedefs and qualifiers. */
static const struct btf_type *plain(const struct btf_view *v, uint32_t id)
{
	const struct btf_type *t = type(v, id);

	for (int i = 0; t && i < 32; i++) {
		unsigned kind = BTF_INFO_KIND(t->info);

		if (kind != BTF_KIND_TYPEDEF && kind != BTF_KIND_CONST && kind != BTF_KIND_VOLATILE &&
		    kind != BTF_KIND_TYPE_TAG)
			break;
		t = type(v, t->type);
	}
	return t;
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

int32_t btf_member(const struct btf_view *v, uint32_t id, const char *name)
{
	const struct btf_type *t = plain(v, id);
	const struct btf_member *m;

	if (!t || BTF_INFO_KIND(t->info) != BTF_KIND_STRUCT)
		return -1;
	m = (const struct btf_member *)(const void *)(t + 1);
	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++) {
		const struct btf_type *of = plain(v, m[i].type);
		uint32_t bits = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m[i].offset) : m[i].offset;

		if (of && BTF_INFO_KIND(of->info) == BTF_KIND_STRUCT && same(name_at(v, of->name_off), name))
			return (int32_t)(bits / 8);
	}
	return -1;
}
