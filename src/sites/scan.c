/*
 * The scan: a linear sweep over the executable sections, brought back into
 * step at each function start that the unwind table (.eh_frame_hdr) names.
 * A sweep, not a search for the bytes 0f 05: a third of the system's libraries
 * have those inside other instructions.
 *
 * What a window may hold: whole instructions of one straight run. Nobody may
 * jump into its inside, so a direct branch target or a function start there
 * ends it. Indirect targets are not seen; but a window of one instruction has
 * no inside, which is why the shortest possible is taken, and the only
 * boundaries of the usual `mov $nr,%eax` are its start and the `syscall`, both
 * valid after patching.
 */
#include "sites/scan.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <Zydis/Zydis.h>

#include "base/compiler.h"
#include "base/scope.h"
#include "sites/ident.h"

enum mark {
	MARK_START = 1,	 /* an instruction starts here */
	MARK_TARGET = 2, /* a direct branch or call leads here */
	MARK_FUNC = 4,	 /* a function starts here */
};

#define HINT_DEPTH 24	    /* instructions looked back for the number */
#define FUNCTION_MAX 65536u /* bytes; longer ones are not followed from their start */

struct text {
	const uint8_t *image;
	size_t len;
	const uint8_t *code; /* image + off */
	uint64_t off;	     /* in the file */
	uint64_t addr;	     /* of the linked image */
	uint64_t size;
	uint8_t *mark; /* one a byte, enum mark */
	ZydisDecoder decoder;
};

struct insn {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const struct text *t, uint64_t at, struct insn *in)
{
	return at < t->size &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&t->decoder, t->code + at, t->size - at, &in->i, in->op));
}

static bool is_branch(const struct insn *in)
{
	switch (in->i.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
		return true;
	default:
		return in->i.mnemonic == ZYDIS_MNEMONIC_HLT || in->i.mnemonic == ZYDIS_MNEMONIC_UD2 ||
		       in->i.mnemonic == ZYDIS_MNEMONIC_XBEGIN;
	}
}

static void mark_target(struct text *t, uint64_t at, const struct insn *in)
{
	uint64_t to;

	if (in->i.operand_count_visible == 0 || in->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
	    !in->op[0].imm.is_relative)
		return;
	to = at + in->i.length + (uint64_t)in->op[0].imm.value.s;
	if (to < t->size)
		t->mark[to] |= MARK_TARGET;
}

static void sweep(struct text *t)
{
	struct insn in;
	uint64_t at = 0;

	while (at < t->size) {
		uint64_t step = 1;

		if (decode(t, at, &in)) {
			t->mark[at] |= MARK_START;
			if (is_branch(&in))
				mark_target(t, at, &in);
			step = in.i.length;
		}
		for (uint64_t k = 1; k < step; k++) {
			if (at + k < t->size && (t->mark[at + k] & MARK_FUNC)) {
				t->mark[at] &= (uint8_t)~MARK_START; /* was out of step */
				step = k;
			}
		}
		at += step;
	}
}

/* Start of the instruction that ends at `at`, or -1 where none is known to. */
static int64_t previous(const struct text *t, uint64_t at)
{
	for (uint64_t k = 1; k <= 15 && k <= at; k++) {
		if (t->mark[at - k] & MARK_START)
			return (int64_t)(at - k);
	}
	return -1;
}

static bool entered(const struct text *t, uint64_t at)
{
	return (t->mark[at] & (MARK_TARGET | MARK_FUNC)) != 0;
}

/* May a copy of it run elsewhere? Only rip-relative operands need care. */
static bool movable(const struct insn *in)
{
	return !is_branch(in) && !(in->i.attributes & ZYDIS_ATTRIB_HAS_LOCK);
}

/* Notes the operand that is relative to rip, if any. One a window. */
static bool note_rip(const struct insn *in, uint32_t pos, struct site *s)
{
	if (!(in->i.attributes & ZYDIS_ATTRIB_IS_RELATIVE))
		return true;
	if (s->rip != 0 || in->i.raw.disp.size != 32)
		return false;
	s->rip = (uint8_t)(pos + in->i.raw.disp.offset + 1);
	s->rip_end = (uint8_t)(pos + in->i.length);
	return true;
}

