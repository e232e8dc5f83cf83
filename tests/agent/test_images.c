/* Images of patched code: when an agent is to make them, and which ones go. */
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "launch/file_id.h"
#include "launch/images.h"

#define KEPT 8 /* AGENTS_KEPT of images.c */

static char dir[] = "/tmp/bt-fuse-images.XXXXXX", agent[64], table[64];

/* The least that has a build id: 20 times the letter. */
static void write_agent(char letter)
{
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph;
		Elf64_Nhdr nh;
		char text[4 + TABLE_ID_MAX];
	} file = {
	    .eh = {.e_ident = ELFMAG, .e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 1, .e_phentsize = sizeof(Elf64_Phdr)},
	    .ph = {.p_type = PT_NOTE, .p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr)},
	    .nh = {4, TABLE_ID_MAX, NT_GNU_BUILD_ID},
	    .text = "GNU"};
	int fd = open(agent, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	file.ph.p_filesz = sizeof(file.nh) + sizeof(file.text);
	memset(file.text + 4, letter, TABLE_ID_MAX);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &file, sizeof(file)), sizeof(file));
	close(fd);
}

static void set_age(const char *path, long seconds)
{
	const struct timespec at = {1000000000 - seconds, 0}, times[2] = {at, at};

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_due(char letter)
{
	autofree char *stamp = NULL;

	write_agent(letter);
	stamp = images_due(agent, table, "files");
	return stamp != NULL;
}

static void do_make(char letter, long age)
{
	autofree char *stamp = NULL;

	write_agent(letter);
	stamp = images_due(agent, table, "files");
	assert_non_null(stamp);
	images_done(stamp);
	set_age(stamp, age);
}

static void test_due(void **state)
{
	do_make('a', 10);
	assert_false(is_due('a'));
	assert_true(is_due('b')); /* another agent has made none, and takes none away */
	do_make('b', 10);
	assert_false(is_due('a'));
	set_age(table, 5);
	assert_true(is_due('a'));
	do_make('a', 1);
	assert_false(is_due('a'));
}

/* Those that were made longest ago go, and nothing else of the directory's. */
static void test_room(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s.img", table);
	assert_int_equal(system(command), 0);
	set_age(table, 100);
	for (char c = 'a'; c < 'a' + KEPT; c++)
		do_make(c, 'z' - c);
	do_make('x', 0);
	assert_true(is_due('a'));
	write_agent('x');
	for (char c = 'c'; c < 'a' + KEPT; c++)
		assert_false(is_due(c));
	assert_false(is_due('x'));
}

static void test_no_agent(void **state)
{
	unlink(agent);
	assert_null(images_due(agent, table, "files"));
	assert_null(images_due("/dev/null", table, "files"));
}

static int set_up(void **state)
{
	FILE *f;

	if (!mkdtemp(dir))
		return -1;
	snprintf(agent, sizeof(agent), "%s/agent", dir);
	snprintf(table, sizeof(table), "%s/table", dir);
	f = fopen(table, "w");
	if (!f || fclose(f) != 0)
		return -1;
	set_age(table, 100);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_due), cmocka_unit_test(test_room),
					   cmocka_unit_test(test_no_agent)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
