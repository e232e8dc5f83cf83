/*
 * memfs [--no-cache] [-o OPTIONS] DIR: mounts it on DIR, in the foreground, until it
 * is unmounted or gets SIGTERM or SIGINT. The options are those of mount.fuse.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memfs.h"

#define FOREVER 1e6 /* seconds */

static void op_init(void *arg, struct fuse_conn_info *conn)
{
	struct memfs *fs = arg;
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
			FUSE_CAP_READDIRPLUS_AUTO;

	if (fs->caching)
		want |= FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_NO_OPEN_SUPPORT |
			FUSE_CAP_NO_OPENDIR_SUPPORT;
	conn->want = want & conn->capable;
	fs->writeback = !!(conn->want & FUSE_CAP_WRITEBACK_CACHE);
	fs->zero_open = !!(conn->want & FUSE_CAP_NO_OPEN_SUPPORT);
	conn->max_background = 64;
	conn->congestion_threshold = 48;
}

static const char usage[] = "usage: memfs [--no-cache] [-o OPTIONS] DIR";

/* Returns the directory; the options go to `opts`. */
static const char *parse(int argc, char **argv, struct memfs *fs, char *opts, size_t size)
{
	static const struct option longs[] = {{"no-cache", no_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
	int c;

	snprintf(opts, size, "default_permissions,fsname=memfs,subtype=memfs");
	while ((c = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
		if (c == 'n')
			fs->caching = 0;
		else if (c == 'o' && strlen(opts) + strlen(optarg) + 2 < size)
			strcat(strcat(opts, ","), optarg);
		else
			errx(2, usage);
	}
	if (optind + 1 != argc)
		errx(2, usage);
	fs->timeout = fs->caching ? FOREVER : 0;
	return argv[optind];
}

static int serve(struct fuse_session *s, const char *dir)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int ret = 1;

	fuse_loop_cfg_set_clone_fd(config, 1);
	if (fuse_set_signal_handlers(s) == 0) {
		if (fuse_session_mount(s, dir) == 0) {
			ret = fuse_session_loop_mt(s, config) < 0;
			fuse_session_unmount(s);
		}
		fuse_remove_signal_handlers(s);
	}
	fuse_loop_cfg_destroy(config);
	return ret;
}

int main(int argc, char **argv)
{
	struct memfs fs = {.caching = 1, .root = node_new(S_IFDIR | 0755, getuid(), getgid(), 0)};
	struct fuse_lowlevel_ops ops = {.init = op_init};
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *s;
	char opts[1024];
	const char *dir = parse(argc, argv, &fs, opts, sizeof(opts));
	int ret;

	if (!fs.root)
		errx(1, "out of memory");
	fs.root->st.st_nlink = 2;
	names_fill(&ops);
	data_fill(&ops);
	fuse_opt_add_arg(&args, argv[0]);
	fuse_opt_add_arg(&args, "-o");
	fuse_opt_add_arg(&args, opts);
	s = fuse_session_new(&args, &ops, sizeof(ops), &fs);
	fuse_opt_free_args(&args);
	if (!s)
		errx(1, "the options were refused");
	ret = serve(s, dir);
	fuse_session_destroy(s);
	node_unref(fs.root, 1);
	return ret;
}