/* The shortest run of at least `want` bytes that ends at the syscall: its length, or 0. */
static uint32_t run_before(const struct text *t, uint64_t at, uint32_t want, struct site *s)
{
	struct insn in;
	uint64_t from = at;

	while (at - from < want) {
		int64_t p = previous(t, from);

		if (p < 0 || at - (uint64_t)p > SITE_WINDOW || (from != at && entered(t, from)))
			return 0;
		if (!decode(t, (uint64_t)p, &in) || !movable(&in))
			return 0;
		from = (uint64_t)p;
	}
	s->rip = s->rip_end = 0;
	for (uint64_t q = from; q < at; q += in.i.length) {
		if (!decode(t, q, &in) || !note_rip(&in, (uint32_t)(q - from), s))
			return 0;
	}
	return (uint32_t)(at - from);
}

/* Five or more bytes of padding that no one runs, starting at `at`. */
static bool is_padding(const struct text *t, uint64_t at)
{
	struct insn in;
	uint64_t end = at;
	bool cut_off, after_call;
	int64_t p = previous(t, at);

	if (p < 0 || entered(t, at) || !decode(t, (uint64_t)p, &in))
		return false;
	cut_off = in.i.meta.category == ZYDIS_CATEGORY_RET || in.i.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
		  in.i.mnemonic == ZYDIS_MNEMONIC_HLT || in.i.mnemonic == ZYDIS_MNEMONIC_UD2;
	after_call = in.i.meta.category == ZYDIS_CATEGORY_CALL;
	while (end < t->size && !entered(t, end) && decode(t, end, &in) &&
	       (in.i.mnemonic == ZYDIS_MNEMONIC_NOP || in.i.mnemonic == ZYDIS_MNEMONIC_INT3))
		end += in.i.length;
	if (end - at < SITE_JUMP)
		return false;
	/* A call that returns into another function does not return. */
	return cut_off || (after_call && end < t->size && (t->mark[end] & MARK_FUNC));
}

/* Padding in reach of a two-byte jump at `from` that no other site has taken. */
static bool find_padding(const struct text *t, uint64_t from, uint8_t *taken, struct site *s)
{
	for (int d = 0; d < 128; d++) {
		for (int sign = -1; sign <= 1; sign += 2) {
			int64_t to = (int64_t)from + 2 + sign * d;

			if (to < 0 || (uint64_t)to + SITE_JUMP > t->size || sign * d < -128)
				continue;
			if (!(t->mark[to] & MARK_START) || taken[to] || !is_padding(t, (uint64_t)to))
				continue;
			memset(taken + to, 1, SITE_JUMP);
			s->pad = (int8_t)(sign * d);
			return true;
		}
	}
	return false;
}

static bool try_moved(const struct text *t, uint64_t at, struct site *s)
{
	struct insn in;
	uint32_t before = run_before(t, at, SITE_JUMP - SITE_SYSCALL, s), after = 0;

	if (before == 0 || entered(t, at)) {
		before = 0;
		s->rip = s->rip_end = 0;
	}
	while (before + SITE_SYSCALL + after < SITE_JUMP) {
		uint64_t next = at + SITE_SYSCALL + after;

		if (entered(t, next) || !decode(t, next, &in) || !movable(&in))
			return false;
		if (before + SITE_SYSCALL + after + in.i.length > SITE_WINDOW ||
		    !note_rip(&in, before + SITE_SYSCALL + after, s))
			return false;
		after += in.i.length;
	}
	s->before = (uint8_t)before;
	s->after = (uint8_t)after;
	return true;
}

/* `mov $15,%rax; syscall` is how debuggers and unwinders know a signal frame. */
static bool is_sigreturn(const struct text *t, uint64_t at)
{
	static const uint8_t rax15[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0};
	static const uint8_t eax15[] = {0xb8, 0x0f, 0, 0, 0};

	return (at >= sizeof(rax15) && memcmp(t->code + at - sizeof(rax15), rax15, sizeof(rax15)) == 0) ||
	       (at >= sizeof(eax15) && memcmp(t->code + at - sizeof(eax15), eax15, sizeof(eax15)) == 0);
}

static void choose_window(struct text *t, uint64_t at, uint8_t *taken, struct site *s)
{
	uint32_t n;

	s->kind = SITE_NONE;
	if (is_sigreturn(t, at))
		return;
	n = run_before(t, at, SITE_JUMP, s);
	if (n != 0) {
		s->kind = SITE_NEAR;
		s->before = (uint8_t)n;
	} else if ((n = run_before(t, at, 2, s)) != 0 && s->rip == 0 && find_padding(t, at - n, taken, s)) {
		s->kind = SITE_PAD;
		s->before = (uint8_t)n;
	} else if (try_moved(t, at, s)) {
		s->kind = SITE_MOVED;
	} else {
		return;
	}
	memcpy(s->window, t->code + at - s->before, site_window(s));
}

