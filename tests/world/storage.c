/*
 * A loader that looks into its task storage: loads the object file, then
 * answers lines on standard input. Results are 0, a value, or -errno.
 *
 *	get PID | put PID VALUE FLAGS | del PID | getfd FD | putbad PID | next | take PID
 *	keep PID: opens its pidfd for kept get | kept put | kept del
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int map, kept;

static void say(int ret, unsigned long long value)
{
	if (ret < 0)
		printf("%d\n", -errno);
	else
		printf("%llu\n", value);
	fflush(stdout);
}

static void answer(const char *verb, int a, unsigned long long value, unsigned long long flags)
{
	int fd = a > 0 && strcmp(verb, "getfd") != 0 ? (int)syscall(SYS_pidfd_open, a, 0) : a, key;

	if (strcmp(verb, "get") == 0 || strcmp(verb, "getfd") == 0) {
		int ret = bpf_map_lookup_elem(map, &fd, &value);

		say(ret, value);
	} else if (strcmp(verb, "put") == 0) {
		say(bpf_map_update_elem(map, &fd, &value, flags), 0);
	} else if (strcmp(verb, "putbad") == 0) {
		say(bpf_map_update_elem(map, &fd, (void *)8, 0), 0);
	} else if (strcmp(verb, "del") == 0) {
		say(bpf_map_delete_elem(map, &fd), 0);
	} else if (strcmp(verb, "next") == 0) {
		say(bpf_map_get_next_key(map, NULL, &key), 0);
	} else if (strcmp(verb, "take") == 0) {
		say(bpf_map_lookup_and_delete_elem(map, &fd, &value), value);
	} else if (strcmp(verb, "keep") == 0) {
		kept = fd;
		say(fd < 0 ? -1 : 0, (unsigned)a);
		return;
	}
	if (fd != a)
		close(fd);
}

static void answer_kept(const char *verb)
{
	unsigned long long value = 1;

	if (strncmp(verb, "get", 3) == 0)
		say(bpf_map_lookup_elem(map, &kept, &value), value);
	else if (strncmp(verb, "put", 3) == 0)
		say(bpf_map_update_elem(map, &kept, &value, 0), 0);
	else
		say(bpf_map_delete_elem(map, &kept), 0);
}

int main(int argc, char **argv)
{
	struct bpf_object *obj = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	char line[256], verb[32];

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	if (!obj || bpf_object__load(obj) != 0 ||
	    !bpf_program__attach(bpf_object__find_program_by_name(obj, "count"))) {
		fprintf(stderr, "load: %s\n", strerror(errno));
		return 1;
	}
	map = bpf_object__find_map_fd_by_name(obj, "counts");
	printf("attached\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		int a = 0;
		unsigned long long value = 0, flags = 0;

		if (strncmp(line, "kept ", 5) == 0)
			answer_kept(line + 5);
		else if (sscanf(line, "%31s %d %llu %llu", verb, &a, &value, &flags) >= 1)
			answer(verb, a, value, flags);
	}
	return 0;
}
