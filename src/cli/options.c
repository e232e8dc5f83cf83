/*
 * Three kinds: what is meant for this file system, what is handed on to
 * libfuse and fusermount3, and what only mount(8) and fstab(5) care about.
 */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "control/rundir.h"

enum kind {
	OWN,
	HANDED_ON,
	IGNORED,
};

static const struct {
	const char *name; /* with '=': takes a value */
	enum kind kind;
} known[] = {
    {"size=", OWN},
    {"inodes=", OWN},
    {"nr_inodes=", OWN},
    {"name=", OWN},
    {"mode=", OWN},
    {"uid=", OWN},
    {"gid=", OWN},
    {"allow_other", HANDED_ON},
    {"allow_root", HANDED_ON},
    {"auto_unmount", HANDED_ON},
    {"fsname=", HANDED_ON},
    {"subtype=", OWN},
    {"context=", HANDED_ON},
    {"fscontext=", HANDED_ON},
    {"defcontext=", HANDED_ON},
    {"rootcontext=", HANDED_ON},
    {"ro", HANDED_ON},
    {"rw", HANDED_ON},
    {"suid", HANDED_ON},
    {"nosuid", HANDED_ON},
    {"dev", HANDED_ON},
    {"nodev", HANDED_ON},
    {"exec", HANDED_ON},
    {"noexec", HANDED_ON},
    {"sync", HANDED_ON},
    {"async", HANDED_ON},
    {"dirsync", HANDED_ON},
    {"atime", HANDED_ON},
    {"noatime", HANDED_ON},
    {"default_permissions", IGNORED},
    {"defaults", IGNORED},
    {"auto", IGNORED},
    {"noauto", IGNORED},
    {"user", IGNORED},
    {"user=", IGNORED},
    {"users", IGNORED},
    {"nouser", IGNORED},
    {"owner", IGNORED},
    {"group", IGNORED},
    {"_netdev", IGNORED},
    {"nofail", IGNORED},
    {"relatime", IGNORED},
    {"diratime", IGNORED},
    {"nodiratime", IGNORED},
    {"comment=", IGNORED},
};

void options_init(struct options *o)
{
	*o = (struct options){.mode = 0755, .uid = geteuid(), .gid = getegid()};
	/* libfuse starts from nosuid,nodev even for root; mount(8) and mount.fuse3 do not. */
	if (o->uid == 0)
		strcpy(o->fuse, "suid,dev");
}

static int set_name(struct options *o, const char *value, struct err *err)
{
	if (!rundir_name_ok(value))
		return err_set(err, -EINVAL, "name %s: not a name; use 1 to 63 of A-Z a-z 0-9 . _ -, no dot first",
			       value);
	snprintf(o->name, sizeof(o->name), "%s", value);
	return 0;
}

/* 0 would stand for "not given". */
static int set_inodes(struct options *o, const char *value, struct err *err)
{
	int ret = args_number("inodes", value, 10, UINT64_C(1) << 26, &o->inodes, err);

	if (ret == 0 && o->inodes == 0)
		return err_set(err, -EINVAL, "inodes 0: none would fit; ask for more, or leave it to the size");
	return ret;
}

/* By the type umount, status and a daemon that takes over tell our mounts from others. */
static int check_subtype(const char *value, struct err *err)
{
	if (!strcmp(value, "bt-fuse"))
		return 0;
	return err_set(err, -EINVAL,
		       "-o subtype=%s: the type is always fuse.bt-fuse; to name the mount, use fsname=", value);
}

int options_set(struct options *o, const char *key, const char *value, struct err *err)
{
	uint64_t n = 0;
	int ret;

	if (!strcmp(key, "name"))
		return set_name(o, value, err);
	if (!strcmp(key, "size"))
		return args_size(value, &o->size, err);
	if (!strcmp(key, "inodes") || !strcmp(key, "nr_inodes"))
		return set_inodes(o, value, err);
	if (!strcmp(key, "subtype"))
		return check_subtype(value, err);
	ret = args_number(key, value, !strcmp(key, "mode") ? 8 : 10, !strcmp(key, "mode") ? 07777 : UINT32_MAX - 1, &n,
			  err);
	if (!strcmp(key, "mode"))
		o->mode = (uint32_t)n;
	else if (!strcmp(key, "uid"))
		o->uid = (uid_t)n;
	else
		o->gid = (gid_t)n;
	return ret;
}

static int hand_on(struct options *o, const char *word, struct err *err)
{
	size_t used = strlen(o->fuse);
	int n = snprintf(o->fuse + used, sizeof(o->fuse) - used, "%s%s", used ? "," : "", word);

	if (!strcmp(word, "noatime") || !strcmp(word, "atime"))
		o->noatime = word[0] == 'n';
	return (size_t)n < sizeof(o->fuse) - used ? 0 : err_set(err, -E2BIG, "-o: too long");
}

static int unknown(const char *word, struct err *err)
{
	const char *names[array_len(known) + 1] = {NULL};
	const char *near;
	char plain[64] = "";

	memcpy(plain, word, min_of(strcspn(word, "="), sizeof(plain) - 1));
	for (size_t i = 0; i < array_len(known); i++)
		names[i] = known[i].name;
	near = args_near(plain, names);
	if (near)
		return err_set(err, -EINVAL, "-o %s: unknown option; did you mean %s?", word, near);
	return err_set(err, -EINVAL, "-o %s: unknown option; see bt-fuse-mount(1)", word);
}

static int take(struct options *o, char *word, struct err *err)
{
	size_t len = strcspn(word, "=") + (strchr(word, '=') ? 1 : 0);
	size_t i = 0;

	if (!*word || strncmp(word, "x-", 2) == 0 || strncmp(word, "X-", 2) == 0)
		return 0;
	while (i < array_len(known) && (strlen(known[i].name) != len || strncmp(known[i].name, word, len) != 0))
		i++;
	if (i == array_len(known))
		return unknown(word, err);
	if (known[i].kind == HANDED_ON && word[len - 1] == '=' && !word[len])
		return err_set(err, -EINVAL, "-o %s: without a value; give one, or leave it out", word);
	if (known[i].kind == HANDED_ON)
		return hand_on(o, word, err);
	if (known[i].kind == IGNORED)
		return 0;
	word[len - 1] = '\0';
	return options_set(o, word, word + len, err);
}

int options_parse(struct options *o, const char *list, struct err *err)
{
	autofree char *copy = strdup(list);
	char *rest = copy, *word;
	int ret = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	while (ret == 0 && (word = strsep(&rest, ",")))
		ret = take(o, word, err);
	return ret;
}
