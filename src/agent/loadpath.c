/*
 * Files that a loader looks into for what the kernel can do: tracefs (ids and
 * formats of tracepoints), the kernel's BTF, and bpffs. Those that are ours are
 * answered from here, all others are the kernel's.
 *
 *	/sys/kernel/tracing/events/syscalls/sys_enter_openat/id
 *	/sys/kernel/debug/tracing/events/raw_syscalls/sys_exit/format
 *	/sys/kernel/tracing/events/sched/sched_switch/id	not served, as are all but system calls
 *	/sys/kernel/tracing/kprobe_events	not served either
 *	/sys/kernel/btf/vmlinux		our own: it describes what there is here
 *	/sys/fs/bpf/...			pins, which have no directories
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "agent/user.h"
#include "base/sys.h"
#include "world/args.h"
#include "world/event.h"

#define PATH 256
#define TRACEFS_MAGIC 0x74726163
#define BPF_FS_MAGIC 0xcafe4a11

static const char *btf_path;
static agent_handler below[AGENT_NR];

enum place {
	PLACE_NONE,
	PLACE_DIR, /* of tracefs or bpffs */
	PLACE_ID,
	PLACE_FORMAT,
	PLACE_BTF,
	PLACE_PIN,
	PLACE_FOREIGN, /* whoever opens it wants to attach where nothing is run */
};

struct found {
	enum place place;
	uint32_t event;
	const char *pin;
	char path[PATH];
};

static const char *behind(const char *s, const char *prefix)
{
	return mem_prefix(s, prefix) ? s + mem_length(prefix) : NULL;
}

static bool same(const char *a, const char *b)
{
	const char *rest = behind(a, b);

	return rest && !*rest;
}

const char *load_pin_path(const char *path)
{
	const char *rest = behind(path, "/sys/fs/bpf/");

	while (rest && *rest == '/')
		rest++;
	return rest && *rest ? rest : NULL;
}

/*
 * A call's bare name: the kernel has no such tracepoint, but statsnoop of
 * libbpf-tools 0.26 asks for one, and without it loads nothing.
 */
static uint32_t bare_call(const char *name)
{
	char point[64] = "sys_enter_";
	size_t n = mem_length(name);

	if (n > sizeof(point) - 11)
		return EVENT_NONE;
	memcpy(point + 10, name, n + 1);
	return event_find("syscalls", point);
}

/* "syscalls/sys_enter_openat/id" */
static void find_event(char *s, struct found *f)
{
	char *name = s, *leaf;

	while (*name && *name != '/')
		name++;
	if (!*name) {
		f->place = same(s, "syscalls") || same(s, "raw_syscalls") ? PLACE_DIR : PLACE_NONE;
		return;
	}
	*name++ = '\0';
	for (leaf = name; *leaf && *leaf != '/'; leaf++)
		;
	if (*leaf)
		*leaf++ = '\0';
	f->event = event_find(s, name);
	if (!f->event && same(s, "syscalls"))
		f->event = bare_call(name);
	if (f->event)
		f->place = !*leaf		  ? PLACE_DIR
			   : same(leaf, "id")	  ? PLACE_ID
			   : same(leaf, "format") ? PLACE_FORMAT
						  : PLACE_NONE;
	else if (same(leaf, "id") && !same(s, "syscalls") && !same(s, "raw_syscalls"))
		f->place = PLACE_FOREIGN;
}

static void find_trace(char *s, struct found *f)
{
	char *rest;

	if (!*s || same(s, "/")) {
		f->place = PLACE_DIR;
		return;
	}
	rest = (char *)(uintptr_t)behind(s, "/events");
	if (same(s, "/kprobe_events") || same(s, "/uprobe_events"))
		f->place = PLACE_FOREIGN;
	else if (rest && (!*rest || same(rest, "/")))
		f->place = PLACE_DIR;
	else if (rest && *rest == '/')
		find_event(rest + 1, f);
}

/* What `upath` is to us. Relative paths are nothing of ours. */
static bool find(const char *upath, struct found *f)
{
	char *rest;

	*f = (struct found){.place = PLACE_NONE};
	if (strncpy_from_user(f->path, upath, PATH) < 0 || !mem_prefix(f->path, "/sys/"))
		return false;
	if ((rest = (char *)(uintptr_t)behind(f->path, "/sys/kernel/tracing")) ||
	    (rest = (char *)(uintptr_t)behind(f->path, "/sys/kernel/debug/tracing"))) {
		find_trace(rest, f);
	} else if (same(f->path, "/sys/kernel/btf/vmlinux")) {
		f->place = btf_path[0] ? PLACE_BTF : PLACE_NONE;
	} else if (same(f->path, "/sys/fs/bpf") || same(f->path, "/sys/fs/bpf/")) {
		f->place = PLACE_DIR;
	} else if (load_pin_path(f->path)) {
		f->place = PLACE_PIN;
		f->pin = load_pin_path(f->path);
	}
	return f->place != PLACE_NONE;
}

