/*
 * Set-id bits: what takes which from whom. Each operation by each kind of user
 * on each mode, so that no corner is left out: S_ISGID without group execution,
 * which stays for members of the group, was one for long.
 */
#include "posix.h"

#include <grp.h>
#include <sys/prctl.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#define GROUP 3000

struct who {
	const char *name;
	uid_t uid;
	gid_t gid;
	gid_t also;  /* a supplementary group; 0: none */
	bool fsetid; /* keeps CAP_FSETID, and only that */
	bool in_group;
};

static const struct who whos[] = {
    {"the owner, in the group", 1000, GROUP, 0, false, true},
    {"the owner, in the group by the list", 1000, 1000, GROUP, false, true},
    {"the owner, not in the group", 1000, 1000, 0, false, false},
    {"another one, in the group", 1001, GROUP, 0, false, true},
    {"another one, not in the group", 1001, 1001, 1002, false, false},
    {"another one with CAP_FSETID", 1001, 1001, 0, true, false},
    {"root", 0, 0, 0, true, false},
    {NULL, 0, 0, 0, false, false},
};

static const mode_t modes[] = {02767, 06767, 06777, 04666, 0};

static void keep_fsetid(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{.effective = 1u << CAP_FSETID, .permitted = 1u << CAP_FSETID}};

	must(syscall(SYS_capset, &h, d));
}

static void become(const struct who *w)
{
	must(setgroups(w->also ? 1 : 0, &w->also));
	must(setresgid(w->gid, w->gid, w->gid));
	if (w->uid == 0)
		return;
	must(prctl(PR_SET_KEEPCAPS, 1));
	must(setresuid(w->uid, w->uid, w->uid));
	if (w->fsetid)
		keep_fsetid();
	else
		must(prctl(PR_SET_KEEPCAPS, 0));
}

/* ---- The operations, each on "f" ------------------------------------------ */

static void by_write(void)
{
	same(write((int)must(open("f", O_WRONLY)), "y", 1), 1);
}

static void by_append(void)
{
	same(write((int)must(open("f", O_WRONLY | O_APPEND)), "yy", 2), 2);
}

static void by_pwrite(void)
{
	same(pwrite((int)must(open("f", O_RDWR)), "y", 1, 100000), 1);
}

static void by_truncate(void)
{
	must(truncate("f", 1));
}

static void by_ftruncate(void)
{
	must(ftruncate((int)must(open("f", O_WRONLY)), 9000));
}

static void by_opening(void)
{
	must(open("f", O_WRONLY | O_TRUNC));
}

static void by_creating(void)
{
	must(open("f", O_WRONLY | O_TRUNC | O_CREAT, 0600));
}

static void by_fallocate(void)
{
	must(fallocate((int)must(open("f", O_WRONLY)), 0, 0, 5000));
}

static void by_punching(void)
{
	must(fallocate((int)must(open("f", O_WRONLY)), FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 2));
}

static void by_copying(void)
{
	loff_t from = 0, to = 0;

	same(copy_file_range((int)must(open("source", O_RDONLY)), &from, (int)must(open("f", O_WRONLY)), &to, 3, 0), 3);
}

static const struct {
	const char *name;
	void (*run)(void);
} operations[] = {
    {"write", by_write},
    {"append", by_append},
    {"pwrite", by_pwrite},
    {"truncate", by_truncate},
    {"ftruncate", by_ftruncate},
    {"O_TRUNC", by_opening},
    {"O_TRUNC of O_CREAT", by_creating},
    {"fallocate", by_fallocate},
    {"punching", by_punching},
    {"copy_file_range", by_copying},
    {NULL, NULL},
};

/* ---- What Linux does (setattr_should_drop_suidgid, since 6.2) ----------------- */

static mode_t after_change(const struct who *w, mode_t mode)
{
	if (w->fsetid)
		return mode;
	mode &= ~(mode_t)S_ISUID;
	return (mode & S_IXGRP) || !w->in_group ? mode & ~(mode_t)S_ISGID : mode;
}

static mode_t after_chown(const struct who *w, mode_t mode)
{
	mode &= ~(mode_t)S_ISUID;
	return (mode & S_IXGRP) || (!w->in_group && !w->fsetid) ? mode & ~(mode_t)S_ISGID : mode;
}

static mode_t after_chmod(const struct who *w, mode_t mode)
{
	return w->in_group || w->fsetid ? mode : mode & ~(mode_t)S_ISGID;
}

