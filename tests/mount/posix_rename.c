/* rename(2) in all its forms, and listings of directories. */
#include "posix.h"

#include <dirent.h>

static int rename2(const char *from, const char *to, unsigned flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void rename_file(void)
{
	ino_t ino;
	int fd;

	put("a", 0644, "a");
	put("b", 0644, "b");
	fd = (int)must(open("b", O_RDONLY));
	ino = stat_of("a").st_ino;
	must(rename("a", "b"));
	is(!exists("a"));
	same(stat_of("b").st_ino, ino);
	holds("b", "a");
	/* Who had the old one open keeps it. */
	same(stat_fd(fd).st_nlink, 0);
	fd_holds(fd, "b", 1);
	fails(rename("none", "b"), ENOENT);
	fails(rename("b", "none/b"), ENOENT);
	fails(rename("b", "b/c"), ENOTDIR);
	must(rename("b", "b"));
	holds("b", "a");
}

static void rename_dir(void)
{
	make_dir("d", 0755);
	make_dir("e", 0755);
	put("d/f", 0600, "in d");
	must(rename("d", "e")); /* over an empty one */
	holds("e/f", "in d");
	make_dir("d", 0755);
	fails(rename("d", "e"), ENOTEMPTY);
	put("f", 0600, "");
	fails(rename("f", "d"), EISDIR);
	fails(rename("d", "f"), ENOTDIR);
	fails(rename("f", "new/"), ENOTDIR);
	must(rename("d", "new/"));
	is(exists("new"));
}

static void rename_into_itself(void)
{
	make_dir("d", 0755);
	make_dir("d/e", 0755);
	make_dir("d/e/f", 0755);
	fails(rename("d", "d/e/f/g"), EINVAL);
	fails(rename("d", "d/e"), EINVAL);
	fails(rename("d/e/f", "d"), ENOTEMPTY);
	fails(rename("d/e/f", "d/e"), ENOTEMPTY);
	fails(rename2("d", "d/e/f", RENAME_EXCHANGE), EINVAL);
	fails(rename2("d/e/f", "d", RENAME_EXCHANGE), EINVAL);
	fails(rename("d/.", "x"), EBUSY);
	fails(rename("d/e/..", "x"), EBUSY);
	is(exists("d/e/f"));
}

static void rename_same_inode(void)
{
	put("a", 0600, "x");
	must(link("a", "b"));
	must(rename("a", "b")); /* does nothing, by POSIX */
	is(exists("a") && exists("b"));
	same(stat_of("a").st_nlink, 2);
}

static void rename_noreplace(void)
{
	put("a", 0600, "a");
	put("b", 0600, "b");
	make_dir("d", 0755);
	fails(rename2("a", "b", RENAME_NOREPLACE), EEXIST);
	fails(rename2("a", "d", RENAME_NOREPLACE), EEXIST);
	must(rename2("a", "c", RENAME_NOREPLACE));
	is(!exists("a"));
	holds("c", "a");
	fails(rename2("c", "b", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
	fails(rename2("c", "b", 1u << 30), EINVAL);
	holds("b", "b");
}

static void rename_exchange(void)
{
	make_dir("x", 0755);
	make_dir("y", 0755);
	make_dir("x/d", 0755);
	put("x/d/in", 0600, "in d");
	put("y/f", 0600, "file");
	same(stat_of("x").st_nlink, 3);
	same(stat_of("y").st_nlink, 2);
	must(rename2("x/d", "y/f", RENAME_EXCHANGE));
	holds("x/d", "file");
	holds("y/f/in", "in d");
	same(stat_of("x").st_nlink, 2);
	same(stat_of("y").st_nlink, 3);
	same(stat_of("y/f/..").st_ino, stat_of("y").st_ino);
	fails(rename2("x/d", "none", RENAME_EXCHANGE), ENOENT);
	fails(rename2("none", "x/d", RENAME_EXCHANGE), ENOENT);
	put("x/a", 0600, "a");
	must(rename2("x/a", "x/d", RENAME_EXCHANGE));
	holds("x/a", "file");
	holds("x/d", "a");
}

static void rename_moves_parent(void)
{
	char before[4096], after[4096];

	make_dir("p", 0755);
	make_dir("q", 0755);
	make_dir("p/d", 0755);
	put("p/d/f", 0600, "f");
	must(chdir("p/d"));
	is(getcwd(before, sizeof(before)));
	must(rename("../../p/d", "../../q/e"));
	is(getcwd(after, sizeof(after)));
	is(strcmp(after + strlen(after) - 4, "/q/e") == 0);
	holds("f", "f");
	same(stat_of("..").st_ino, stat_of("../../q").st_ino);
	same(stat_of("../../p").st_nlink, 2);
	same(stat_of("../../q").st_nlink, 3);
	fails(access(before, F_OK), ENOENT);
}

/* The kernel's name cache must not serve what a rename of a parent has taken away. */
static void rename_cached_names(void)
{
	char old[64], new[64];

	make_dir("d", 0755);
	for (int i = 0; i < 200; i++) {
		snprintf(old, sizeof(old), "d/%d", i);
		is(!exists(old)); /* now it is known to be absent */
		put(old, 0600, "x");
		is(exists(old));
	}
	must(rename("d", "e"));
	for (int i = 0; i < 200; i++) {
		snprintf(old, sizeof(old), "d/%d", i);
		snprintf(new, sizeof(new), "e/%d", i);
		is(!exists(old));
		holds(new, "x");
	}
}

#define MANY 10000

static void make_many(const char *prefix, int n)
{
	char name[64];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%05d", prefix, i);
		must(mknod(name, S_IFREG | 0600, 0));
	}
}

static void readdir_all(void)
{
	static char seen[MANY];
	DIR *d;
	int dots = 0;

	make_dir("d", 0755);
	make_many("d/f", MANY);
	d = opendir("d");
	is(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.') {
			dots++;
			continue;
		}
		same(e->d_type, DT_REG);
		is(!seen[atoi(e->d_name + 1)]++);
	}
	same(dots, 2);
	is(!memchr(seen, 0, MANY));
	closedir(d);
}

/* Entries that stay are seen just once, whatever comes and goes meanwhile. */
static void readdir_under_change(void)
{
	static char seen[MANY];
	char name[64];
	int k = 0, stay = 0;
	DIR *d;

	make_dir("d", 0755);
	make_many("d/f", MANY);
	d = opendir("d");
	is(d);
	for (struct dirent *e; (e = readdir(d));) {
		int i = atoi(e->d_name + 1);

		if (e->d_name[0] == 'f')
			is(!seen[i]++);
		if (k < MANY && k % 10 == 0) { /* every tenth goes, and a new one comes */
			snprintf(name, sizeof(name), "d/f%05d", k);
			must(unlink(name));
			snprintf(name, sizeof(name), "d/new%05d", k);
			must(mknod(name, S_IFREG | 0600, 0));
		}
		k++;
	}
	for (int i = 0; i < MANY; i++)
		if (i % 10 != 0)
			stay += seen[i];
	same(stay, MANY - MANY / 10);
	closedir(d);
}

static void readdir_seek(void)
{
	struct dirent *e;
	char names[100][32];
	long at[100];
	DIR *d;

	make_dir("d", 0755);
	make_many("d/f", 98);
	d = opendir("d");
	is(d);
	for (int i = 0; i < 100; i++) {
		at[i] = telldir(d);
		e = readdir(d);
		is(e);
		strcpy(names[i], e->d_name);
	}
	for (int i = 99; i >= 0; i -= 7) {
		seekdir(d, at[i]);
		e = readdir(d);
		is(e && strcmp(e->d_name, names[i]) == 0);
	}
	make_many("d/later", 10);
	rewinddir(d);
	for (int n = 0;; n++)
		if (!readdir(d)) {
			same(n, 110);
			break;
		}
	closedir(d);
}

static void readdir_types(void)
{
	static const struct {
		const char *name;
		int type;
	} want[] = {{"fifo", DT_FIFO}, {"dir", DT_DIR}, {"file", DT_REG}, {"link", DT_LNK}, {"sock", DT_SOCK}};
	DIR *d;

	must(mkfifo("fifo", 0600));
	make_dir("dir", 0755);
	put("file", 0600, "");
	must(symlink("x", "link"));
	must(mknod("sock", S_IFSOCK | 0600, 0));
	d = opendir(".");
	is(d);
	for (struct dirent *e; (e = readdir(d));)
		for (int i = 0; i < 5; i++)
			if (strcmp(e->d_name, want[i].name) == 0) {
				same(e->d_type, want[i].type);
				same(e->d_ino, stat_of(e->d_name).st_ino);
			}
	rewinddir(d);
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") == 0)
			same(e->d_ino, stat_of(".").st_ino);
	closedir(d);
}

/* As `rm -r` does it: list and remove at once. */
static void readdir_remove(void)
{
	char name[300];
	DIR *d;

	make_dir("d", 0755);
	make_many("d/f", MANY);
	d = opendir("d");
	is(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "d/%s", e->d_name);
		must(unlink(name));
	}
	closedir(d);
	must(rmdir("d"));
}

const struct check rename_checks[] = {
    {"rename_file", rename_file},
    {"rename_dir", rename_dir},
    {"rename_into_itself", rename_into_itself},
    {"rename_same_inode", rename_same_inode},
    {"rename_noreplace", rename_noreplace},
    {"rename_exchange", rename_exchange},
    {"rename_moves_parent", rename_moves_parent},
    {"rename_cached_names", rename_cached_names},
    {"readdir_all", readdir_all},
    {"readdir_under_change", readdir_under_change},
    {"readdir_seek", readdir_seek},
    {"readdir_types", readdir_types},
    {"readdir_remove", readdir_remove},
    {NULL, NULL},
};
