/*
 * What the examples share: the few types of the kernel that they read, so that
 * they build where the kernel offers no BTF. preserve_access_index has libbpf
 * look up the offsets where they run (CO-RE).
 */
#pragma once

#include <linux/bpf.h>
#include <linux/errno.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "btfuse/helpers.h"

typedef __u8 u8;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct trace_entry {
	unsigned short type;
	unsigned char flags;
	unsigned char preempt_count;
	int pid;
};

struct trace_event_raw_sys_enter {
	struct trace_entry ent;
	long id;
	unsigned long args[6];
};

struct trace_event_raw_sys_exit {
	struct trace_entry ent;
	long id;
	long ret;
};

#pragma clang attribute pop

struct pt_regs;

char LICENSE[] SEC("license") = "Dual MIT/GPL";
