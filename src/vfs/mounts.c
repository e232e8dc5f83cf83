/*
 * What is mounted on directories of a mount of ours: there a path means something else than in the store.
 *
 * Looked at once, when the process starts. Linux 6.8 lists what is mounted below a mount (listmount(2), some 2 us);
 * before that, and where a filter on system calls may end the process for a number that it does not know, the table of
 * mounts is read (a microsecond a mount).
 */
#include <linux/stat.h>

#include "vfs/internal.h"

/* Newer than this machine's headers may be. */
enum {
	NR_listmount = 458,
	MNT_ID_UNIQUE = 0x4000, /* STATX_MNT_ID_UNIQUE */
};

struct mnt_id_req {
	uint32_t size, spare;
	uint64_t mnt_id, param;
};

/* 1: something is mounted below, 0: nothing; -errno: it is not to be had. */
static long list_below(const char *path)
{
	struct mnt_id_req req = {.size = sizeof req};
	struct statx st;
	uint64_t id;
	long err;

	if (sys_is_filtered())
		return -EPERM;
	err = sys_call6(SYS_statx, AT_FDCWD, (long)path, AT_STATX_DONT_SYNC, MNT_ID_UNIQUE, (long)&st, 0);
	if (err || !(st.stx_mask & MNT_ID_UNIQUE))
		return err ? err : -ENOSYS;
	req.mnt_id = st.stx_mnt_id;
	return sys_call4(NR_listmount, (long)&req, (long)&id, 1, 0);
}

/* ---- /proc/self/mountinfo ----------------------------------------------------------------- */

struct reader {
	int fd;
	uint32_t at, n;
	char buf[1024];
};

/* -1: the end. */
static int next(struct reader *r)
{
	if (r->at == r->n) {
		long n = sys_call3(SYS_read, r->fd, (long)r->buf, sizeof r->buf);

		r->at = 0;
		r->n = n > 0 ? (uint32_t)n : 0;
	}
	return r->at < r->n ? (unsigned char)r->buf[r->at++] : -1;
}

/* A blank or a backslash in a path is written \ooo. */
static int next_of_path(struct reader *r)
{
	int c = next(r);

	if (c == ' ' || c == '\n')
		return -1;
	if (c == '\\') {
		c = (next(r) - '0') << 6;
		c |= (next(r) - '0') << 3;
		c |= next(r) - '0';
	}
	return c;
}

static bool skip_to(struct reader *r, int until)
{
	int c;

	while ((c = next(r)) >= 0 && c != until)
		;
	return c >= 0;
}

/* A line: "36 35 98:0 /root /mount/point ...". Leaves the reader behind the path, or within it where that differs. */
static bool is_below(struct reader *r, const char *path)
{
	int c;

	for (int i = 0; i < 4; i++)
		if (!skip_to(r, ' '))
			return false;
	while ((c = next_of_path(r)) == (unsigned char)*path && *path)
		path++;
	return !*path && c == '/';
}

static bool read_below(const char *path)
{
	struct reader r = {.at = 0};
	bool below = false;

	r.fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)"/proc/self/mountinfo", O_RDONLY | O_CLOEXEC, 0);
	if (r.fd < 0)
		return false;
	do
		below = is_below(&r, path);
	while (!below && skip_to(&r, '\n'));
	sys_close(r.fd);
	return below;
}

bool vfs_is_covered(const char *path)
{
	long n = list_below(path);

	return n < 0 ? read_below(path) : n > 0;
}
