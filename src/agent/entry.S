/*
 * The way in and out. docs/agent.md draws it; signal.c relies on the labels.
 *
 * A stub comes here with the number in rax and the address of the `syscall`
 * instruction in r11; rcx and r11 are free, since the instruction destroys
 * them. Nothing else may change: flags go by lahf, seto and back (no pushf:
 * popf is slow), vector registers are used by copies only, which save them (copy.S).
 *
 * The frame lies on the program's stack below the red zone, at a constant
 * distance, so that the unwinder passes through it.
 */
#include "agent/layout.h"

	/* With the number in rcx, flags in rax, the site in r11. */
	.macro frame
	lea	-R_FRAME(%rsp), %rsp
	.cfi_def_cfa rsp, R_FRAME
	mov	%r11, R_SITE(%rsp)
	.cfi_offset rip, R_SITE-R_FRAME
	mov	%rcx, R_RAX(%rsp)
	mov	%rax, R_FLAGS(%rsp)
	.endm

	.macro save
	mov	%rdi, R_RDI(%rsp)
	mov	%rsi, R_RSI(%rsp)
	mov	%rdx, R_RDX(%rsp)
	mov	%r10, R_R10(%rsp)
	mov	%r8, R_R8(%rsp)
	mov	%r9, R_R9(%rsp)
	mov	%rbp, R_RBP(%rsp)
	.endm

	/* Goes to `otherwise` where handlers may have changed, or somebody counts why calls are handed on. */
	.macro unchanged reg, reg32, otherwise
	cmpq	$0, stats_file(%rip)
	jne	\otherwise
	mov	agent_watched(%rip), \reg
	mov	(\reg), \reg32
	cmp	agent_watched_seen(%rip), \reg32
	jne	\otherwise
	.endm

	/* Everything but rsp; rcx is where to go on. Loads only: may be begun again. */
	.macro restore
	mov	R_FLAGS(%rsp), %eax
	add	$0x7f, %al
	sahf
	mov	R_RDI(%rsp), %rdi
	mov	R_RSI(%rsp), %rsi
	mov	R_RDX(%rsp), %rdx
	mov	R_R10(%rsp), %r10
	mov	R_R8(%rsp), %r8
	mov	R_R9(%rsp), %r9
	mov	R_RAX(%rsp), %rax
	mov	R_RESUME(%rsp), %rcx
	.endm

	.macro function name
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.balign	32
\name:
	.endm

	.text

function agent_entry
	.cfi_startproc simple
	.cfi_def_cfa rsp, 0
	.cfi_register rip, r11
	mov	%rax, %rcx
	lahf
	seto	%al
	frame
	/* A call with a descriptor that is none of ours goes on at once: agent.h, struct agent_foreign. */
	cmp	$AGENT_NR, %rcx
	jae	1f
	lea	agent_tests_descriptor(%rip), %rax
	cmpb	$0, (%rax,%rcx)
	je	1f
	mov	%gs:T_USER, %rax
	test	%rax, %rax
	je	1f
	cmp	$FOREIGN_FDS, %edi
	jae	1f
	mov	F_OURS(%rax), %rax
	mov	%edi, %ecx
	testb	$1, (%rax,%rcx)
	je	agent_foreign_call
1:	cmpl	$0, %gs:T_DEPTH
	jne	agent_busy
	movl	$1, %gs:T_DEPTH
	save
	/* As agent_dispatch, for what has a short way. */
	mov	R_RAX(%rsp), %rcx
	cmp	$AGENT_NR, %rcx
	jae	2f
	lea	agent_shorts(%rip), %rax
	mov	(%rax,%rcx,8), %rax
	test	%rax, %rax
	je	2f
	mov	%gs:T_USER, %rdi
	test	%rdi, %rdi
	je	2f
	unchanged %rdx, %edx, 2f
	mov	%r11, R_RESUME(%rsp)
	incl	%gs:T_CALLS(,%rcx,4)
	mov	%rsp, %rsi
	call	*%rax
	mov	%rax, %rdx
	neg	%rdx
	jo	agent_leave		/* AGENT_HAND_ON */
	mov	R_RAX(%rsp), %rcx
	mov	%rax, R_RAX(%rsp)
	incl	%gs:T_ANSWERED(,%rcx,4)
	addq	$2, R_RESUME(%rsp)	/* SITE_SYSCALL */
	jmp	agent_leave
2:	mov	%gs:T_SELF, %rdi
	mov	%rsp, %rsi
	call	agent_dispatch
	/* From here to the tail, a signal sends the thread back to agent_leave. */
	.globl	agent_leave
	.hidden	agent_leave
agent_leave:
	cmpl	$0, %gs:T_PENDING
	jne	agent_leave_signals
	restore
	lea	R_FRAME(%rsp), %rsp
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	/* All registers are the program's. */
	.globl	agent_tail
	.hidden	agent_tail
