/*
 * Stubs. For a site whose syscall stays in place:
 *
 *	copy of the window
 *	lea	site(%rip), %r11
 *	jmp	*%gs:T_ENTRY
 *
 * and for one whose syscall had to be moved, `site` is the stub's own:
 *
 *	copy of the window's beginning
 *	lea	1f(%rip), %r11
 *	jmp	*%gs:T_ENTRY
 * 1:	syscall
 *	copy of the window's end
 *	jmp	behind the window
 *
 * so that in both cases a call is handed on at r11, and an answered one goes
 * on two bytes behind it. Where the agent is stands in each thread's page, so
 * that all processes can have the same stubs.
 */
#include "agent/patch.h"

#include <errno.h>
#include <sys/mman.h>

#include "agent/layout.h"
#include "agent/mem.h"
#include "agent/stats.h"
#include "base/sys.h"

#define PAGE 4096ull
#define STUB_TYPICAL 32u /* a batch has more short ones than long ones */
#define REACH ((int64_t)0x7fff0000)

/* A run of stub pages under construction. */
struct stubs {
	uint8_t *base;
	uint32_t size, used;
};

static bool reaches(uint64_t from, uint64_t to)
{
	int64_t d = (int64_t)(to - from);

	return d > -REACH && d < REACH;
}

