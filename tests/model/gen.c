/* Which operation comes next, and with what. */
#include "gen.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/compiler.h"
#include "cred.h"

/* How often each kind comes, for flavours: mixed, names, data, attributes. */
static const unsigned char weight[OP_KINDS][4] = {
    [OP_STAT] = {4, 4, 1, 3},	     [OP_FSTAT] = {2, 1, 1, 2},	     [OP_ACCESS] = {3, 2, 1, 8},
    [OP_MKDIR] = {7, 12, 2, 6},	     [OP_RMDIR] = {4, 8, 1, 1},	     [OP_MKNOD] = {3, 4, 1, 3},
    [OP_SYMLINK] = {4, 7, 1, 2},     [OP_READLINK] = {2, 3, 1, 1},   [OP_LINK] = {4, 8, 1, 2},
    [OP_LINKFD] = {2, 3, 1, 1},	     [OP_UNLINK] = {6, 10, 1, 2},    [OP_RENAME] = {8, 20, 1, 3},
    [OP_OPEN] = {14, 12, 8, 10},     [OP_TMPFILE] = {2, 2, 1, 1},    [OP_CLOSE] = {3, 4, 1, 2},
    [OP_DUP] = {2, 1, 2, 1},	     [OP_SETFL] = {1, 1, 2, 1},	     [OP_READ] = {7, 1, 14, 3},
    [OP_WRITE] = {12, 2, 30, 4},     [OP_LSEEK] = {4, 1, 10, 1},     [OP_TRUNCATE] = {3, 1, 6, 2},
    [OP_FTRUNCATE] = {3, 1, 8, 1},   [OP_FALLOCATE] = {4, 1, 12, 1}, [OP_COPY_RANGE] = {3, 1, 8, 1},
    [OP_CHMOD] = {4, 2, 1, 12},	     [OP_FCHMOD] = {2, 1, 1, 5},     [OP_CHOWN] = {4, 2, 1, 12},
    [OP_FCHOWN] = {2, 1, 1, 5},	     [OP_UTIMENS] = {4, 1, 1, 6},    [OP_FUTIMENS] = {2, 1, 1, 3},
    [OP_SETXATTR] = {6, 2, 1, 16},   [OP_GETXATTR] = {3, 1, 1, 6},   [OP_LISTXATTR] = {2, 1, 1, 4},
    [OP_REMOVEXATTR] = {2, 1, 1, 5}, [OP_READDIR] = {4, 6, 1, 2},    [OP_STATFS] = {1, 1, 1, 1},
    [OP_FSYNC] = {1, 1, 1, 1},	     [OP_CONTENT] = {2, 1, 6, 1},
};

void gen_init(struct gen *g, uint64_t seed)
{
	*g = (struct gen){
	    .prefix = "", .users = 1, .far = (int64_t)1 << 43, .zero_range = true, .truncate = true, .tmpfile = true};
	prng_seed(&g->r, seed);
	g->flavour = (unsigned)prng_below(&g->r, 4);
	/* Large files cost time; most sequences do without. */
	g->near = prng_chance(&g->r, 10) ? 8 << 20 : prng_chance(&g->r, 30) ? 256 << 10 : 20000;
}

static enum op_kind pick_kind(struct gen *g)
{
	unsigned total = 0, n;
	int k;

	for (k = 0; k < OP_KINDS; k++)
		total += weight[k][g->flavour];
	n = (unsigned)prng_below(&g->r, total);
	for (k = 0; n >= weight[k][g->flavour]; k++)
		n -= weight[k][g->flavour];
	return (enum op_kind)k;
}

static int slot(struct gen *g)
{
	return (int)prng_below(&g->r, OP_SLOTS_GEN);
}

static int open_flags(struct gen *g)
{
	static const int access[] = {O_RDONLY, O_RDWR, O_RDWR, O_WRONLY};
	int f = access[prng_below(&g->r, 4)];

	f |= prng_chance(&g->r, 55) ? O_CREAT : 0;
	f |= prng_chance(&g->r, 10) ? O_EXCL : 0;
	f |= prng_chance(&g->r, 15) ? O_TRUNC : 0;
	f |= prng_chance(&g->r, 15) ? O_APPEND : 0;
	f |= prng_chance(&g->r, 10) ? O_NOFOLLOW : 0;
	f |= prng_chance(&g->r, 5) ? O_NOATIME : 0;
	if (prng_chance(&g->r, 20)) /* a directory, for readdir and as a start of paths */
		f = O_DIRECTORY | O_RDONLY;
	return f & O_CREAT ? f : f & ~O_EXCL;
}

