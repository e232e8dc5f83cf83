/*
 * Makes getpriority(PRIO_PGRP, n) at the bottom of known stacks and prints for
 * each n which addresses it has, innermost first. Built with frame pointers.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static uint64_t ip[8];
static int depth;

/* With `frame` in the register, as code without frame pointers may have anything in it. */
static __attribute__((noinline)) void call_with(long n, const void *frame)
{
	uint64_t after;
	long ret;

	__asm__ volatile("push %%rbp\n\t"
			 "mov %[frame], %%rbp\n\t"
			 "mov %[nr], %%eax\n\t"
			 "syscall\n"
			 "1:\tlea 1b(%%rip), %%rcx\n\t"
			 "pop %%rbp"
			 : "=a"(ret), "=&c"(after)
			 : [frame] "r"(frame), [nr] "i"(SYS_getpriority), "D"(1L), "S"(n)
			 : "r11", "memory");
	ip[0] = after;
}

static __attribute__((noinline)) void inner(long n)
{
	ip[1] = (uint64_t)(uintptr_t)__builtin_return_address(0);
	depth = 4;
	call_with(n, __builtin_frame_address(0));
	__asm__ volatile("");
}

static __attribute__((noinline)) void middle(long n)
{
	ip[2] = (uint64_t)(uintptr_t)__builtin_return_address(0);
	inner(n);
	__asm__ volatile("");
}

static __attribute__((noinline)) void outer(long n)
{
	ip[3] = (uint64_t)(uintptr_t)__builtin_return_address(0);
	middle(n);
	__asm__ volatile("");
}

static void show(long n)
{
	printf("%ld", n);
	for (int i = 0; i < depth; i++)
		printf(" %lx", (unsigned long)ip[i]);
	printf("\n");
}

static void with(long n, const void *frame, int entries)
{
	call_with(n, frame);
	depth = entries;
	show(n);
}

int main(void)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t frame[2];

	outer(0);
	show(0);
	/* Nowhere, not an address at all, and half a frame at the end of what is mapped. */
	munmap(pages + 4096, 4096);
	with(1, NULL, 1);
	with(2, (void *)(uintptr_t)0x8000000000000008, 1);
	with(3, pages + 4096 - 8, 1);
	/* One that leads on to nowhere, misaligned. */
	ip[1] = 0x1234;
	frame[0] = (uintptr_t)pages + 4096;
	frame[1] = ip[1];
	memcpy(pages + 1, frame, sizeof(frame));
	with(4, pages + 1, 2);
	/* One that leads to itself. */
	frame[0] = (uintptr_t)frame;
	with(5, frame, 2);
	return 0;
}
