/*
 * The control socket's protocol: docs/control.md. Each mount's daemon listens
 * on <runtime directory>/<name>.sock, of type SOCK_SEQPACKET: one message is
 * one request or one reply. Both ends are of the same machine and user, so the
 * structs travel as they lie in memory.
 */
#pragma once

#include <linux/limits.h>
#include <stdint.h>

#define CONTROL_MAGIC 0x4c544342u /* "BCTL" */
#define CONTROL_VERSION 1u
#define CONTROL_NAME_MAX 63u /* bytes in the name of a mount */

enum control_verb {
	CONTROL_INFO = 1,   /* reply: struct control_info */
	CONTROL_STALE = 3,  /* struct control_stale; reply: the head, when the kernel has forgotten */
	CONTROL_ATTACH = 2, /* reply: struct control_attach, with the pool's descriptor (SCM_RIGHTS) */
};

struct control_request {
	uint32_t magic;
	uint16_t version;
	uint16_t verb;	   /* enum control_verb */
	uint64_t reserved; /* 0 */
};

/* What a client has changed and the kernel may hold: as struct fs_stale. */
struct control_stale {
	struct control_request head;
	uint32_t ino;
	uint32_t marks;
	uint32_t len; /* of the name */
	char name[256];
	uint32_t reserved;
};

/* What each reply begins with. */
struct control_head {
	uint32_t magic;
	uint16_t version;
	uint16_t verb;
	int32_t error; /* 0 or -errno; on an error nothing but the head is to be used */
	uint32_t pid;  /* of the daemon */
};

struct control_attach {
	struct control_head head;
	uint64_t pool_size; /* bytes of the descriptor's file */
	uint64_t st_dev;    /* of the mount, for whoever tells its paths by it */
};

struct control_info {
	struct control_head head;
	uint64_t size, used; /* bytes of data */
	uint64_t inodes, inodes_used;
	uint64_t memory; /* bytes of memory behind the pool */
	uint64_t rollbacks;
	uint64_t started; /* seconds since the epoch */
	uint32_t clients, tasks;
	uint32_t in_memfd;     /* 1: the pool ends with the daemon */
	uint32_t longest_wait; /* for a lock whose owner turned out to be dead, us */
	char name[64];
	char mountpoint[PATH_MAX];
	char options[512]; /* comma-separated, as mount(8) takes them */
};

_Static_assert(sizeof(struct control_request) == 16, "wire format");
_Static_assert(sizeof(struct control_head) == 16, "wire format");
_Static_assert(sizeof(struct control_stale) == 16 + 12 + 256 + 4, "wire format");
_Static_assert(sizeof(struct control_attach) == 32, "wire format");
_Static_assert(sizeof(struct control_info) == 16 + 7 * 8 + 4 * 4 + 64 + PATH_MAX + 512, "wire format");
