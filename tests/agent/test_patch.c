/*
 * Golden tests: known code, the bytes that it must become, and the stub that
 * goes with it. Then the scan's view of sample.S, and tables that are not what
 * they should be.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/patch.h"
#include "agent/stats.h"
#include "sites/scan.h"
#include "sites/store.h"

/* What patch.c needs of the agent. */
void agent_entry(void);
void agent_entry(void)
{
}

void stats_event(enum stats_event e)
{
}

#define CODE 0x10000000ull /* where the code under test is thought to be */
#define STUB 0x10100000ull /* its stub */

struct golden {
	const char *name;
	struct site site;
	uint8_t code[24]; /* the window and what surrounds it, at CODE; the syscall at CODE + at */
	uint32_t at, len;
	uint8_t after[24]; /* what it becomes */
	uint8_t stub[48];
	uint32_t stub_len;
};

/* jmp rel32 from CODE to STUB: 0x100000 - 5 = 0x000ffffb. lea in the stub at STUB + n: ends at STUB + n + 7. */
static const struct golden goldens[] = {
    {.name = "mov $nr,%eax; syscall",
     .site = {.kind = SITE_NEAR, .before = 5, .window = {0xb8, 0x27, 0, 0, 0}},
     .code = {0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3},
     .at = 5,
     .len = 8,
     .after = {0xe9, 0xfb, 0xff, 0x0f, 0x00, 0x0f, 0x05, 0xc3},
     .stub = {0xb8, 0x27, 0,	0,    0,		    /* mov $0x27,%eax */
	      0x4c, 0x8d, 0x1d, 0xf9, 0xff, 0xef, 0xff,	    /* lea CODE+5(%rip),%r11 */
	      0x65, 0xff, 0x24, 0x25, 0x88, 0,	  0,	0}, /* jmp *%gs:T_ENTRY */
     .stub_len = 20},
    {.name = "mov $nr,%eax; mov %rsi,%rdx; syscall: two move, the rest is filled",
     .site = {.kind = SITE_NEAR, .before = 8, .window = {0xb8, 0x27, 0, 0, 0, 0x48, 0x89, 0xf2}},
     .code = {0xb8, 0x27, 0, 0, 0, 0x48, 0x89, 0xf2, 0x0f, 0x05, 0xc3},
     .at = 8,
     .len = 11,
     .after = {0xe9, 0xfb, 0xff, 0x0f, 0x00, 0xcc, 0xcc, 0xcc, 0x0f, 0x05, 0xc3},
     .stub = {0xb8, 0x27, 0,	0,    0,    0x48, 0x89, 0xf2, 0x4c, 0x8d, 0x1d, 0xf9,
	      0xff, 0xef, 0xff, 0x65, 0xff, 0x24, 0x25, 0x88, 0,    0,	  0},
     .stub_len = 23},
    {.name = "lea 0x100(%rip),%rsi; syscall: the displacement follows the move",
     .site = {.kind = SITE_NEAR, .before = 7, .rip = 4, .rip_end = 7, .window = {0x48, 0x8d, 0x35, 0x00, 0x01, 0, 0}},
     .code = {0x48, 0x8d, 0x35, 0x00, 0x01, 0, 0, 0x0f, 0x05, 0xc3},
     .at = 7,
     .len = 10,
     .after = {0xe9, 0xfb, 0xff, 0x0f, 0x00, 0xcc, 0xcc, 0x0f, 0x05, 0xc3},
     .stub = {0x48, 0x8d, 0x35, 0x00, 0x01, 0xf0, 0xff, /* from STUB: 0x100 - 0x100000 */
	      0x4c, 0x8d, 0x1d, 0xf9, 0xff, 0xef, 0xff, 0x65, 0xff, 0x24, 0x25, 0x88, 0, 0, 0},
     .stub_len = 22},
    {.name = "xor %eax,%eax; syscall; ret; nops: through the padding",
     .site = {.kind = SITE_PAD, .before = 2, .pad = 4, .window = {0x31, 0xc0}},
     .code = {0x31, 0xc0, 0x0f, 0x05, 0xc3, 0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0xc3},
     .at = 2,
     .len = 12,
     .after = {0xeb, 0x04, 0x0f, 0x05, 0xc3, 0x90, 0xe9, 0xf5, 0xff, 0x0f, 0x00, 0xc3},
     .stub = {0x31, 0xc0, 0x4c, 0x8d, 0x1d, 0xf9, 0xff, 0xef, 0xff, 0x65, 0xff, 0x24, 0x25, 0x88, 0, 0, 0},
     .stub_len = 17},
    {.name = "syscall; cmp $-4096,%rax: the syscall moves too",
     .site = {.kind = SITE_MOVED, .after = 6, .window = {0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff}},
     .code = {0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0xc3},
     .at = 0,
     .len = 9,
     .after = {0xe9, 0xfb, 0xff, 0x0f, 0x00, 0xcc, 0xcc, 0xcc, 0xc3},
     .stub = {0x4c, 0x8d, 0x1d, 0x08, 0,    0,	  0,	0x65,
	      0xff, 0x24, 0x25, 0x88, 0,    0,	  0,	      /* lea 1f, jmp *%gs:T_ENTRY */
	      0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, /* 1: syscall; cmp */
	      0xe9, 0xec, 0xff, 0xef, 0xff},		      /* jmp CODE+8 */
     .stub_len = 28},
    {.name = "xor %edi,%edi; mov %edx,%eax; syscall: both and the syscall",
     .site = {.kind = SITE_MOVED, .before = 4, .window = {0x31, 0xff, 0x89, 0xd0, 0x0f, 0x05}},
     .code = {0x31, 0xff, 0x89, 0xd0, 0x0f, 0x05, 0xeb, 0xf8},
     .at = 4,
     .len = 8,
     .after = {0xe9, 0xfb, 0xff, 0x0f, 0x00, 0xcc, 0xeb, 0xf8},
     .stub = {0x31, 0xff, 0x89, 0xd0, 0x4c, 0x8d, 0x1d, 0x08, 0,    0,	  0,	0x65, 0xff,
	      0x24, 0x25, 0x88, 0,    0,    0,	  0x0f, 0x05, 0xe9, 0xec, 0xff, 0xef, 0xff},
     .stub_len = 26},
};

