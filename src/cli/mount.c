/* bt-fuse mount, and the same as mount(8) calls it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/background.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "control/mounts.h"
#include "control/rundir.h"

static void print_note(void *arg, const char *line)
{
	fprintf(stderr, "bt-fuse: note: %s\n", line);
}

static void nothing(void *arg)
{
}

static int mount_at(const char *dir, struct options *o, bool foreground, struct err *err)
{
	struct daemon_config config = {.name = o->name,
				       .options = o->fuse,
				       .size = o->size,
				       .inodes = o->inodes,
				       .root_mode = o->mode,
				       .root_uid = o->uid,
				       .root_gid = o->gid,
				       .flags = o->noatime ? DAEMON_NOATIME : 0,
				       .note = print_note,
				       .ready = nothing};
	char path[PATH_MAX];
	int ret = mounts_resolve(dir, path);

	if (ret < 0)
		return err_set(err, ret, "%s: %s%s", dir, strerror(-ret), ret == -ENOENT ? "; make it first" : "");
	config.mountpoint = path;
	if (!*o->name)
		rundir_default_name(path, o->name);
	return foreground ? daemon_serve(&config, err) : background_serve(&config, err);
}

static int one_dir(int argc, char **argv, struct err *err)
{
	if (optind == argc)
		return err_set(err, -EINVAL, "mount: DIR: missing; say where: bt-fuse mount [OPTION]... DIR");
	if (optind + 1 < argc)
		return err_set(err, -EINVAL, "mount: %s: one DIR at a time", argv[optind + 1]);
	return 0;
}

/* Not for users: see daemon/herald.h. */
int cmd_herald(int argc, char **argv, struct err *err)
{
	if (argc != 3)
		return err_set(err, -EINVAL, "herald: started by the daemon, not by hand");
	return daemon_herald(atoi(argv[1]), atoi(argv[2]));
}

int cmd_mount(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {
	    {"foreground", no_argument, NULL, 'f'},    {"size", required_argument, NULL, 's'},
	    {"inodes", required_argument, NULL, 'i'},  {"name", required_argument, NULL, 'n'},
	    {"options", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct options o;
	bool foreground = false;
	int c, ret = 0;

	options_init(&o);
	while (ret == 0 && (c = args_next(argc, argv, ":fo:", longs, err)) != -1) {
		switch (c) {
		case 'f':
			foreground = true;
			break;
		case 's':
			ret = options_set(&o, "size", optarg, err);
			break;
		case 'i':
			ret = options_set(&o, "inodes", optarg, err);
			break;
		case 'n':
			ret = options_set(&o, "name", optarg, err);
			break;
		case 'o':
			ret = options_parse(&o, optarg, err);
			break;
		default:
			ret = -EINVAL;
		}
	}
	if (ret == 0)
		ret = one_dir(argc, argv, err);
	return ret < 0 ? ret : mount_at(argv[optind], &o, foreground, err);
}

/* The source shows up in the mount table, unless it is a mere placeholder. */
static int take_source(struct options *o, const char *source, struct err *err)
{
	char word[300];

	if (!strcmp(source, "none") || !strcmp(source, "bt-fuse") || strchr(source, ','))
		return 0;
	snprintf(word, sizeof(word), "fsname=%.255s", source);
	return options_parse(o, word, err);
}

int cmd_mount_helper(int argc, char **argv, struct err *err)
{
	static const struct option none[] = {{NULL, 0, NULL, 0}};
	bool fake = false;
	struct options o;
	int c, ret = 0;

	options_init(&o);
	if (argc < 3)
		return err_set(err, -EINVAL, "%s: usage: %s SOURCE DIR [-sfnv] [-o OPTIONS]", argv[0], argv[0]);
	while (ret == 0 && (c = args_next(argc, argv, ":sfnvN:t:o:", none, err)) != -1) {
		if (c == '?')
			ret = -EINVAL;
		else if (c == 'f')
			fake = true;
		else if (c == 'o')
			ret = options_parse(&o, optarg, err);
	}
	if (ret == 0 && optind + 2 != argc)
		ret = err_set(err, -EINVAL, "%s: wants SOURCE and DIR", argv[0]);
	if (ret == 0)
		ret = take_source(&o, argv[optind], err);
	if (ret < 0 || fake)
		return ret;
	return mount_at(argv[optind + 1], &o, false, err);
}
