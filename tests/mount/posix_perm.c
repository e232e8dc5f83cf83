/* Permissions: owners, modes, sticky and setgid directories, set-id bits. */
#include "posix.h"

#include <grp.h>
#include <sys/xattr.h>

static void chmod_chown(void)
{
	need_root();
	put("f", 0644, "");
	must(chown("f", 1000, 2000));
	same(stat_of("f").st_uid, 1000);
	same(stat_of("f").st_gid, 2000);
	must(chown("f", (uid_t)-1, 1000));
	same(stat_of("f").st_uid, 1000);
	must(chown("f", 4000000000u, (gid_t)-1));
	same(stat_of("f").st_uid, 4000000000u);
	must(symlink("f", "l"));
	must(lchown("l", 7, 7));
	same(stat_of("l").st_uid, 7);
	same(stat_of("f").st_uid, 4000000000u);
	must(chmod("f", 07777));
	same(mode_of("f"), 07777);
}

static void chmod_by_others(void)
{
	need_root();
	must(chmod(".", 0777));
	put("f", 0666, "");
	must(chown("f", 1000, 1000));
	as_user(1001, 1001)
	{
		fails(chmod("f", 0600), EPERM);
		fails(chown("f", 1001, (gid_t)-1), EPERM);
		fails(chown("f", (uid_t)-1, 1001), EPERM);
	}
	as_user(1000, 1001)
	{
		must(chmod("f", 0600));
		must(chown("f", (uid_t)-1, 1001)); /* a group of one's own */
		fails(chown("f", (uid_t)-1, 1002), EPERM);
		fails(chown("f", 0, (gid_t)-1), EPERM);
	}
	same(stat_of("f").st_gid, 1001);
}

static void mode_bits(void)
{
	need_root();
	put("owner", 0600, "x");
	put("group", 0060, "x");
	put("other", 0006, "x");
	must(chown("owner", 1000, 1000));
	must(chown("group", 1000, 1000));
	must(chown("other", 1000, 1000));
	as_user(1000, 5)
	{
		must(open("owner", O_RDWR));
		fails(open("group", O_RDONLY), EACCES);
		fails(open("other", O_RDONLY), EACCES); /* the owner is not "other" */
	}
	as_user(1001, 1000)
	{
		fails(open("owner", O_RDONLY), EACCES);
		must(open("group", O_RDWR));
		fails(open("other", O_RDONLY), EACCES);
	}
	as_user(1001, 1001)
	{
		fails(open("owner", O_RDONLY), EACCES);
		fails(open("group", O_RDONLY), EACCES);
		must(open("other", O_RDWR));
	}
}

static void dir_bits(void)
{
	need_root();
	make_dir("d", 0755);
	put("d/f", 0644, "x");
	must(chmod("d", 0744)); /* may be listed, not searched */
	as_user(1000, 1000)
	{
		same(count_names("d"), 1);
		fails(access("d/f", F_OK), EACCES);
	}
	must(chmod("d", 0711)); /* the other way round */
	as_user(1000, 1000)
	{
		fails(open("d", O_RDONLY), EACCES);
		holds("d/f", "x");
		fails(open("d/new", O_CREAT | O_RDWR, 0600), EACCES);
		fails(unlink("d/f"), EACCES);
		fails(mkdir("d/new", 0700), EACCES);
		fails(rename("d/f", "d/g"), EACCES);
	}
	must(chmod("d", 0777));
	put("d/ro", 0444, "x");
	as_user(1000, 1000)
	{
		must(unlink("d/ro")); /* that is the directory's matter */
	}
}

static void access_call(void)
{
	need_root();
	put("f", 0640, "");
	must(chown("f", 1000, 1000));
	must(access("f", R_OK | W_OK));
	fails(access("f", X_OK), EACCES); /* root executes only what somebody may */
	must(chmod("f", 0641));
	must(access("f", X_OK));
	as_user(1000, 1000)
	{
		must(access("f", R_OK | W_OK));
		fails(access("f", X_OK), EACCES);
	}
	as_user(1001, 1001)
	{
		must(access("f", F_OK));
		fails(access("f", R_OK), EACCES);
		must(access("f", X_OK));
	}
}

static void supplementary_groups(void)
{
	pid_t pid;

	need_root();
	put("f", 0060, "x");
	must(chown("f", 1000, 3000));
	pid = (pid_t)must(fork());
	if (pid == 0) {
		gid_t groups[40];

		for (gid_t i = 0; i < 40; i++)
			groups[i] = 2961 + i;
		must(setgroups(40, groups));
		must(setgid(1001));
		must(setuid(1001));
		must(open("f", O_RDWR));
		_exit(0);
	}
	join(pid);
}