static void test_golden(void **state)
{
	for (size_t i = 0; i < array_len(goldens); i++) {
		const struct golden *g = &goldens[i];
		uint8_t code[24], stub[STUB_MAX];
		uint32_t n, from = g->at - g->site.before;

		print_message("%s\n", g->name);
		assert_true(site_valid(&g->site));
		n = patch_stub(stub, STUB, &g->site, CODE + g->at);
		assert_int_equal(n, g->stub_len);
		assert_memory_equal(stub, g->stub, n);
		memcpy(code, g->code, sizeof(code));
		patch_window(code + from, CODE + from, &g->site, STUB);
		assert_memory_equal(code, g->after, g->len);
	}
}

static void test_reach(void **state)
{
	uint8_t stub[STUB_MAX];

	assert_int_equal(patch_stub(stub, CODE + 0x80000000ull, &goldens[0].site, CODE + 5), 0);
	assert_int_equal(patch_stub(stub, CODE + 0x70000000ull, &goldens[0].site, CODE + 5), 20);
}

static const char *sample_path;

static void test_scan(void **state)
{
	static const struct {
		int16_t nr;
		uint8_t kind, before, after;
	} want[] = {
	    {471, SITE_NEAR, 5, 0}, {471, SITE_NEAR, 8, 0},  {471, SITE_NEAR, 7, 0},
	    {471, SITE_PAD, 2, 0},  {471, SITE_MOVED, 0, 6}, {15, SITE_NONE, 0, 0},
	};
	struct scan_result r;

	assert_int_equal(scan_file(sample_path, &r), 0);
	assert_int_equal(r.count, array_len(want));
	for (size_t i = 0; i < array_len(want); i++) {
		assert_int_equal(r.sites[i].nr, want[i].nr);
		assert_int_equal(r.sites[i].kind, want[i].kind);
		assert_int_equal(r.sites[i].before, want[i].before);
		assert_int_equal(r.sites[i].after, want[i].after);
		assert_true(i == 5 || site_valid(&r.sites[i]));
	}
	free(r.sites);
}

static void test_scan_damaged(void **state)
{
	FILE *f = fopen(sample_path, "re");
	static uint8_t image[65536], broken[65536];
	size_t len = fread(image, 1, sizeof(image), f);

	fclose(f);
	srand(1);
	for (int i = 0; i < 3000; i++) {
		struct scan_result r = {0};
		size_t cut = i % 3 == 0 ? (size_t)rand() % len : len;

		memcpy(broken, image, len);
		for (int k = 0; k < 8; k++)
			broken[(size_t)rand() % (k < 4 ? 1024 : len)] = (uint8_t)rand();
		if (scan_image(broken, cut, &r) == 0)
			free(r.sites);
	}
}

static void test_table(void **state)
{
	char path[] = "/tmp/btfuse-table-XXXXXX";
	struct site sites[2] = {goldens[0].site, goldens[1].site};
	struct scan_result r[3] = {{.id = {3}, .id_len = 20, .sites = sites, .count = 2},
				   {.id = {1}, .id_len = 20, .sites = sites, .count = 1},
				   {.id = {1}, .id_len = 8}};
	static uint64_t bytes[512], broken[512];
	const struct site *found;
	struct table t;
	size_t len;
	FILE *f;

	close(mkstemp(path));
	assert_int_equal(store_add(path, r, 2), 0);
	assert_int_equal(store_add(path, r + 2, 1), 0);
	f = fopen(path, "re");
	len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	unlink(path);
	assert_int_equal(table_open(bytes, len, &t), 0);
	assert_int_equal(table_find(&t, r[0].id, 20, &found), 2);
	assert_memory_equal(found, sites, sizeof(sites));
	assert_int_equal(table_find(&t, r[1].id, 20, &found), 1);
	assert_int_equal(table_find(&t, r[2].id, 8, &found), 0);
	assert_int_equal(table_find(&t, (const uint8_t *)"unknown", 8, &found), -ENOENT);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(table_open(bytes, cut, &t), -EUCLEAN);
	srand(2);
	for (int i = 0; i < 100000; i++) {
		memcpy(broken, bytes, len);
		for (int k = 0; k < 3; k++)
			((uint8_t *)broken)[(size_t)rand() % len] = (uint8_t)rand();
		if (table_open(broken, len, &t) != 0)
			continue;
		for (int k = 0; k < 3; k++) {
			int n = table_find(&t, r[k].id, r[k].id_len, &found);

			/* Whatever it says lies in the table. */
			for (int j = 0; j < n; j++)
				(void)site_valid(&found[j]);
			assert_true(n <= 0 || (const uint8_t *)(found + n) <= (uint8_t *)broken + len);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),	 cmocka_unit_test(test_reach), cmocka_unit_test(test_scan),
	    cmocka_unit_test(test_scan_damaged), cmocka_unit_test(test_table),
	};

	sample_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
