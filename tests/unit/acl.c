/*
 * Access-control lists and permissions, against a reference that follows
 * acl(5) word by word.
 */
#include <errno.h>
#include <linux/posix_acl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/internal.h"
#include "unit.h"

#define NOBODY 0xffffffffu

static struct task *t = &unit.t;

static struct acl list(unsigned user, unsigned named, unsigned group, unsigned named_group, unsigned mask,
		       unsigned other)
{
	return (struct acl){6,
			    {{ACL_USER_OBJ, (uint16_t)user, NOBODY},
			     {ACL_USER, (uint16_t)named, 1000},
			     {ACL_GROUP_OBJ, (uint16_t)group, NOBODY},
			     {ACL_GROUP, (uint16_t)named_group, 2000},
			     {ACL_MASK, (uint16_t)mask, NOBODY},
			     {ACL_OTHER, (uint16_t)other, NOBODY}}};
}

/* ---- Which lists are lists -------------------------------------------------------- */

static int parse(const struct acl *a)
{
	unsigned char value[ACL_VALUE_MAX];
	struct acl out;
	size_t n = acl_print(a, value);
	int err = acl_parse(value, n, &out);

	if (!err) {
		assert_int_equal(out.n, a->n);
		assert_memory_equal(out.e, a->e, a->n * sizeof a->e[0]);
	}
	return err;
}

static void acl_shapes(void **state)
{
	struct acl good = list(7, 6, 5, 4, 7, 1), a;
	unsigned char value[4 + 8 * 70] = {2};

	(void)state;
	assert_int_equal(parse(&good), 0);
	for (uint32_t k = 0; k < good.n; k++) { /* without one of them: only the named ones may be missing */
		a = good;
		memmove(&a.e[k], &a.e[k + 1], (5 - k) * sizeof a.e[0]);
		a.n = 5;
		assert_int_equal(parse(&a), k == 1 || k == 3 ? 0 : -EINVAL);
		a = good; /* one out of bounds, one in the wrong place */
		a.e[k].perm = 8;
		assert_int_equal(parse(&a), -EINVAL);
		a = good;
		a.e[k].tag = 0x40;
		assert_int_equal(parse(&a), -EINVAL);
		if (k < 5) {
			a = good;
			a.e[k] = good.e[k + 1];
			a.e[k + 1] = good.e[k];
			assert_int_equal(parse(&a), -EINVAL);
		}
	}
	a = (struct acl){3, {good.e[0], good.e[2], good.e[5]}};
	assert_int_equal(parse(&a), 0);
	assert_int_equal(acl_parse(value, 3, &a), -EINVAL);
	assert_int_equal(acl_parse(value, 5, &a), -EINVAL);
	assert_int_equal(acl_parse(value, sizeof value, &a), -ENOSPC);
	value[0] = 1;
	assert_int_equal(acl_parse(value, 4, &a), -EOPNOTSUPP);
}

/* ---- Who may ------------------------------------------------------------------------ */

/*
 * acl(5), "ACCESS CHECK ALGORITHM", but for one thing: where the mask is empty,
 * and with it the mode's group bits, Linux does not look at the list at all.
 */
static bool may(const struct acl *a, unsigned uid, unsigned gid, unsigned want)
{
	unsigned mask = a->e[4].perm;
	bool matches = false;

	if (uid == 500)
		return (a->e[0].perm & want) == want;
	if (mask == 0)
		return gid != 600 && (a->e[5].perm & want) == want;
	if (uid == 1000)
		return (a->e[1].perm & mask & want) == want;
	if (gid == 600) {
		matches = true;
		if ((a->e[2].perm & mask & want) == want)
			return true;
	}
	if (gid == 2000) {
		matches = true;
		if ((a->e[3].perm & mask & want) == want)
			return true;
	}
	return !matches && (a->e[5].perm & want) == want;
}

static void acl_access(void **state)
{
	static const unsigned uids[] = {500, 1000, 7}, gids[] = {600, 2000, 8};
	unsigned char value[ACL_VALUE_MAX];
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);
	struct fs_attr own = {.uid = 500, .gid = 600};
	uint64_t dice = 99;

	(void)state;
	must(fs_setattr(t, NULL, ino, FS_SET_UID | FS_SET_GID, &own, NULL));
	for (int round = 0; round < 300; round++) {
		uint64_t r = rig_random(&dice) >> 8;
		struct acl a = list(r & 7, r >> 3 & 7, r >> 6 & 7, r >> 9 & 7, r >> 12 & 7, r >> 15 & 7);
		size_t n = acl_print(&a, value);

		must(fs_setxattr(t, NULL, ino, ACL_ACCESS, value, n, 0));
		for (unsigned k = 0; k < 9; k++)
			for (int want = 1; want < 8; want++) {
				struct fs_cred cred = {.uid = uids[k / 3], .gid = gids[k % 3]};
				int err = fs_access(t, &cred, ino, want);

				assert_int_equal(err, may(&a, cred.uid, cred.gid, (unsigned)want) ? 0 : -EACCES);
			}
	}
}

/* The mode's group bits are the mask; chmod changes owner, mask and others of the list. */
static void acl_and_mode(void **state)
{
	unsigned char value[ACL_VALUE_MAX];
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);
	struct acl a = list(6, 7, 4, 5, 3, 1);
	size_t n = acl_print(&a, value);
	struct fs_attr attr;

	(void)state;
	must(fs_setxattr(t, NULL, ino, ACL_ACCESS, value, n, 0));
	must(fs_getattr(t, ino, &attr));
	assert_int_equal(attr.mode & 0777, 0631);
	for (unsigned mode = 0; mode < 01000; mode += 7) {
		struct fs_attr set = {.mode = mode};

		must(fs_setattr(t, NULL, ino, FS_SET_MODE, &set, &attr));
		assert_int_equal(attr.mode & 0777, mode);
		must(fs_getxattr(t, NULL, ino, ACL_ACCESS, value, sizeof value));
		must(acl_parse(value, n, &a));
		assert_int_equal(a.e[0].perm, mode >> 6);
		assert_int_equal(a.e[1].perm, 7);
		assert_int_equal(a.e[2].perm, 4);
		assert_int_equal(a.e[4].perm, mode >> 3 & 7);
		assert_int_equal(a.e[5].perm, mode & 7);
	}
	must(fs_removexattr(t, NULL, ino, ACL_ACCESS));
}