/* What is asked about it without opening it, the kernel answers. */
static bool find_ours(const char *upath, struct found *f)
{
	return find(upath, f) && f->place != PLACE_FOREIGN;
}

static bool is_file(const struct found *f)
{
	return f->place != PLACE_DIR;
}

/* ---- Contents ---------------------------------------------------------------------------- */

struct text {
	char s[1536];
	size_t n;
};

static void add(struct text *t, const char *s)
{
	while (*s && t->n < sizeof(t->s))
		t->s[t->n++] = *s++;
}

static void add_number(struct text *t, uint32_t v)
{
	char digits[11];

	mem_decimal(digits, v);
	add(t, digits);
}

static void add_field(struct text *t, const char *what, uint32_t off, uint32_t size, bool is_signed)
{
	add(t, "\tfield:");
	add(t, what);
	add(t, ";\toffset:");
	add_number(t, off);
	add(t, ";\tsize:");
	add_number(t, size);
	add(t, is_signed ? ";\tsigned:1;\n" : ";\tsigned:0;\n");
}

/* By the kernel's names where they are known. */
static void add_args(struct text *t, const char *call)
{
	const char *s = args_of(call);
	char arg[64] = "unsigned long arg0";

	for (uint32_t i = 0; i < 6 && (!s || *s != '\n'); i++) {
		size_t n = 0;

		while (s && *s != ';' && *s != '\n' && n < sizeof(arg) - 1)
			arg[n++] = *s++;
		arg[s ? n : sizeof("unsigned long arg")] = '\0';
		if (!s)
			arg[sizeof("unsigned long arg") - 1] = (char)('0' + i);
		add_field(t, arg, 16 + 8 * i, 8, false);
		if (s && *s == ';')
			s++;
	}
}

static void add_format(struct text *t, uint32_t event)
{
	char name[64], *leaf = name;

	event_name(event, name, sizeof(name));
	while (*leaf && *leaf != '/')
		leaf++;
	add(t, "name: ");
	add(t, *leaf ? leaf + 1 : name);
	add(t, "\nID: ");
	add_number(t, event_id(event));
	add(t, "\nformat:\n");
	add_field(t, "unsigned short common_type", 0, 2, false);
	add_field(t, "unsigned char common_flags", 2, 1, false);
	add_field(t, "unsigned char common_preempt_count", 3, 1, false);
	add_field(t, "int common_pid", 4, 4, true);
	add(t, "\n");
	if (event_call(event) == EVENT_ALL)
		add_field(t, "long id", 8, 8, true);
	else
		add_field(t, "int __syscall_nr", 8, 4, true);
	if (!(event & EVENT_EXIT) && event_call(event) != EVENT_ALL)
		add_args(t, leaf + sizeof("/sys_enter_") - 1);
	if (event & EVENT_EXIT)
		add_field(t, "long ret", 16, 8, true);
	else if (event_call(event) == EVENT_ALL)
		add_field(t, "unsigned long args[6]", 16, 48, false);
	add(t, "\nprint fmt: \"\"\n");
}

static long open_text(const struct found *f, int flags)
{
	struct text t = {.n = 0};
	long fd;

	if (f->place == PLACE_ID) {
		add_number(&t, event_id(f->event));
		add(&t, "\n");
	} else {
		add_format(&t, f->event);
	}
	fd = sys_call3(SYS_memfd_create, (long)"tracefs", flags & O_CLOEXEC ? MFD_CLOEXEC : 0, 0);
	if (fd < 0)
		return fd;
	sys_call4(SYS_pwrite64, fd, (long)t.s, (long)t.n, 0);
	return fd;
}

/* Files that are there and are only read, whoever asks: what is behind them is a file of the user's. */
static long only_read(int flags)
{
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) ? -EACCES : 0;
}

static long open_found(struct agent_thread *t, struct agent_regs *r, const struct found *f, int flags)
{
	long err;

	if (f->place == PLACE_FOREIGN)
		return -EOPNOTSUPP;
	err = is_file(f) && f->place != PLACE_PIN ? only_read(flags) : 0;
	if (err)
		return err;
	switch (f->place) {
	case PLACE_ID:
	case PLACE_FORMAT:
		return flags & O_DIRECTORY ? -ENOTDIR : open_text(f, flags);
	case PLACE_BTF:
		return sys_call4(SYS_openat, AT_FDCWD, (long)btf_path, flags & ~O_CREAT, 0);
	case PLACE_PIN:
		return -EACCES; /* as bpffs has it: only bpf(2) opens them */
	default:
		return below[r->rax](t, r);
	}
}

static long handle_open(struct agent_thread *t, struct agent_regs *r)
{
	struct found f;

	return find((const char *)r->rdi, &f) ? open_found(t, r, &f, (int)r->rsi) : below[SYS_open](t, r);
}

