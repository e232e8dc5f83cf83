/* latency OBJECT SECONDS: a histogram of how long each call took, as bars. An ordinary libbpf program. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "latency.h"

static void print(unsigned nr, const struct histogram *h)
{
	static const char bar[] = "########################################";
	unsigned long long most = 0;
	int last = -1, first = SLOTS;

	for (int i = 0; i < SLOTS; i++) {
		most = h->slot[i] > most ? h->slot[i] : most;
		if (!h->slot[i])
			continue;
		last = i;
		first = i < first ? i : first;
	}
	if (last >= 0)
		printf("call %u\n", nr);
	for (int i = first; i <= last; i++)
		printf("  %10llu ns %8llu |%.*s\n", 1ull << i, h->slot[i], (int)(h->slot[i] * 40 / most), bar);
}

int main(int argc, char **argv)
{
	struct bpf_object *obj = argc == 3 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_link *link[2] = {NULL, NULL}; /* enter, exit */
	struct bpf_program *prog;
	struct histogram h;
	int fd, n = 0;

	if (!obj || bpf_object__load(obj) != 0)
		return 1;
	bpf_object__for_each_program(prog, obj) if (n == 2 || !(link[n++] = bpf_program__attach(prog))) return 1;
	puts("attached");
	fflush(stdout);
	sleep((unsigned)atoi(argv[2]));
	fd = bpf_object__find_map_fd_by_name(obj, "histograms");
	for (unsigned nr = 0; nr < CALLS; nr++)
		if (bpf_map_lookup_elem(fd, &nr, &h) == 0)
			print(nr, &h);
	bpf_link__destroy(link[0]);
	bpf_link__destroy(link[1]);
	bpf_object__close(obj);
	return 0;
}