static uint8_t *put_32(uint8_t *p, int32_t v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static uint8_t *put_rel32(uint8_t *p, uint64_t next, uint64_t target)
{
	return put_32(p, (int32_t)(int64_t)(target - next));
}

/* Copies `n` bytes of the window from `from`, mending what is relative to rip. */
static void copy_window(uint8_t *out, uint64_t at, const struct site *s, uint32_t from, uint32_t n, uint64_t window)
{
	uint32_t disp = s->rip - 1u;
	int32_t rel;

	memcpy(out, s->window + from, n);
	if (s->rip == 0 || disp < from || disp + 4 > from + n)
		return;
	memcpy(&rel, s->window + disp, sizeof(rel));
	put_rel32(out + (disp - from), at + (s->rip_end - from), window + s->rip_end + (uint64_t)(int64_t)rel);
}

uint32_t patch_stub(uint8_t *out, uint64_t at, const struct site *s, uint64_t code)
{
	bool moved = s->kind == SITE_MOVED;
	uint64_t window = code - s->before, here = at + s->before + 7 + 8;
	uint8_t *p = out;

	if (!reaches(at, code))
		return 0;
	copy_window(p, at, s, 0, s->before, window);
	p += s->before;
	*p++ = 0x4c, *p++ = 0x8d, *p++ = 0x1d; /* lea rel32(%rip), %r11 */
	p = put_rel32(p, at + s->before + 7, moved ? here : code);
	*p++ = 0x65, *p++ = 0xff, *p++ = 0x24, *p++ = 0x25; /* jmp *%gs:disp32 */
	p = put_32(p, T_ENTRY);
	if (!moved)
		return (uint32_t)(p - out);
	*p++ = 0x0f, *p++ = 0x05;
	copy_window(p, here + SITE_SYSCALL, s, s->before + SITE_SYSCALL, s->after, window);
	p += s->after;
	*p++ = 0xe9;
	p = put_rel32(p, at + (uint64_t)(p + 4 - out), window + site_window(s));
	return (uint32_t)(p - out);
}

static void put_jump(uint8_t *w, uint64_t at, uint64_t target)
{
	w[0] = 0xe9;
	put_rel32(w + 1, at + SITE_JUMP, target);
}

void patch_window(uint8_t *w, uint64_t at, const struct site *s, uint64_t stub)
{
	uint32_t n = site_window(s), jump = s->kind == SITE_PAD ? 2 : SITE_JUMP;

	if (s->kind == SITE_PAD) {
		put_jump(w + 2 + s->pad, at + 2 + (uint64_t)(int64_t)s->pad, stub);
		w[0] = 0xeb;
		w[1] = (uint8_t)s->pad;
	} else {
		put_jump(w, at, stub);
	}
	/* What is left of the window is never reached. */
	memset(w + jump, 0xcc, n - jump);
}

/* The bytes that may change: all of the window and, for SITE_PAD, of the padding, lie in the segment. */
static bool inside(const struct segment *seg, const struct site *s)
{
	uint64_t at = s->off - seg->off;

	if (s->off < seg->off || at >= seg->len || at < s->before || at + SITE_SYSCALL + s->after > seg->len)
		return false;
	if (s->kind != SITE_PAD)
		return true;
	at = at - s->before + 2 + (uint64_t)(int64_t)s->pad;
	return at < seg->len && at + SITE_JUMP <= seg->len;
}

/* Is what is mapped what the table says? A syscall, and the window before it. */
static bool unchanged(const uint8_t *code, const struct site *s)
{
	return code[0] == 0x0f && code[1] == 0x05 && memcmp(code - s->before, s->window, site_window(s)) == 0;
}

/* Padding is one of a few forms of nop, or int3; anything else is code. */
static bool padding_free(const uint8_t *p)
{
	return p[0] == 0x66 || p[0] == 0x90 || p[0] == 0xcc || p[0] == 0x2e || (p[0] == 0x0f && p[1] == 0x1f);
}

static bool fits(const struct segment *seg, const struct site *s)
{
	return site_valid(s) && inside(seg, s);
}

/* After fits: is the code there what the table says? */
static bool patchable(const struct segment *seg, const struct site *s)
{
	const uint8_t *code = seg->base + (s->off - seg->off);

	if (unchanged(code, s) && (s->kind != SITE_PAD || padding_free(code - s->before + 2 + s->pad)))
		return true;
	stats_event(STATS_SITES_CHANGED);
	return false;
}

/* Pages for `size` bytes within reach of the segment. */
static int stubs_map(struct stubs *st, const struct segment *seg, uint32_t size)
{
	const uint64_t base = (uint64_t)seg->base;

	st->size = (uint32_t)round_up(size, PAGE);
	st->used = 0;
	/* Where the kernel likes it, which is near; then below, where the object came first. */
	for (uint64_t hint = 0; hint <= 64; hint++) {
		uint64_t want = hint == 0 ? 0 : (base & ~(PAGE - 1)) - (hint << 20) - st->size;
		void *p = sys_mmap((void *)want, st->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (sys_is_err(p))
			return -ENOMEM;
		if (reaches((uint64_t)p, base) && reaches((uint64_t)p, base + seg->len)) {
			st->base = p;
			return 0;
		}
		sys_munmap(p, st->size);
	}
	return -ERANGE;
}

/* The next stub, for the site at `code`: its address, 0 where there is none. */
static uint64_t stubs_add(struct stubs *st, const struct site *s, uint64_t code)
{
	uint8_t *out = st->base + st->used;
	uint32_t n;

	if (st->used + STUB_MAX > st->size)
		return 0;
	n = patch_stub(out, (uint64_t)out, s, code);
	st->used += (uint32_t)round_up(n, 8u);
	return n == 0 ? 0 : (uint64_t)out;
}

/* What a batch touches, by the table: the code is not read, which would fault it in twice. */
struct extent {
	uint32_t count;
	uint64_t low, high; /* offsets in the segment */
};

static struct extent measure(const struct segment *seg, const struct site *sites, uint32_t n, patch_choice want,
			     const void *arg)
{
	struct extent e = {.low = seg->len};

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = sites[i].off - seg->off;

		if (!fits(seg, &sites[i]) || !want(&sites[i], arg))
			continue;
		e.count++;
		/* The padding is at most 130 bytes away. */
		e.low = min_of(e.low, at < 256 ? 0 : at - 256);
		e.high = max_of(e.high, min_of(at + 256, seg->len));
	}
	e.low &= ~(PAGE - 1);
	e.high = min_of(round_up(e.high, PAGE), round_up(seg->len, PAGE));
	return e;
}

/*
 * What was executable is so again. It was one mapping when it was made writable, which has had it split: to put it
 * together takes no memory, but code that stays as it is would be the end of the program.
 */
static void run_again(uint8_t *at, uint64_t len)
{
	for (int i = 0; i < 1000 && sys_mprotect(at, len, PROT_READ | PROT_EXEC) != 0; i++)
		sys_call3(SYS_sched_yield, 0, 0, 0);
}

/* Is the window at `w` a jump to these stubs? */
static bool is_patched(const uint8_t *w, const struct site *s, const struct stubs *st)
{
	const uint8_t *jump = s->kind == SITE_PAD ? w + 2 + s->pad : w;
	int32_t rel;

	memcpy(&rel, jump + 1, sizeof(rel));
	return jump[0] == 0xe9 && (uint64_t)(jump + SITE_JUMP + rel - st->base) < st->size;
}

/* The stubs do not become executable: nothing is to jump to them. What is in padding nobody reaches. */
static void put_back(const struct segment *seg, const struct site *sites, uint32_t n, const struct stubs *st)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *w = seg->base + (sites[i].off - seg->off) - sites[i].before;

		if (fits(seg, &sites[i]) && is_patched(w, &sites[i], st))
			memcpy(w, sites[i].window, site_window(&sites[i]));
	}
}

/* With nobody running in the code of [e->low, e->high). Returns how many are patched, or -errno. */
static int patch_all(const struct segment *seg, const struct site *sites, uint32_t n, patch_choice want,
		     const void *arg, const struct extent *e, struct stubs *st)
{
	int done = 0, rc = sys_mprotect(seg->base + e->low, e->high - e->low, PROT_READ | PROT_WRITE);

	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		uint8_t *code = seg->base + (sites[i].off - seg->off);
		uint64_t stub;

		if (!fits(seg, &sites[i]) || !want(&sites[i], arg) || !patchable(seg, &sites[i]))
			continue;
		stub = stubs_add(st, &sites[i], (uint64_t)code);
		if (stub == 0)
			continue;
		patch_window(code - sites[i].before, (uint64_t)code - sites[i].before, &sites[i], stub);
		done++;
	}
	/* The stubs first: the code that jumps to them comes to life with the second. */
	if (rc == 0) {
		rc = sys_mprotect(st->base, st->size, PROT_READ | PROT_EXEC);
		if (rc != 0)
			put_back(seg, sites, n, st);
		run_again(seg->base + e->low, e->high - e->low);
	}
	if (rc != 0)
		sys_munmap(st->base, st->size);
	return rc != 0 ? rc : done;
}

