/*
 * What descriptors of maps that are opened for reading or for writing only allow:
 * prints the result of each call, 0 or -errno. The same under `bt-fuse load` and
 * in the kernel. Ends with 77 where there is no bpf(2).
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say(const char *what, long ret)
{
	printf("%s %ld\n", what, ret < 0 ? -(long)errno : 0);
}

static int make(unsigned flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | flags);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "access", 4, 8, 4, &opts);
}

static void use(const char *name, int fd)
{
	unsigned key = 0, next, count = 1, batch;
	unsigned long long value = 7;

	printf("%s:\n", name);
	say("lookup", bpf_map_lookup_elem(fd, &key, &value));
	say("update", bpf_map_update_elem(fd, &key, &value, 0));
	say("delete", bpf_map_delete_elem(fd, &key));
	say("next", bpf_map_get_next_key(fd, NULL, &next));
	say("take", bpf_map_lookup_and_delete_elem(fd, &key, &value));
	say("lookup batch", bpf_map_lookup_batch(fd, NULL, &batch, &key, &value, &count, NULL));
	key = 0;
	count = 1;
	say("update batch", bpf_map_update_batch(fd, &key, &value, &count, NULL));
	for (int prot = 0; prot < 4; prot++) {
		void *p = mmap(NULL, 4096, prot, MAP_SHARED, fd, 0);

		printf("map for %d: %d\n", prot, p == MAP_FAILED ? -errno : 0);
		if (p != MAP_FAILED)
			munmap(p, 4096);
	}
	say("freeze", bpf_map_freeze(fd));
}

static int by_id(unsigned id, unsigned flags)
{
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	a.map_id = id;
	a.open_flags = flags;
	return (int)syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &a, sizeof(a));
}

int main(void)
{
	static const unsigned flags[] = {0, BPF_F_RDONLY, BPF_F_WRONLY, BPF_F_RDONLY | BPF_F_WRONLY, BPF_F_NO_PREALLOC};
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int whole = make(0);

	if (whole < 0)
		return 77;
	bpf_obj_get_info_by_fd(whole, &info, &len);
	for (unsigned i = 0; i < 4; i++) {
		int fd = make(flags[i]);

		printf("made with %#x: %d\n", flags[i], fd < 0 ? -errno : 0);
		if (fd >= 0)
			use("made", fd);
	}
	for (unsigned i = 0; i < 5; i++) {
		int fd = by_id(info.id, flags[i]);

		printf("opened with %#x: %d\n", flags[i], fd < 0 ? -errno : 0);
		if (fd >= 0 && flags[i])
			use("opened", fd);
	}
	return 0;
}