/* A new inode gets the default list, cut to the mode it was made with; a directory also as its own default. */
static void acl_inherits(void **state)
{
	unsigned char value[ACL_VALUE_MAX];
	fs_ino dir = rig_make(t, "d", S_IFDIR | 0755);
	struct acl def = list(7, 7, 5, 6, 7, 4), a;
	size_t n = acl_print(&def, value);
	struct fs_attr attr;

	(void)state;
	must(fs_setxattr(t, NULL, dir, ACL_DEFAULT, value, n, 0));
	for (unsigned mode = 0; mode < 01000; mode += 3)
		for (int is_d = 0; is_d < 2; is_d++) {
			struct fs_new new = {.mode = (is_d ? S_IFDIR : S_IFREG) | mode, .umask = 0777};

			must(fs_make(t, NULL, dir, rig_name("n"), &new, &attr));
			assert_int_equal(attr.mode & 0777, mode & 0774); /* and not the umask */
			must(fs_getxattr(t, NULL, attr.ino, ACL_ACCESS, value, sizeof value));
			must(acl_parse(value, n, &a));
			assert_int_equal(a.e[0].perm, mode >> 6 & 7);
			assert_int_equal(a.e[1].perm, 7);
			assert_int_equal(a.e[2].perm, 5);
			assert_int_equal(a.e[4].perm, mode >> 3 & 7);
			assert_int_equal(a.e[5].perm, mode & 4);
			assert_int_equal(fs_getxattr(t, NULL, attr.ino, ACL_DEFAULT, value, sizeof value),
					 is_d ? (int)n : -ENODATA);
			must(is_d ? fs_rmdir(t, NULL, dir, rig_name("n")) : fs_unlink(t, NULL, dir, rig_name("n")));
		}
}

/* ---- Mode bits and capabilities ---------------------------------------------------------- */

static int by_bits(const struct fs_cred *c, uint32_t mode, unsigned want)
{
	uint32_t bits = c->uid == 500 ? mode >> 6 : c->gid == 600 ? mode >> 3 : mode;

	if ((bits & want) == want)
		return 0;
	if (S_ISDIR(mode)) {
		if (!(want & W_OK) && (c->caps & FS_CAP_DAC_READ_SEARCH))
			return 0;
		return c->caps & FS_CAP_DAC_OVERRIDE ? 0 : -EACCES;
	}
	if (want == R_OK && (c->caps & FS_CAP_DAC_READ_SEARCH))
		return 0;
	if ((c->caps & FS_CAP_DAC_OVERRIDE) && (!(want & X_OK) || (mode & 0111)))
		return 0;
	return -EACCES;
}

static void mode_table(void **state)
{
	static const uint32_t caps[] = {0, FS_CAP_DAC_OVERRIDE, FS_CAP_DAC_READ_SEARCH, FS_CAP_FOWNER};
	fs_ino file = rig_make(t, "f", S_IFREG | 0600), dir = rig_make(t, "d", S_IFDIR | 0700);
	struct fs_attr own = {.uid = 500, .gid = 600}, attr;

	(void)state;
	for (unsigned mode = 0; mode < 01000; mode++)
		for (unsigned k = 0; k < 2; k++) {
			fs_ino ino = k ? dir : file;

			own.mode = mode;
			must(fs_setattr(t, NULL, ino, FS_SET_MODE | FS_SET_UID | FS_SET_GID, &own, &attr));
			for (unsigned who = 0; who < 16; who++) {
				struct fs_cred c = {
				    .uid = who & 1 ? 500 : 7, .gid = who & 2 ? 600 : 8, .caps = caps[who >> 2]};

				for (unsigned want = 1; want < 8; want++)
					assert_int_equal(fs_access(t, &c, ino, (int)want),
							 by_bits(&c, attr.mode, want));
			}
		}
}

static void sticky_table(void **state)
{
	fs_ino dir = rig_make(t, "d", S_IFDIR | 01777);

	(void)state;
	for (unsigned k = 0; k < 16; k++) {
		struct fs_attr of_dir = {.mode = k & 1 ? 01777 : 0777, .uid = k & 2 ? 7 : 500};
		struct fs_attr of_file = {.uid = k & 4 ? 7 : 500};
		struct fs_cred c = {.uid = 7, .gid = 7, .caps = k & 8 ? FS_CAP_FOWNER : 0};
		bool fine = !(k & 1) || (k & 2) || (k & 4) || (k & 8);
		int err;

		must(fs_setattr(t, NULL, dir, FS_SET_MODE | FS_SET_UID, &of_dir, NULL));
		must(fs_setattr(t, NULL, rig_make(t, "d/f", S_IFREG | 0600), FS_SET_UID, &of_file, NULL));
		err = fs_unlink(t, &c, dir, rig_name("f"));
		assert_int_equal(err, fine ? 0 : -EPERM);
		if (err)
			must(fs_unlink(t, NULL, dir, rig_name("f")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    UNIT(acl_shapes),	UNIT(acl_access), UNIT(acl_and_mode),
	    UNIT(acl_inherits), UNIT(mode_table), UNIT(sticky_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
