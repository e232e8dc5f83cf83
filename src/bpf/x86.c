/*
 * The encoder. A REX prefix is written where the width or an upper register
 * asks for it, or where sil, dil and bpl would otherwise mean dh, bh and ch.
 */
#include "bpf/x86.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool x86_room(struct x86 *x, size_t n)
{
	uint8_t *buf;
	size_t cap;

	if (x->err)
		return false;
	if (likely(x->len + n <= x->cap))
		return true;
	cap = x->cap ? x->cap * 2 : 4096;
	buf = realloc(x->buf, cap);
	if (!buf) {
		x->err = -ENOMEM;
		return false;
	}
	x->buf = buf;
	x->cap = cap;
	return true;
}

void x86_bytes(struct x86 *x, const void *bytes, size_t n)
{
	if (!x86_room(x, n))
		return;
	memcpy(x->buf + x->len, bytes, n);
	x->len += n;
}

void x86_byte(struct x86 *x, unsigned b)
{
	if (x86_room(x, 1))
		x->buf[x->len++] = (uint8_t)b;
}

void x86_i32(struct x86 *x, int32_t v)
{
	x86_bytes(x, &v, 4);
}

void x86_i64(struct x86 *x, uint64_t v)
{
	x86_bytes(x, &v, 8);
}

static void rex(struct x86 *x, int w, unsigned reg, unsigned index, unsigned rm, bool force)
{
	unsigned b = (unsigned)w << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | rm >> 3;

	if (b || force)
		x86_byte(x, 0x40 | b);
}

static void modrm(struct x86 *x, unsigned mod, unsigned reg, unsigned rm)
{
	x86_byte(x, mod << 6 | (reg & 7) << 3 | (rm & 7));
}

void x86_rr(struct x86 *x, unsigned op, int w, unsigned reg, unsigned rm)
{
	rex(x, w, reg, 0, rm, false);
	x86_byte(x, op);
	modrm(x, 3, reg, rm);
}

void x86_rr_0f(struct x86 *x, unsigned op, int w, unsigned reg, unsigned rm)
{
	rex(x, w, reg, 0, rm, (op == 0xb6 || op == 0xbe) && rm >= RSP);
	x86_byte(x, 0x0f);
	x86_byte(x, op);
	modrm(x, 3, reg, rm);
}

void x86_group(struct x86 *x, unsigned op, int w, unsigned ext, unsigned rm)
{
	rex(x, w, 0, 0, rm, false);
	x86_byte(x, op);
	modrm(x, 3, ext, rm);
}

/* rsp and r12 as base need a SIB byte, rbp and r13 a displacement. */
static void address(struct x86 *x, unsigned reg, struct x86_mem m)
{
	bool sib = m.indexed || (m.base & 7) == RSP;
	unsigned mod = m.disp == 0 && (m.base & 7) != RBP ? 0 : m.disp == (int8_t)m.disp ? 1 : 2;

	modrm(x, mod, reg, sib ? (unsigned)RSP : m.base);
	if (sib)
		x86_byte(x, (m.indexed ? (m.index & 7) << 3 : 0x20u) | (m.base & 7));
	if (mod == 1)
		x86_byte(x, (uint8_t)m.disp);
	else if (mod == 2)
		x86_i32(x, m.disp);
}

void x86_rm(struct x86 *x, struct x86_access a, unsigned reg, struct x86_mem m)
{
	if (a.prefix)
		x86_byte(x, a.prefix);
	rex(x, a.w, reg, m.indexed ? m.index : 0, m.base, a.byte_reg && reg >= RSP);
	if (a.op >> 8)
		x86_byte(x, a.op >> 8);
	x86_byte(x, a.op & 0xff);
	address(x, reg, m);
}

void x86_alu_imm(struct x86 *x, enum x86_alu ext, int w, unsigned rm, int32_t imm)
{
	bool is8 = imm == (int8_t)imm;

	x86_group(x, is8 ? 0x83 : 0x81, w, ext, rm);
	if (is8)
		x86_byte(x, (uint8_t)imm);
	else
		x86_i32(x, imm);
}

void x86_mov_imm(struct x86 *x, unsigned reg, uint64_t v)
{
	if (v == 0) {
		x86_rr(x, X86_XOR, 0, reg, reg);
	} else if (v <= UINT32_MAX) {
		rex(x, 0, 0, 0, reg, false);
		x86_byte(x, 0xb8 | (reg & 7));
		x86_i32(x, (int32_t)v);
	} else if (v == (uint64_t)(int64_t)(int32_t)v) {
		x86_group(x, 0xc7, 1, 0, reg);
		x86_i32(x, (int32_t)v);
	} else {
		rex(x, 1, 0, 0, reg, false);
		x86_byte(x, 0xb8 | (reg & 7));
		x86_i64(x, v);
	}
}

void x86_mov(struct x86 *x, int w, unsigned dst, unsigned src)
{
	x86_rr(x, X86_MOV, w, src, dst);
}

void x86_lea(struct x86 *x, unsigned dst, struct x86_mem m)
{
	x86_rm(x, (struct x86_access){.op = 0x8d, .w = 1}, dst, m);
}

void x86_lea_index(struct x86 *x, unsigned dst, unsigned base, unsigned index, unsigned scale)
{
	rex(x, 1, dst, index, base, false);
	x86_byte(x, 0x8d);
	modrm(x, 1, dst, RSP);
	x86_byte(x, scale << 6 | (index & 7) << 3 | (base & 7));
	x86_byte(x, 0);
}

void x86_push(struct x86 *x, unsigned reg)
{
	rex(x, 0, 0, 0, reg, false);
	x86_byte(x, 0x50 | (reg & 7));
}

void x86_pop(struct x86 *x, unsigned reg)
{
	rex(x, 0, 0, 0, reg, false);
	x86_byte(x, 0x58 | (reg & 7));
}

/* The three-byte VEX prefix of the 0f38 map; its register bits are inverted. */
static void vex(struct x86 *x, unsigned pp, int w, unsigned reg, unsigned vvvv, unsigned rm)
{
	x86_byte(x, 0xc4);
	x86_byte(x, (reg < R8) << 7 | 1u << 6 | (rm < R8) << 5 | 2);
	x86_byte(x, (unsigned)w << 7 | (~vvvv & 15) << 3 | pp);
}

void x86_shiftx(struct x86 *x, unsigned pp, int w, unsigned dst, unsigned src, unsigned count)
{
	vex(x, pp, w, dst, count, src);
	x86_byte(x, 0xf7);
	modrm(x, 3, dst, src);
}

void x86_mulx(struct x86 *x, unsigned hi, unsigned lo, unsigned src)
{
	vex(x, 3, 1, hi, lo, src);
	x86_byte(x, 0xf6);
	modrm(x, 3, hi, src);
}

size_t x86_jump_short(struct x86 *x, unsigned opcode)
{
	x86_byte(x, opcode);
	x86_byte(x, 0);
	return x->len;
}

void x86_here(struct x86 *x, size_t jump)
{
	size_t distance = x->len - jump;

	if (x->err)
		return;
	check(distance <= 127);
	x->buf[jump - 1] = (uint8_t)distance;
}