agent_tail:
	movl	$0, %gs:T_DEPTH
	.globl	agent_final
	.hidden	agent_final
agent_final:
	jmp	*%rcx
	.cfi_endproc
	.size	agent_entry, .-agent_entry

	.macro hand_on
	mov	R_FLAGS(%rsp), %eax
	add	$0x7f, %al
	sahf
	mov	R_RAX(%rsp), %rax
	lea	R_FRAME(%rsp), %rsp
	.cfi_def_cfa rsp, 0
	.cfi_register rip, r11
	jmp	*%r11
	.endm

/* In no critical section: a handler may interrupt this, and leave it for good. */
function agent_foreign_call
	.cfi_startproc simple
	.cfi_def_cfa rsp, R_FRAME
	.cfi_offset rip, R_SITE-R_FRAME
	unchanged %rax, %eax, 1b
	mov	R_RAX(%rsp), %rcx
	incl	%gs:T_CALLS(,%rcx,4)
	mov	%gs:T_USER, %rax
	test	%rax, %rax		/* a handler that forked may have come in between */
	je	1f
	mov	F_COUNT(%rax), %rax
	incq	(%rax)
1:	hand_on
	.cfi_endproc
	.size	agent_foreign_call, .-agent_foreign_call

/* Someone is inside with this thread's page: an unseen child of it, say. */
function agent_busy
	.cfi_startproc simple
	.cfi_def_cfa rsp, R_FRAME
	.cfi_offset rip, R_SITE-R_FRAME
	hand_on
	.cfi_endproc
	.size	agent_busy, .-agent_busy

/*
 * Signals came while the agent ran. They wait in the kernel, everything is
 * blocked. The state is on the program's stack by now, so that handlers may
 * run, call and jump as they like: open the mask, then go on.
 */
function agent_leave_signals
	.cfi_startproc simple
	.cfi_def_cfa rsp, R_FRAME
	.cfi_offset rip, R_RESUME-R_FRAME
	mov	%gs:T_SELF, %rdi
	mov	%rsp, %rsi
	call	agent_open_mask
	mov	$14, %eax		/* rt_sigprocmask(SIG_SETMASK, &mask, NULL, 8) */
	mov	$2, %edi
	lea	R_MASK(%rsp), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	movl	$0, %gs:T_DEPTH
	syscall
	restore
	lea	R_FRAME(%rsp), %rsp
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	jmp	*%rcx
	.cfi_endproc
	.size	agent_leave_signals, .-agent_leave_signals

/*
 * clone, clone3, fork, vfork: the call is made here, with all registers and
 * the stack as the program had them and all signals blocked (thread.c). The
 * child is born with its own page in %gs; the parent goes back to its own.
 * rcx and r11 are all there is to work with, in both.
 */
function agent_clone
	.cfi_startproc simple
	.cfi_def_cfa rsp, 0
	.cfi_undefined rip
	mov	%gs:T_CHILD, %rcx
	wrgsbase %rcx
	syscall
	mov	%rax, %rcx
	jrcxz	1f
	mov	%gs:T_PARENT, %rcx
	wrgsbase %rcx
1:	mov	%gs:T_RESUME, %r11
	mov	%rax, %rcx
	lahf
	seto	%al
	movl	$1, %gs:T_DEPTH
	frame
	save
	mov	%gs:T_SELF, %rdi
	mov	%rsp, %rsi
	call	agent_cloned
	jmp	agent_leave
	.cfi_endproc
	.size	agent_clone, .-agent_clone

/* What the kernel calls for a signal: agent_signal says whom to go on with, 0: nobody. */
function agent_signal_entry
	.cfi_startproc
	push	%rdi
	.cfi_adjust_cfa_offset 8
	push	%rsi
	.cfi_adjust_cfa_offset 8
	push	%rdx
	.cfi_adjust_cfa_offset 8
	call	agent_signal
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	pop	%rsi
	.cfi_adjust_cfa_offset -8
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	mov	%rax, %r11
	xor	%eax, %eax
	test	%r11, %r11
	je	1f
	jmp	*%r11
1:	ret
	.cfi_endproc
	.size	agent_signal_entry, .-agent_signal_entry

/* Only for SIGSEGV and SIGBUS while the program has no handler of its own for them. */
function agent_restorer
	mov	$15, %rax
	syscall
	.size	agent_restorer, .-agent_restorer

/*
 * exit of a thread whose page may be taken by another one as soon as *refs
 * says so: touches no memory afterwards. (refs, status)
 */
function agent_exit_thread
	mov	%rdi, %rax
	mov	%rsi, %rdi
	lock decl (%rax)
	mov	$60, %eax
	syscall
	hlt
	.size	agent_exit_thread, .-agent_exit_thread

	.section .note.GNU-stack, "", @progbits