static void start(mode_t mode)
{
	(void)unlink("f");
	put("f", 0644, "content");
	must(chown("f", 1000, GROUP));
	must(chmod("f", mode));
}

static void expect(const char *op, const struct who *w, mode_t before, mode_t want)
{
	int fd = (int)must(open("f", O_RDONLY));

	if (mode_of("f") != want || (stat_fd(fd).st_mode & 07777) != want)
		fail(__FILE__, __LINE__, "%s by %s: %o becomes %o (%o by descriptor), not %o", op, w->name, before,
		     mode_of("f"), stat_fd(fd).st_mode & 07777, want);
	must(close(fd));
}

/* A child becomes `w`; true: this is it. */
static bool as(const struct who *w)
{
	pid_t pid;

	fflush(stdout);
	pid = (pid_t)must(fork());
	if (pid == 0) {
		become(w);
		return true;
	}
	join(pid);
	return false;
}

static bool may_write(const struct who *w, mode_t mode)
{
	if (w->uid == 0 || w->uid == 1000)
		return true;
	return mode & (w->in_group ? S_IWGRP : S_IWOTH);
}

static void taken_by_changes(void)
{
	need_root();
	put("source", 0644, "abc");
	for (int k = 0; operations[k].name; k++) {
		for (const struct who *w = whos; w->name; w++) {
			for (int m = 0; modes[m]; m++) {
				if (!may_write(w, modes[m]))
					continue;
				start(modes[m]);
				if (as(w)) {
					operations[k].run();
					_exit(0);
				}
				expect(operations[k].name, w, modes[m], after_change(w, modes[m]));
			}
		}
	}
}

/* Only a change of size is one to the times: truncate(2) to the size that is there takes the bits all the same. */
static void taken_without_ctime(void)
{
	const struct who *w = &whos[4];
	struct timespec was, now;

	need_root();
	for (int m = 0; modes[m]; m++) {
		if (!may_write(w, modes[m]))
			continue;
		start(modes[m]);
		must(truncate("f", 0));
		must(chmod("f", modes[m]));
		was = stat_of("f").st_ctim;
		tick();
		if (as(w)) {
			must(truncate("f", 0));
			_exit(0);
		}
		expect("truncate to the same size", w, modes[m], after_change(w, modes[m]));
		now = stat_of("f").st_ctim;
		is(now.tv_sec == was.tv_sec && now.tv_nsec == was.tv_nsec);
	}
}

/* To the group that the file has: who owns it may do that, whoever's group it is. */
static void give_group(void)
{
	must(chown("f", (uid_t)-1, GROUP));
}

static void give_owner(void)
{
	must(fchown((int)must(open("f", O_RDONLY)), 1000, (gid_t)-1));
}

static void give_to_nobody(void)
{
	must(chown("f", (uid_t)-1, (gid_t)-1));
}

static void each_owner(const char *what, void (*give)(void))
{
	need_root();
	for (const struct who *w = whos; w->name; w++) {
		for (int m = 0; modes[m]; m++) {
			if (w->uid != 0 && w->uid != 1000)
				continue;
			start(modes[m]);
			if (as(w)) {
				give();
				_exit(0);
			}
			expect(what, w, modes[m], after_chown(w, modes[m]));
		}
	}
}

static void taken_by_chown(void)
{
	each_owner("chown", give_group);
	each_owner("fchown", give_owner);
}

/* chown to nobody in particular takes them as well. */
static void taken_by_chown_to_nobody(void)
{
	each_owner("chown(-1, -1)", give_to_nobody);
}

static void taken_by_chmod(void)
{
	need_root();
	for (const struct who *w = whos; w->name; w++) {
		for (int m = 0; modes[m]; m++) {
			if (w->uid != 0 && w->uid != 1000)
				continue;
			start(0600);
			if (as(w)) {
				must(chmod("f", modes[m]));
				_exit(0);
			}
			expect("chmod", w, modes[m], after_chmod(w, modes[m]));
		}
	}
}

const struct check setid_checks[] = {
    {"setid_taken_by_changes", taken_by_changes}, {"setid_taken_without_ctime", taken_without_ctime},
    {"setid_taken_by_chown", taken_by_chown},	  {"setid_taken_by_chown_to_nobody", taken_by_chown_to_nobody},
    {"setid_taken_by_chmod", taken_by_chmod},	  {NULL, NULL},
};