static void fill_open(struct gen *g, struct op *o)
{
	o->fd = slot(g);
	o->mode = gen_mode(g);
	o->flags = open_flags(g);
	if (o->kind == OP_TMPFILE) {
		o->flags &= O_ACCMODE | O_APPEND;
		if (prng_chance(&g->r, 40) && !*g->prefix) {
			free(o->path);
			o->path = strdup(".");
		}
	}
}

static void fill_mknod(struct gen *g, struct op *o)
{
	static const uint32_t types[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG, S_IFDIR};

	o->mode = gen_mode(g) | types[prng_below(&g->r, array_len(types))];
	o->len = (int64_t[]){0, makedev(1, 3), makedev(8, 300), makedev(4095, 1048575)}[prng_below(&g->r, 4)];
}

static void fill_data(struct gen *g, struct op *o)
{
	o->fd = slot(g);
	o->off = gen_offset(g);
	o->len = gen_length(g);
	o->flags = prng_chance(&g->r, 35);
	if (o->kind == OP_READ && o->len == 0)
		o->len = 1; /* reading nothing: tmpfs updates atime, others do not */
	if (o->kind == OP_WRITE)
		o->fill = (int64_t)prng_below(&g->r, 1000);
}

static void fill_fallocate(struct gen *g, struct op *o)
{
	static const int modes[] = {0,
				    FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_ZERO_RANGE,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE,
				    FALLOC_FL_COLLAPSE_RANGE};

	fill_data(g, o);
	o->flags = modes[prng_below(&g->r, array_len(modes))];
	if (!g->zero_range)
		o->flags &= ~FALLOC_FL_ZERO_RANGE;
}

static void fill_copy(struct gen *g, struct op *o)
{
	fill_data(g, o);
	o->flags = 0;
	o->fd2 = slot(g);
	o->off2 = gen_offset(g);
	o->off = o->off < 0 ? 0 : o->off;
	o->off2 = o->off2 < 0 ? 0 : o->off2;
}

static void fill_owner(struct gen *g, struct op *o)
{
	static const int64_t ids[] = {0, 1001, 1002, 1003, -1};
	static const int64_t gids[] = {0, 2001, 2002, 2000, -1};

	o->uid = ids[prng_below(&g->r, array_len(ids))];
	o->gid = gids[prng_below(&g->r, array_len(gids))];
	if (o->uid < 0 && o->gid < 0)
		o->uid = 1001; /* neither: nothing for the file system to do */
	if (g->users > 1 && prng_chance(&g->r, 50))
		o->uid = prng_chance(&g->r, 50) ? 1001 : 1002;
	o->flags = prng_chance(&g->r, 30) ? AT_SYMLINK_NOFOLLOW : 0;
}

static void fill_times(struct gen *g, struct op *o)
{
	o->atime = gen_time(g);
	o->mtime = gen_time(g);
	o->flags = prng_chance(&g->r, 30) ? AT_SYMLINK_NOFOLLOW : 0;
}

static void fill_xattr(struct gen *g, struct op *o)
{
	o->path2 = gen_xattr_name(g);
	o->mode = prng_chance(&g->r, 20);
	o->len = (int64_t[]){0, 65536, 65536, 65536, 10, 65536}[prng_below(&g->r, 6)];
	if (o->kind != OP_SETXATTR)
		return;
	o->len = 0;
	o->flags = (int[]){0, 0, 0, 1, 2, 3, 4}[prng_below(&g->r, 7)];
	gen_xattr_value(g, o);
}

