/*
 * A library of system call sites, one of each shape that the scan knows, each
 * in a function void f(struct regs *r): loads every register from *r, fills
 * the red zone, makes the call, checks the red zone, stores every register.
 * What the call shall be is in r->rax where the site has no number of its own.
 */
	.macro load
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi
	pushq	16*8(%rdi)		/* flags */
	mov	0*8(%rdi), %rax
	mov	1*8(%rdi), %rbx
	mov	2*8(%rdi), %rcx
	mov	3*8(%rdi), %rdx
	mov	4*8(%rdi), %rsi
	mov	6*8(%rdi), %rbp
	mov	7*8(%rdi), %r8
	mov	8*8(%rdi), %r9
	mov	9*8(%rdi), %r10
	mov	10*8(%rdi), %r11
	mov	11*8(%rdi), %r12
	mov	12*8(%rdi), %r13
	mov	13*8(%rdi), %r14
	mov	14*8(%rdi), %r15
	mov	5*8(%rdi), %rdi
	popfq
	movq	$0x11111111, -8(%rsp)
	movq	$0x22222222, -64(%rsp)
	movq	$0x33333333, -128(%rsp)
	.endm

	.macro store
	mov	(%rsp), %rcx
	mov	%rax, 0*8(%rcx)
	mov	%rbx, 1*8(%rcx)
	mov	%rdx, 3*8(%rcx)
	mov	%rsi, 4*8(%rcx)
	mov	%rdi, 5*8(%rcx)
	mov	%rbp, 6*8(%rcx)
	mov	%r8, 7*8(%rcx)
	mov	%r9, 8*8(%rcx)
	mov	%r10, 9*8(%rcx)
	mov	%r12, 11*8(%rcx)
	mov	%r13, 12*8(%rcx)
	mov	%r14, 13*8(%rcx)
	mov	%r15, 14*8(%rcx)
	mov	-8(%rsp), %rdx
	mov	%rdx, 17*8(%rcx)
	mov	-64(%rsp), %rdx
	mov	%rdx, 18*8(%rcx)
	mov	-128(%rsp), %rdx
	mov	%rdx, 19*8(%rcx)
	pushfq
	popq	16*8(%rcx)
	pop	%rdi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.endm

	.macro begin name
	.globl	\name
	.type	\name, @function
	.balign	16
\name:
	.cfi_startproc
	.endm

	.macro end name
	.cfi_endproc
	.size	\name, .-\name
	.endm

	.text

begin near_mov
	load
	mov	$471, %eax
near_mov_site:
	syscall
	store
end near_mov

begin near_neighbour
	load
	mov	$471, %eax
	mov	%r12, %r12
near_neighbour_site:
	syscall
	store
end near_neighbour

/* rsi is loaded relative to rip, by the instruction that moves. */
begin near_rip
	load
	mov	$471, %eax
	mov	datum(%rip), %rsi
near_rip_site:
	syscall
	store
end near_rip

/* Two bytes behind a branch target: the nearest padding takes the jump. */
begin pad
	load
	mov	$471, %ebx
	jmp	1f
1:	mov	%ebx, %eax
pad_site:
	syscall
	store
end pad
	.balign	16
	nopw	0(%rax,%rax,1)
	nopw	0(%rax,%rax,1)

/* A branch in front: nothing there can move, so the syscall does, with what follows. */
begin moved
	load
	mov	$471, %eax
	jmp	moved_site
moved_site:
	syscall
	cmp	$-4096, %rax
	store
end moved

/* A signal frame's return: never to be touched. */
begin sigreturn
	mov	$15, %rax
sigreturn_site:
	syscall
	ret
end sigreturn

	.section .rodata
	.balign	8
datum:	.quad	0x5eed5eed5eed5eed

	.section .data.rel.ro, "aw"
	.globl	sample_sites
	.type	sample_sites, @object
	.balign	8
sample_sites:
	.quad	near_mov_site, near_neighbour_site, near_rip_site, pad_site, moved_site, sigreturn_site
	.size	sample_sites, .-sample_sites

	.section .note.GNU-stack, "", @progbits