static void sticky_dir(void)
{
	need_root();
	make_dir("t", 01777);
	as_user(1000, 1000)
	{
		put("t/f", 0666, "x");
		put("t/g", 0666, "x");
		must(mkdir("t/d", 0777));
	}
	as_user(1001, 1001)
	{
		put("t/mine", 0600, "");
		fails(unlink("t/f"), EPERM);
		fails(rename("t/f", "t/h"), EPERM);
		fails(rename("t/mine", "t/f"), EPERM);
		fails(renameat2(AT_FDCWD, "t/mine", AT_FDCWD, "t/f", RENAME_EXCHANGE), EPERM);
		fails(rmdir("t/d"), EPERM);
		must(unlink("t/mine"));
	}
	as_user(1000, 1000)
	{
		must(unlink("t/f"));
		must(rmdir("t/d"));
	}
	must(chown("t", 1001, 1001));
	as_user(1001, 1001)
	{
		must(unlink("t/g")); /* the directory's owner may */
	}
}

static void setgid_dir(void)
{
	need_root();
	make_dir("s", 0755);
	must(chown("s", 0, 3000));
	must(chmod("s", 02777));
	as_user(1000, 1000)
	{
		umask(0);
		put("s/f", 0644, "");
		must(mkdir("s/d", 0755));
		must(mkfifo("s/p", 0600));
		must(symlink("x", "s/l"));
		/* Who is not in the group gets no setgid executable from it. */
		must(close(open("s/x", O_CREAT | O_RDWR, 02755)));
	}
	same(stat_of("s/f").st_gid, 3000);
	same(stat_of("s/p").st_gid, 3000);
	same(stat_of("s/l").st_gid, 3000);
	same(stat_of("s/d").st_gid, 3000);
	same(mode_of("s/d"), 02755);
	same(mode_of("s/x"), 0755);
	same(mode_of("s/f"), 0644);
}

static void setid_cleared_by_write(void)
{
	need_root();
	put("f", 06777, "x");
	put("g", 06777, "x");
	put("nox", 02767, "x"); /* no group execute: not a set-id bit at all */
	as_user(1000, 1000)
	{
		same(write((int)must(open("f", O_WRONLY)), "y", 1), 1);
		must(truncate("g", 0));
		same(write((int)must(open("nox", O_WRONLY)), "y", 1), 1);
	}
	same(mode_of("f"), 0777);
	same(mode_of("g"), 0777);
	put("f", 06777, "x");
	same(write((int)must(open("f", O_WRONLY)), "y", 1), 1);
	same(mode_of("f"), 06777); /* root keeps them (CAP_FSETID) */
}

static void setid_cleared_by_chown(void)
{
	need_root();
	put("f", 06777, "x");
	must(chown("f", 1000, 1000));
	same(mode_of("f"), 0777);
	make_dir("d", 06777);
	must(chown("d", 1000, 1000));
	same(mode_of("d"), 06777);
	must(chmod("f", 06777));
	as_user(1000, 1000)
	{
		must(chown("f", (uid_t)-1, 1000));
	}
	same(mode_of("f"), 0777);
}

static void setgid_cleared_by_chmod(void)
{
	need_root();
	put("f", 0755, "");
	must(chown("f", 1000, 3000));
	as_user(1000, 1000)
	{
		must(chmod("f", 02755));
	}
	same(mode_of("f"), 0755); /* its owner is not in group 3000 */
	must(chmod("f", 02755));
	same(mode_of("f"), 02755);
}

static void capability_cleared(void)
{
	/* vfs_cap_data, revision 2: cap_net_raw permitted. */
	static const unsigned char cap[20] = {0, 0, 0, 2, 0, 0x20};
	char buf[32];

	need_root();
	put("f", 0755, "x");
	must(setxattr("f", "security.capability", cap, sizeof(cap), 0));
	same(getxattr("f", "security.capability", buf, sizeof(buf)), 20);
	same(write((int)must(open("f", O_WRONLY)), "y", 1), 1);
	fails(getxattr("f", "security.capability", buf, sizeof(buf)), ENODATA);
	must(setxattr("f", "security.capability", cap, sizeof(cap), 0));
	must(truncate("f", 0));
	fails(getxattr("f", "security.capability", buf, sizeof(buf)), ENODATA);
	must(setxattr("f", "security.capability", cap, sizeof(cap), 0));
	must(chown("f", 1000, 1000));
	fails(getxattr("f", "security.capability", buf, sizeof(buf)), ENODATA);
}

const struct check perm_checks[] = {
    {"chmod_chown", chmod_chown},
    {"chmod_by_others", chmod_by_others},
    {"mode_bits", mode_bits},
    {"dir_bits", dir_bits},
    {"access_call", access_call},
    {"supplementary_groups", supplementary_groups},
    {"sticky_dir", sticky_dir},
    {"setgid_dir", setgid_dir},
    {"setid_cleared_by_write", setid_cleared_by_write},
    {"setid_cleared_by_chown", setid_cleared_by_chown},
    {"setgid_cleared_by_chmod", setgid_cleared_by_chmod},
    {"capability_cleared", capability_cleared},
    {NULL, NULL},
};