static void fill_path_op(struct gen *g, struct op *o)
{
	switch (o->kind) {
	case OP_STAT:
		o->flags = prng_chance(&g->r, 60) ? AT_SYMLINK_NOFOLLOW : 0;
		break;
	case OP_ACCESS:
		o->mode = (uint32_t)prng_below(&g->r, 8);
		break;
	case OP_MKDIR:
	case OP_CHMOD:
		o->mode = gen_mode(g);
		break;
	case OP_MKNOD:
		fill_mknod(g, o);
		break;
	case OP_SYMLINK:
		o->path2 = gen_target(g);
		break;
	case OP_READLINK:
		o->len = (int64_t[]){4096, 4096, 1, 60, 0}[prng_below(&g->r, 5)];
		break;
	case OP_LINK:
		o->path2 = gen_path(g);
		o->flags = prng_chance(&g->r, 30) ? AT_SYMLINK_FOLLOW : 0;
		break;
	case OP_RENAME:
		o->path2 = gen_path(g);
		o->flags = (int[]){0, 0, 0, 1, 2, 2, 3}[prng_below(&g->r, 7)];
		break;
	case OP_OPEN:
	case OP_TMPFILE:
		fill_open(g, o);
		break;
	case OP_TRUNCATE:
		o->off = gen_offset(g);
		break;
	case OP_CHOWN:
		fill_owner(g, o);
		break;
	case OP_UTIMENS:
		fill_times(g, o);
		break;
	case OP_LISTXATTR:
		o->mode = prng_chance(&g->r, 20);
		o->len = (int64_t[]){0, 65536, 65536, 10}[prng_below(&g->r, 4)];
		break;
	case OP_SETXATTR:
	case OP_GETXATTR:
	case OP_REMOVEXATTR:
		fill_xattr(g, o);
		break;
	default:
		break;
	}
}

static void fill_fd_op(struct gen *g, struct op *o)
{
	o->fd = slot(g);
	switch (o->kind) {
	case OP_READ:
	case OP_WRITE:
		fill_data(g, o);
		break;
	case OP_LINKFD:
		o->path2 = gen_path(g);
		break;
	case OP_DUP:
		o->fd2 = slot(g);
		break;
	case OP_SETFL:
		o->flags = (prng_chance(&g->r, 50) ? O_APPEND : 0) | (prng_chance(&g->r, 20) ? O_NOATIME : 0);
		break;
	case OP_LSEEK:
		fill_data(g, o);
		o->len = 0;
		o->flags = (int[]){
		    SEEK_DATA, SEEK_HOLE, SEEK_DATA, SEEK_HOLE, SEEK_SET, SEEK_CUR, SEEK_END, 9}[prng_below(&g->r, 8)];
		break;
	case OP_FTRUNCATE:
		o->off = gen_offset(g);
		break;
	case OP_FALLOCATE:
		fill_fallocate(g, o);
		break;
	case OP_COPY_RANGE:
		fill_copy(g, o);
		break;
	case OP_FCHMOD:
		o->mode = gen_mode(g);
		break;
	case OP_FCHOWN:
		fill_owner(g, o);
		o->flags = 0;
		break;
	case OP_FUTIMENS:
		fill_times(g, o);
		o->flags = 0;
		break;
	case OP_READDIR:
		o->len = 1 + (int64_t)prng_below(&g->r, 70);
		break;
	case OP_FSYNC:
		o->flags = prng_chance(&g->r, 50);
		break;
	default:
		break;
	}
}

static bool by_path(enum op_kind k)
{
	switch (k) {
	case OP_FSTAT:
	case OP_LINKFD:
	case OP_CLOSE:
	case OP_DUP:
	case OP_SETFL:
	case OP_READ:
	case OP_WRITE:
	case OP_LSEEK:
	case OP_FTRUNCATE:
	case OP_FALLOCATE:
	case OP_COPY_RANGE:
	case OP_FCHMOD:
	case OP_FCHOWN:
	case OP_FUTIMENS:
	case OP_READDIR:
	case OP_STATFS:
	case OP_FSYNC:
	case OP_CONTENT:
		return false;
	default:
		return true;
	}
}

struct op gen_next(struct gen *g)
{
	struct op o = op_make(pick_kind(g));

	if (o.kind == OP_TRUNCATE && !g->truncate)
		o.kind = OP_STAT;
	if (o.kind == OP_TMPFILE && !g->tmpfile)
		o.kind = OP_STAT;
	o.umask = (uint32_t[]){022, 0, 077, 027}[prng_below(&g->r, 4)];
	if (g->users > 1 && prng_chance(&g->r, 70))
		o.who = (int)prng_below(&g->r, (uint64_t)g->users);
	if (o.kind == OP_CONTENT)
		o.who = 0; /* O_NOATIME is for the owner */
	if (by_path(o.kind)) {
		if (!*g->prefix && prng_chance(&g->r, 8))
			o.at = slot(g);
		o.path = gen_path(g);
		if (!*o.path)
			o.at = OP_ROOT; /* readlinkat("") would look at the descriptor */
		fill_path_op(g, &o);
	} else {
		fill_fd_op(g, &o);
	}
	return o;
}
