/*
 * What the agent must see of Go, without Go: the note of its linker, and system
 * calls made on a stack that has 800 bytes left. As a library (-DLIBRARY) it has
 * `touch`, as a program it does the same.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

__asm__(".section .note.go.buildid, \"a\", @note\n"
	".balign 4\n"
	".long 4, 8, 4\n"
	".ascii \"Go\\0\\0\"\n"
	".ascii \"some id.\"\n"
	".previous");

/* A call with the stack pointer 800 bytes above the end of `stack`. */
long on_small_stack(char *stack, long nr, long a, long b, long c);
__asm__(".text\n"
	"on_small_stack:\n"
	"	push %rbx\n"
	"	mov %rsp, %rbx\n"
	"	lea 800(%rdi), %rsp\n"
	"	mov %rsi, %rax\n"
	"	mov %rdx, %rdi\n"
	"	mov %rcx, %rsi\n"
	"	mov %r8, %rdx\n"
	"	syscall\n"
	"	mov %rbx, %rsp\n"
	"	pop %rbx\n"
	"	ret");

/* 0, or where it went wrong. */
int touch(const char *path)
{
	static const char text[] = "as Go does\n";
	/* What is below belongs to somebody else. */
	char *other = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *stack = other + 4096;
	long fd;

	memset(other, 0x5a, 4096);
	fd = on_small_stack(stack, SYS_open, (long)path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd < 0 || on_small_stack(stack, SYS_write, fd, (long)text, sizeof text - 1) != sizeof text - 1 ||
	    on_small_stack(stack, SYS_close, fd, 0, 0) != 0)
		return 1;
	for (int i = 0; i < 4096; i++)
		if (other[i] != 0x5a)
			return 2;
	munmap(other, 8192);
	return 0;
}

#ifndef LIBRARY
int main(int argc, char **argv)
{
	puts("hello");
	return argc > 1 ? touch(argv[1]) : 0;
}
#endif