static uint32_t stubs_size(const struct extent *e)
{
	return e->count * STUB_TYPICAL + STUB_MAX;
}

int patch_fresh(const struct segment *seg, const struct site *sites, uint32_t n, patch_choice want, const void *arg)
{
	struct extent e = measure(seg, sites, n, want, arg);
	struct stubs st;
	int rc = e.count == 0 ? 0 : stubs_map(&st, seg, stubs_size(&e));

	return e.count == 0 || rc != 0 ? rc : patch_all(seg, sites, n, want, arg, &e, &st);
}

int patch_placed(const struct segment *seg, const struct site *sites, uint32_t n, patch_choice want,
		 struct patch_batch *b)
{
	struct extent e = measure(seg, sites, n, want, NULL);
	struct stubs st = {.size = (uint32_t)round_up(stubs_size(&e), PAGE)};

	if (e.count == 0)
		return 0;
	st.base = sys_mmap(b->stubs, st.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			   -1, 0);
	if (sys_is_err(st.base))
		return 0;
	if (st.base != b->stubs) {
		sys_munmap(st.base, st.size);
		return 0;
	}
	b->stubs_len = st.size;
	b->low = e.low;
	b->high = e.high;
	b->sites = patch_all(seg, sites, n, want, NULL, &e, &st);
	return b->sites;
}

/* --- while others run --- */

/* A thread that was stopped anywhere resumes at an instruction that is still there. */
static bool live_safe(const struct segment *seg, const struct site *s)
{
	uint64_t at = s->off - seg->off - s->before;

	/* One page, since pages are exchanged one by one; one instruction, which the usual mov is. */
	return s->kind == SITE_NEAR && s->before == SITE_JUMP && s->window[0] == 0xb8 &&
	       at / PAGE == (at + SITE_JUMP - 1) / PAGE;
}

/* Exchanges the page at offset `at` of the segment by a copy in which its sites jump to stubs. */
static int exchange_page(const struct segment *seg, uint64_t at, const struct site *sites, const uint64_t *stubs,
			 uint32_t n)
{
	uint8_t *page = seg->base + at;
	uint8_t *copy = sys_mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long moved;

	if (sys_is_err(copy))
		return -ENOMEM;
	memcpy(copy, page, PAGE);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t window = sites[i].off - seg->off - sites[i].before;

		if (stubs[i] != 0)
			patch_window(copy + (window - at), (uint64_t)seg->base + window, &sites[i], stubs[i]);
	}
	moved = sys_mprotect(copy, PAGE, PROT_READ | PROT_EXEC);
	if (moved == 0)
		moved = sys_call6(SYS_mremap, (long)copy, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (long)page, 0);
	if (moved != (long)page)
		sys_munmap(copy, PAGE);
	return moved == (long)page ? 0 : (int)moved;
}

#define LIVE_SITES 64u /* of one number in one page */

/* The run of chosen sites that lie in the page of the first one. Returns how many entries it spans. */
static uint32_t live_run(const struct segment *seg, const struct site *sites, uint32_t n, struct stubs *st,
			 patch_choice want, const void *arg, int *done)
{
	uint64_t stubs[LIVE_SITES] = {0}, at = (sites[0].off - seg->off) & ~(PAGE - 1);
	uint32_t span = 0;
	int chosen = 0;

	for (; span < min_of(n, LIVE_SITES) && ((sites[span].off - seg->off) & ~(PAGE - 1)) == at; span++) {
		const struct site *s = &sites[span];

		if (!fits(seg, s) || !live_safe(seg, s) || !want(s, arg) || !patchable(seg, s))
			continue;
		stubs[span] = stubs_add(st, s, (uint64_t)seg->base + (s->off - seg->off));
		chosen += stubs[span] != 0;
	}
	if (chosen == 0)
		return span;
	if (sys_mprotect(st->base, st->size, PROT_READ | PROT_EXEC) == 0 &&
	    exchange_page(seg, at, sites, stubs, span) == 0)
		*done += chosen;
	return span;
}

int patch_live(const struct segment *seg, const struct site *sites, uint32_t n, patch_choice want, const void *arg)
{
	int done = 0;

	for (uint32_t i = 0; i < n;) {
		struct stubs st;
		int before = done;

		if (!want(&sites[i], arg) || !fits(seg, &sites[i])) {
			i++;
			continue;
		}
		/* Stub pages become executable for good when they are used: one a page of code. */
		if (stubs_map(&st, seg, LIVE_SITES * STUB_TYPICAL) != 0)
			return done != 0 ? done : -ENOMEM;
		i += live_run(seg, &sites[i], n - i, &st, want, arg, &done);
		if (done == before)
			sys_munmap(st.base, st.size);
	}
	return done;
}
