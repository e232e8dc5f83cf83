/* bt-fuse: finds the verb, and prints the one line there is to say when it fails. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cmd.h"

#define HELPER "mount.fuse.bt-fuse"

struct verb {
	const char *name;
	const char *args;
	const char *does;
	int (*run)(int argc, char **argv, struct err *err);
	int failure; /* exit status */
};

static int cmd_help(int argc, char **argv, struct err *err);
static int cmd_version(int argc, char **argv, struct err *err);

static const struct verb verbs[] = {
    {"mount", "[-f] [--size SIZE] [--inodes N] [--name NAME] [-o OPTIONS] DIR", "mount a file system", cmd_mount, 1},
    {"umount", "DIR", "unmount it and wait for its daemon's end", cmd_umount, 1},
    {"status", "[--json]", "show what is mounted, and what killed daemons left", cmd_status, 1},
    {"fsck", "DIR | --name NAME", "check every invariant of a pool; 0: clean, 1: errors, 2: not checked", cmd_fsck, 2},
    {"run", "[--mount DIR]... [--stats[=process]] [-v] [--] COMMAND [ARGUMENT]...",
     "run a program whose calls are answered in itself", cmd_run, 126},
    {"top", "[--mount DIR] [--once] [--json] [--interval MS]", "show what goes on in the mounts", cmd_top, 1},
    {"trace", "[--mount DIR]... [-o FILE] [--] COMMAND [ARGUMENT]...", "run a program and log its file calls",
     cmd_trace, 126},
    {"exporter", "[--listen ADDRESS:PORT]", "serve the mounts' metrics over HTTP", cmd_exporter, 1},
    {"load", "[--name NAME] [--set NAME=VALUE]... FILE.bpf.o | [--name NAME] [--] COMMAND [ARGUMENT]... | --stop NAME",
     "load eBPF programs for what runs under bt-fuse run", cmd_load, 126},
    {"prog", "[--json] list | dump xlated|jited PROG | tracelog | run --raw [--interp] [MEMORY]",
     "show programs, their text and what they print; run one on its own", cmd_prog, 1},
    {"map", "[--json] list | dump MAP | lookup MAP key BYTES | update MAP key BYTES value BYTES | delete MAP key BYTES",
     "show and change maps", cmd_map, 1},
    {"link", "[--json] list | detach LINK", "show and detach what is attached", cmd_link, 1},
    {"inject", "--call CALL --errno ERROR [--rate P | --nth N] [--path GLOB] [--after T] [--delay T] -- COMMAND...",
     "run a command of whose calls some fail", cmd_inject, 126},
    {"doctor", "[--json]", "say what on this machine helps or hinders, and what to do about it", cmd_doctor, 1},
    {"help", "[VERB]", "show this", cmd_help, 1},
    {"version", "", "show the version", cmd_version, 1},
};

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < array_len(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static const char *near_verb(const char *word)
{
	const char *names[array_len(verbs) + 1] = {NULL};

	for (size_t i = 0; i < array_len(verbs); i++)
		names[i] = verbs[i].name;
	return args_near(word, names);
}

static int unknown(const char *word, struct err *err)
{
	const char *near = near_verb(word);

	if (near)
		return err_set(err, -EINVAL, "%s: unknown command; did you mean %s?", word, near);
	return err_set(err, -EINVAL, "%s: unknown command; see bt-fuse help", word);
}

static void usage(const struct verb *v)
{
	printf("usage: bt-fuse %s %s\n%s; see bt-fuse-%s(1)\n", v->name, v->args, v->does, v->name);
}

static int cmd_help(int argc, char **argv, struct err *err)
{
	if (argc > 1) {
		const struct verb *v = find(argv[1]);

		if (!v)
			return unknown(argv[1], err);
		usage(v);
		return 0;
	}
	printf("usage: bt-fuse COMMAND [ARGUMENT]...\n");
	for (size_t i = 0; i < array_len(verbs); i++)
		printf("  %-8s %s\n", verbs[i].name, verbs[i].does);
	printf("See bt-fuse(1).\n");
	return 0;
}

static int cmd_version(int argc, char **argv, struct err *err)
{
	printf("bt-fuse %s\n", BTFUSE_VERSION);
	return 0;
}

/* As mount.fuse3(8) calls a file system's program: SOURCE DIR -o OPTIONS. So is "mount" called, by nearly its name. */
static bool is_helper_call(int argc, char **argv)
{
	static const char *const mount[] = {"mount", NULL};

	return argc >= 5 && argv[1][0] != '-' && argv[2][0] == '/' && !strcmp(argv[3], "-o") && !find(argv[1]) &&
	       !args_near(argv[1], mount);
}

static const struct verb *choose(int argc, char **argv, struct err *err)
{
	static const struct verb herald = {"herald", "", "", cmd_herald, 1};
	static const struct verb helper = {HELPER, "", "", cmd_mount_helper, 32};
	const char *base = strrchr(argv[0], '/');
	const struct verb *v;

	if (strcmp(base ? base + 1 : argv[0], HELPER) == 0 || is_helper_call(argc, argv))
		return &helper;
	if (argc < 2) {
		err_set(err, -EINVAL, "no command; see bt-fuse help");
		return NULL;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return find("help");
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return find("version");
	v = strcmp(argv[1], herald.name) == 0 ? &herald : find(argv[1]);
	if (!v)
		unknown(argv[1], err);
	return v;
}

static int run(const struct verb *v, int argc, char **argv, struct err *err)
{
	/* The helper's argv begins with the program, as the verbs' begin with the verb. */
	int skip = v->run == cmd_mount_helper ? 0 : 1;

	if (skip && argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
		usage(v);
		return 0;
	}
	return v->run(argc - skip, argv + skip, err);
}

int main(int argc, char **argv)
{
	struct err err = {""};
	const struct verb *v;
	int ret = -EINVAL;

	if (argc < 1)
		return 1;
	v = choose(argc, argv, &err);
	if (v)
		ret = run(v, argc, argv, &err);
	if (ret >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
		ret = err_set(&err, -errno, "standard output: %s", strerror(errno));
	if (ret >= 0)
		return ret;
	fprintf(stderr, "bt-fuse: %s\n", err.text);
	return v ? v->failure : 1;
}
