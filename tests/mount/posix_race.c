/* What several processes see of each other when they work at once. */
#include "posix.h"

#include <dirent.h>
#include <sys/wait.h>

#define WORKERS 4

/* Runs work(i) in WORKERS processes and waits for all of them. */
static void together(void (*work)(int))
{
	pid_t pid[WORKERS];

	fflush(stdout);
	for (int i = 0; i < WORKERS; i++) {
		pid[i] = (pid_t)must(fork());
		if (pid[i] == 0) {
			work(i);
			fflush(stdout);
			_exit(0);
		}
	}
	for (int i = 0; i < WORKERS; i++)
		join(pid[i]);
}

#define RECORD 61 /* no divisor of a block */
#define RECORDS 500

static void append_work(int who)
{
	int fd = (int)must(open("log", O_WRONLY | O_APPEND));
	char record[RECORD];

	memset(record, 'A' + who, RECORD);
	for (int i = 0; i < RECORDS; i++)
		same(write(fd, record, RECORD), RECORD);
}

static void append_together(void)
{
	char record[RECORD];
	int seen[WORKERS] = {0};
	int fd;

	put("log", 0600, "");
	together(append_work);
	fd = (int)must(open("log", O_RDONLY));
	same(stat_fd(fd).st_size, WORKERS * RECORDS * RECORD);
	while (must(read(fd, record, RECORD)) == RECORD) {
		is(memcmp(record, record + 1, RECORD - 1) == 0);
		seen[record[0] - 'A']++;
	}
	for (int i = 0; i < WORKERS; i++)
		same(seen[i], RECORDS);
}

static void create_work(int who)
{
	char name[32];
	int won = 0;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		if (open(name, O_CREAT | O_EXCL | O_WRONLY, 0600) >= 0)
			won++;
		else
			same(errno, EEXIST);
	}
	snprintf(name, sizeof(name), "won%d", who);
	same(write((int)must(open(name, O_CREAT | O_WRONLY, 0600)), &won, sizeof(won)), sizeof(won));
}

/* O_EXCL has one winner for each name. */
static void create_together(void)
{
	char name[32];
	int won, sum = 0;

	make_dir("d", 0700);
	together(create_work);
	for (int i = 0; i < WORKERS; i++) {
		snprintf(name, sizeof(name), "won%d", i);
		same(read((int)must(open(name, O_RDONLY)), &won, sizeof(won)), sizeof(won));
		sum += won;
	}
	same(sum, 500);
	same(count_names("d"), 500);
}

static void replace_work(int who)
{
	char name[32], buf[16];
	int fd;

	snprintf(name, sizeof(name), "tmp%d", who);
	for (int i = 0; i < 500; i++) {
		if (who < 2) {
			put(name, 0600, "complete");
			must(rename(name, "target"));
			continue;
		}
		fd = (int)must(open("target", O_RDONLY)); /* never absent */
		same(read(fd, buf, sizeof(buf)), 8);	  /* never half */
		must(close(fd));
	}
}

static void rename_is_atomic(void)
{
	put("target", 0600, "complete");
	together(replace_work);
	same(count_names("."), 1);
	same(stat_of("target").st_nlink, 1);
}

static void move_work(int who)
{
	char from[32], to[32];

	/* Directories that are moved into each other at once: no loop may come of it. */
	for (int i = 0; i < 1000; i++) {
		snprintf(from, sizeof(from), who % 2 ? "a" : "b");
		snprintf(to, sizeof(to), who % 2 ? "b/a" : "a/b");
		if (rename(from, to) == 0)
			must(rename(to, from) == 0 || errno == ENOENT ? 0 : -1);
		else
			is(errno == ENOENT || errno == EINVAL || errno == ENOTEMPTY || errno == EEXIST);
	}
}

static int count_tree(const char *path)
{
	char sub[4096];
	int n = 0;
	DIR *d = opendir(path);

	is(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		n += 1 + count_tree(sub);
	}
	closedir(d);
	return n;
}

static void rename_makes_no_loop(void)
{
	make_dir("a", 0700);
	make_dir("b", 0700);
	together(move_work);
	same(count_tree("."), 2);
}

static void link_work(int who)
{
	char name[32];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "l%d.%d", who, i);
		must(link("f", name));
		if (i % 3)
			must(unlink(name));
	}
}

static void link_count_together(void)
{
	put("f", 0600, "");
	together(link_work);
	same(stat_of("f").st_nlink, 1 + WORKERS * 100);
	same(count_names("."), 1 + WORKERS * 100);
}

static void tree_work(int who)
{
	char name[64];

	for (int round = 0; round < 20; round++) {
		snprintf(name, sizeof(name), "t%d", who);
		must(mkdir(name, 0700));
		for (int i = 0; i < 30; i++) {
			snprintf(name, sizeof(name), "t%d/f%d", who, i);
			put(name, 0600, name);
			holds(name, name);
		}
		for (int i = 0; i < 30; i++) {
			snprintf(name, sizeof(name), "t%d/f%d", who, i);
			must(unlink(name));
		}
		snprintf(name, sizeof(name), "t%d", who);
		must(rmdir(name));
	}
}

static void trees_together(void)
{
	together(tree_work);
	same(count_names("."), 0);
	same(stat_of(".").st_nlink, 2);
}

static void write_work(int who)
{
	int fd = (int)must(open("f", O_RDWR));
	static char buf[8192];

	for (int i = 0; i < 300; i++) {
		if (who < 2) {
			memset(buf, 'a' + (who + i) % 26, sizeof(buf));
			same(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
		} else {
			same(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
		}
	}
}

/* Writers of the same range: in the end one of them has won it all. */
static void write_together(void)
{
	char buf[8192];
	int fd = (int)must(open("f", O_CREAT | O_RDWR, 0600));

	must(ftruncate(fd, 8192));
	together(write_work);
	same(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	is(memcmp(buf, buf + 1, 4095) == 0);
}

const struct check race_checks[] = {
    {"append_together", append_together},	  {"create_together", create_together},
    {"rename_is_atomic", rename_is_atomic},	  {"rename_makes_no_loop", rename_makes_no_loop},
    {"link_count_together", link_count_together}, {"trees_together", trees_together},
    {"write_together", write_together},		  {NULL, NULL},
};