static bool writes(const struct insn *in, ZydisRegister reg)
{
	for (int k = 0; k < in->i.operand_count; k++) {
		const ZydisDecodedOperand *o = &in->op[k];

		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
		    ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o->reg.value) == reg)
			return true;
	}
	return false;
}

/*
 * The number, as the code before it suggests: the last write to the register,
 * followed through copies. Not a proof (branches are ignored): it only chooses
 * which sites are worth a patch, the stub goes by what is in rax.
 */
static int16_t hint_nr(const struct text *t, uint64_t at)
{
	ZydisRegister reg = ZYDIS_REGISTER_RAX;
	struct insn in;

	for (int depth = 0; depth < HINT_DEPTH; depth++) {
		int64_t p = previous(t, at);

		if (t->mark[at] & MARK_FUNC)
			return reg == ZYDIS_REGISTER_RDI ? SITE_NR_ANY : SITE_NR_UNKNOWN;
		if (p < 0 || !decode(t, (uint64_t)p, &in))
			return SITE_NR_UNKNOWN;
		at = (uint64_t)p;
		if (!writes(&in, reg))
			continue;
		if (in.i.mnemonic == ZYDIS_MNEMONIC_XOR && in.op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    in.op[0].reg.value == in.op[1].reg.value)
			return 0;
		if (in.i.mnemonic != ZYDIS_MNEMONIC_MOV)
			return SITE_NR_UNKNOWN;
		if (in.op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return in.op[1].imm.value.u < INT16_MAX ? (int16_t)in.op[1].imm.value.u : SITE_NR_UNKNOWN;
		if (in.op[1].type !=
		    ZYDIS_OPERAND_TYPE_REGISTER) /* out of a structure: how libc makes all threads setuid */
			return SITE_NR_ANY;
		reg = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, in.op[1].reg.value);
	}
	return SITE_NR_UNKNOWN;
}