static long handle_openat(struct agent_thread *t, struct agent_regs *r)
{
	struct found f;

	return find((const char *)r->rsi, &f) ? open_found(t, r, &f, (int)r->rdx) : below[SYS_openat](t, r);
}

/* ---- Is it there? -------------------------------------------------------------------------- */

static bool is_there(struct agent_thread *t, const struct found *f)
{
	struct task *task = load_task(t);
	uint32_t id;

	return f->place != PLACE_PIN || (task && pin_find(agent_world(), task, f->pin, &id) == 0);
}

static long handle_access(struct agent_thread *t, struct agent_regs *r)
{
	bool at = r->rax != SYS_access;
	struct found f;

	if (!find_ours((const char *)(at ? r->rsi : r->rdi), &f))
		return below[r->rax](t, r);
	return is_there(t, &f) ? 0 : -ENOENT;
}

static long handle_stat(struct agent_thread *t, struct agent_regs *r)
{
	bool at = r->rax == SYS_newfstatat;
	struct stat st;
	struct found f;

	if (!find_ours((const char *)(at ? r->rsi : r->rdi), &f))
		return below[r->rax](t, r);
	if (!is_there(t, &f))
		return -ENOENT;
	memset(&st, 0, sizeof(st));
	st.st_mode = is_file(&f) ? S_IFREG | 0400 : S_IFDIR | 0700;
	st.st_nlink = 1;
	st.st_uid = (uid_t)sys_call3(SYS_geteuid, 0, 0, 0);
	st.st_blksize = 4096;
	return copy_to_user((void *)(at ? r->rdx : r->rsi), &st, sizeof(st));
}

static long handle_statx(struct agent_thread *t, struct agent_regs *r)
{
	struct statx sx;
	struct found f;

	if (!find_ours((const char *)r->rsi, &f))
		return below[SYS_statx](t, r);
	if (!is_there(t, &f))
		return -ENOENT;
	memset(&sx, 0, sizeof(sx));
	sx.stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID;
	sx.stx_mode = is_file(&f) ? S_IFREG | 0400 : S_IFDIR | 0700;
	sx.stx_nlink = 1;
	sx.stx_uid = (uint32_t)sys_call3(SYS_geteuid, 0, 0, 0);
	sx.stx_blksize = 4096;
	return copy_to_user((void *)r->r8, &sx, sizeof(sx));
}

/* libbpf asks whether a pin's place is a bpffs. */
static long handle_statfs(struct agent_thread *t, struct agent_regs *r)
{
	struct statfs s;
	struct found f;

	if (!find_ours((const char *)r->rdi, &f))
		return below[SYS_statfs](t, r);
	memset(&s, 0, sizeof(s));
	s.f_type = mem_prefix(f.path, "/sys/fs/bpf") ? (long)BPF_FS_MAGIC : TRACEFS_MAGIC;
	s.f_bsize = 4096;
	s.f_namelen = 255;
	return copy_to_user((void *)r->rsi, &s, sizeof(s));
}

/* ---- Pins as files --------------------------------------------------------------------------- */

static long handle_unlink(struct agent_thread *t, struct agent_regs *r)
{
	bool at = r->rax == SYS_unlinkat;
	struct task *task;
	struct found f;

	if (!find_ours((const char *)(at ? r->rsi : r->rdi), &f) || f.place != PLACE_PIN)
		return below[r->rax](t, r);
	task = load_task(t);
	return task ? pin_remove(agent_world(), task, f.pin) : -EAGAIN;
}

/* Pins' names have slashes, and need no directories. */
static long handle_mkdir(struct agent_thread *t, struct agent_regs *r)
{
	bool at = r->rax == SYS_mkdirat;
	struct found f;

	if (!find_ours((const char *)(at ? r->rsi : r->rdi), &f))
		return below[r->rax](t, r);
	return f.place == PLACE_PIN ? 0 : -EEXIST;
}

void load_register_paths(const char *btf)
{
	static const struct {
		uint16_t nr;
		agent_handler h;
	} all[] = {
	    {SYS_open, handle_open},	    {SYS_openat, handle_openat},     {SYS_access, handle_access},
	    {SYS_faccessat, handle_access}, {SYS_faccessat2, handle_access}, {SYS_stat, handle_stat},
	    {SYS_lstat, handle_stat},	    {SYS_newfstatat, handle_stat},   {SYS_statx, handle_statx},
	    {SYS_statfs, handle_statfs},    {SYS_unlink, handle_unlink},     {SYS_unlinkat, handle_unlink},
	    {SYS_mkdir, handle_mkdir},	    {SYS_mkdirat, handle_mkdir},
	};

	btf_path = btf;
	for (unsigned i = 0; i < array_len(all); i++)
		below[all[i].nr] = agent_register(all[i].nr, all[i].h);
}
