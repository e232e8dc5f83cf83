/*
 * Reading the beginning of a program, as the kernel will at exec. Freestanding:
 * the agent asks in the middle of the program's execve, perhaps in a vfork
 * child; memcmp is the only function called.
 */
#include "launch/target.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "base/sys.h"
#include "sites/note.h"

#define LOADER "/lib64/ld-linux-x86-64.so.2"
#define HEAD 1024u	/* bytes: an ELF header and what it leads to, or a #! line */
#define SCRIPT_LINE 256 /* bytes: as much as the kernel looks at */
#define SCRIPT_DEPTH 5
#define PHDRS 16u
#define NOTES 512u /* bytes of them, on the caller's stack */

static bool changes_privileges(int fd)
{
	struct stat st;

	if (sys_call3(SYS_fstat, fd, (long)&st, 0) != 0)
		return true;
	if (((st.st_mode & S_ISUID) && st.st_uid != (uid_t)sys_call3(SYS_geteuid, 0, 0, 0)) ||
	    ((st.st_mode & S_ISGID) && st.st_gid != (gid_t)sys_call3(SYS_getegid, 0, 0, 0)))
		return true;
	return sys_call4(SYS_fgetxattr, fd, (long)"security.capability", 0, 0) > 0;
}

/* The beginning of a file: in what a linker makes, all that is looked at lies in it. */
struct head {
	int fd;
	long n;
	uint8_t bytes[HEAD] __attribute__((aligned(8)));
};

static bool in_head(const struct head *h, uint64_t off, size_t n)
{
	return off <= (uint64_t)h->n && n <= (uint64_t)h->n - off;
}

static bool read_at(const struct head *h, void *to, size_t n, uint64_t off)
{
	if (!in_head(h, off, n))
		return sys_call4(SYS_pread64, h->fd, (long)to, (long)n, (long)off) == (long)n;
	__builtin_memcpy(to, h->bytes + off, n);
	return true;
}

static bool is_loader(const struct head *h, const Elf64_Phdr *ph)
{
	char interp[sizeof(LOADER)];

	return ph->p_filesz == sizeof(interp) && read_at(h, interp, sizeof(interp), ph->p_offset) &&
	       memcmp(interp, LOADER, sizeof(interp)) == 0;
}

static bool far_is_go(const struct head *h, const Elf64_Phdr *ph)
{
	uint8_t notes[NOTES] __attribute__((aligned(8)));
	size_t n = min_of(ph->p_filesz, sizeof(notes));

	return read_at(h, notes, n, ph->p_offset) && note_is_go(notes, n);
}

static bool is_go(const struct head *h, const Elf64_Phdr *ph)
{
	return in_head(h, ph->p_offset, ph->p_filesz) ? note_is_go(h->bytes + ph->p_offset, ph->p_filesz)
						      : far_is_go(h, ph);
}

/* glibc's loader, and code that the agent can do its work in. */
static bool has_loader(const struct head *h)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)h->bytes;
	bool found = false;

	if (h->n < (long)sizeof(*eh) || eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64 ||
	    eh->e_phentsize != sizeof(Elf64_Phdr))
		return false;
	for (unsigned i = 0; i < min_of(eh->e_phnum, PHDRS); i++) {
		Elf64_Phdr ph;

		if (!read_at(h, &ph, sizeof(ph), eh->e_phoff + i * sizeof(ph)))
			return false;
		if ((ph.p_type == PT_INTERP && !is_loader(h, &ph)) || (ph.p_type == PT_NOTE && is_go(h, &ph)))
			return false;
		found = found || ph.p_type == PT_INTERP;
	}
	return found;
}

/* The interpreter of a `#!` line, cut off in place; NULL: none. */
static const char *interpreter(char *head, long n)
{
	long from = 2, to;

	while (from < n && (head[from] == ' ' || head[from] == '\t'))
		from++;
	to = from;
	while (to < n && head[to] != ' ' && head[to] != '\t' && head[to] != '\n' && head[to] != '\0')
		to++;
	if (to == from || to == n)
		return NULL;
	head[to] = '\0';
	return head + from;
}

enum target target_classify(int dir, const char *path, int flags)
{
	struct head h;
	char *head = (char *)h.bytes;

	for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
		long fd =
		    sys_call4(SYS_openat, dir, (long)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags, 0);
		bool loader, privileged;
		long n;

		if (fd < 0)
			return TARGET_UNREADABLE;
		h.fd = (int)fd;
		h.n = n = sys_call4(SYS_pread64, fd, (long)head, HEAD, 0);
		loader = n >= 4 && memcmp(head, ELFMAG, SELFMAG) == 0 && has_loader(&h);
		privileged = loader && changes_privileges((int)fd);
		sys_close((int)fd);
		if (loader)
			return privileged ? TARGET_PRIVILEGED : TARGET_TAKES_AGENT;
		if (n < 4 || head[0] != '#' || head[1] != '!')
			return TARGET_STATIC;
		path = interpreter(head, min_of(n, SCRIPT_LINE));
		if (path == NULL)
			return TARGET_STATIC;
		dir = AT_FDCWD, flags = 0;
	}
	return TARGET_STATIC;
}