static int add_site(struct scan_result *r, const struct site *s)
{
	if ((r->count & (r->count - 1)) == 0) {
		size_t room = r->count == 0 ? 1 : r->count * 2;
		struct site *grown = realloc(r->sites, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		r->sites = grown;
	}
	r->sites[r->count++] = *s;
	return 0;
}

static bool is_syscall(const struct text *t, uint64_t at)
{
	return (t->mark[at] & MARK_START) && at + 2 <= t->size && t->code[at] == 0x0f && t->code[at + 1] == 0x05;
}

static int collect(struct text *t, struct scan_result *r)
{
	autofree uint8_t *taken = calloc(t->size, 1);

	if (taken == NULL)
		return -ENOMEM;
	for (uint64_t at = 0; at < t->size; at++) {
		struct site s = {.off = (uint32_t)(t->off + at)};

		if (!is_syscall(t, at))
			continue;
		s.nr = hint_nr(t, at);
		choose_window(t, at, taken, &s);
		if (add_site(r, &s) != 0)
			return -ENOMEM;
	}
	return 0;
}

/* `n` bytes at `off` of the image, or NULL. */
static const void *part(const uint8_t *image, size_t len, uint64_t off, uint64_t n)
{
	return off <= len && n <= len - off ? image + off : NULL;
}

/* A table of ELF structures, which begin at multiples of eight. */
static const void *table_part(const uint8_t *image, size_t len, uint64_t off, uint64_t n)
{
	return off % 8 == 0 ? part(image, len, off, n) : NULL;
}

/* Function starts, from the sorted table of the unwinder: pairs of 32-bit offsets from the section. */
static void mark_functions(struct text *t, const Elf64_Phdr *ph)
{
	const uint8_t *p = part(t->image, t->len, ph->p_offset, ph->p_filesz);
	uint32_t n;

	if (p == NULL || ph->p_filesz < 12 || p[0] != 1 || p[2] != 0x03 || p[3] != 0x3b)
		return;
	memcpy(&n, p + 8, 4);
	for (uint32_t i = 0; i < n && 12 + (uint64_t)i * 8 + 8 <= ph->p_filesz; i++) {
		int32_t rel;
		uint64_t at;

		memcpy(&rel, p + 12 + (size_t)i * 8, 4);
		at = ph->p_vaddr + (uint64_t)(int64_t)rel - t->addr;
		if (at < t->size)
			t->mark[at] |= MARK_FUNC;
	}
}

/* Is it an instruction, as one comes to it from the function's start? Where that is not near, perhaps. */
static bool comes_to(const struct text *t, uint64_t at)
{
	uint64_t from = at;
	struct insn in;

	while (from > 0 && at - from < FUNCTION_MAX && !(t->mark[from] & MARK_FUNC))
		from--;
	if (!(t->mark[from] & MARK_FUNC))
		return true;
	while (from < at)
		from += decode(t, from, &in) ? in.i.length : 1;
	return from == at;
}

/* Most code has none. That is seen without disassembling all of it. */
static bool occurs(const struct text *t)
{
	const uint8_t *end = t->code + t->size;

	for (const uint8_t *p = t->code; (p = memmem(p, (size_t)(end - p), "\x0f\x05", 2)) != NULL; p++) {
		if (comes_to(t, (uint64_t)(p - t->code)))
			return true;
	}
	return false;
}

static int scan_text(struct text *t, const Elf64_Phdr *ph, unsigned phnum, struct scan_result *r)
{
	autofree uint8_t *mark = calloc(t->size + 16, 1);

	if (mark == NULL)
		return -ENOMEM;
	t->mark = mark;
	t->code = t->image + t->off;
	ZydisDecoderInit(&t->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (unsigned i = 0; i < phnum; i++) {
		if (ph[i].p_type == PT_GNU_EH_FRAME)
			mark_functions(t, &ph[i]);
	}
	if (!occurs(t))
		return 0;
	sweep(t);
	return collect(t, r);
}

/* Executable sections; where there is no section table, executable segments. */
static int scan_code(const uint8_t *image, size_t len, const Elf64_Ehdr *eh, const Elf64_Phdr *ph,
		     struct scan_result *r)
{
	const Elf64_Shdr *sh = table_part(image, len, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(Elf64_Shdr));
	bool sections = sh != NULL && eh->e_shnum != 0 && eh->e_shentsize == sizeof(*sh);
	unsigned n = sections ? eh->e_shnum : eh->e_phnum;

	for (unsigned i = 0; i < n; i++) {
		struct text t = {.image = image, .len = len};
		bool code;
		int rc;

		if (sections) {
			code = sh[i].sh_type == SHT_PROGBITS && (sh[i].sh_flags & SHF_EXECINSTR);
			t.off = sh[i].sh_offset, t.addr = sh[i].sh_addr, t.size = sh[i].sh_size;
		} else {
			code = ident_is_code(&ph[i]);
			t.off = ph[i].p_offset, t.addr = ph[i].p_vaddr, t.size = ph[i].p_filesz;
		}
		if (!code || t.size == 0)
			continue;
		if (part(image, len, t.off, t.size) == NULL || t.off + t.size > UINT32_MAX)
			return -ENOEXEC;
		rc = scan_text(&t, ph, eh->e_phnum, r);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

struct file {
	const uint8_t *image;
	size_t len;
};

static const void *file_bytes(const void *arg, const Elf64_Phdr *ph)
{
	const struct file *f = arg;

	return part(f->image, f->len, ph->p_offset, ph->p_filesz);
}

int scan_image(const uint8_t *image, size_t len, struct scan_result *out)
{
	const Elf64_Ehdr *eh = part(image, len, 0, sizeof(*eh));
	const struct file file = {image, len};
	struct scan_result r = {0};
	const Elf64_Phdr *ph;
	int rc;

	if (eh == NULL || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_machine != EM_X86_64 || eh->e_phentsize != sizeof(*ph))
		return -ENOEXEC;
	ph = table_part(image, len, eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(*ph));
	if (ph == NULL)
		return -ENOEXEC;
	r.id_len = ident_of(&(struct ident_object){ph, eh->e_phnum, file_bytes, &file}, r.id);
	rc = scan_code(image, len, eh, ph, &r);
	if (rc != 0) {
		free(r.sites);
		return rc;
	}
	if (r.count != 0)
		qsort(r.sites, r.count, sizeof(*r.sites), by_offset);
	*out = r;
	return 0;
}

int scan_file(const char *path, struct scan_result *out)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *image;
	int rc;

	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -ENOEXEC;
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		return -errno;
	rc = scan_image(image, (size_t)st.st_size, out);
	munmap(image, (size_t)st.st_size);
	return rc;
}
