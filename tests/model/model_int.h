/* The model's data and the functions that its parts share. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec.h"
#include "model.h"

#define MODEL_PAGE 4096
#define MODEL_HANDLES 64

/* A page of a file that is there. Sorted by index within the file. */
struct mpage {
	int64_t index;
	bool data; /* false: allocated by fallocate, never written: SEEK_DATA takes it for a hole */
	unsigned char *bytes;
};

struct mname {
	char *name;
	struct mnode *node;
};

struct mxattr {
	char *name;
	size_t len;
	unsigned char *value;
};

#define MACL_MAX 64
struct macl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
struct macl {
	int n; /* 0: there is none */
	struct macl_entry e[MACL_MAX];
};

struct mnode {
	struct fs_attr a;
	struct mnode *parent; /* directory: NULL once removed, itself at the root */
	struct mname *names;  /* directory */
	size_t nnames;
	struct mpage *pages; /* regular file */
	size_t npages;
	char *target; /* symbolic link */
	struct mxattr *xattrs;
	size_t nxattrs;
	struct macl access, dflt;
	int opens;
	bool linkable; /* O_TMPFILE, not linked yet */
};

struct model {
	struct model_options o;
	struct mnode **node; /* by inode number */
	size_t nnodes;
	struct mnode *handle[MODEL_HANDLES];
};

/* model.c */
struct mnode *m_get(struct model *m, fs_ino ino);
struct mnode *m_new(struct model *m, uint32_t mode);
void m_drop_if_unused(struct model *m, struct mnode *n);
struct mname *m_find(struct mnode *dir, struct fs_name name);
struct timespec m_now(void);
void m_touch(struct mnode *n); /* mtime and ctime */
void m_touch_atime(struct mnode *n);

/* model_perm.c */
bool m_cap(const struct fs_cred *c, uint32_t cap);
bool m_in_group(const struct fs_cred *c, gid_t gid);
bool m_owner(const struct fs_cred *c, const struct mnode *n);
int m_permission(const struct fs_cred *c, const struct mnode *n, int mask);
int m_sticky(const struct fs_cred *c, const struct mnode *dir, const struct mnode *victim);
void m_drop_privileges(const struct fs_cred *c, struct mnode *n); /* set-id bits, before a write */
uint32_t m_without_setid(const struct fs_cred *c, const struct mnode *n);
int model_access(void *s, const struct fs_cred *c, fs_ino ino, int mask);
int model_setattr(void *s, const struct fs_cred *c, fs_ino ino, unsigned set, const struct fs_attr *in,
		  struct fs_attr *out);

/* model_acl.c */
int m_acl_check(const struct macl *acl, const struct mnode *n, const struct fs_cred *c, int mask); /* -EAGAIN: none */
void m_acl_chmod(struct macl *acl, uint32_t mode);
void m_acl_inherit(const struct mnode *dir, struct mnode *n, uint32_t umask);
int m_acl_set(const struct fs_cred *c, struct mnode *n, bool dflt, const void *value, size_t size);
int m_acl_get(const struct macl *acl, void *value, size_t size);

/* model_data.c */
void m_set_size(struct mnode *n, int64_t size);
int64_t model_read(void *s, fs_ino ino, void *buf, size_t len, int64_t off, unsigned flags);
int64_t model_write(void *s, const struct fs_cred *c, fs_ino ino, const void *buf, size_t len, int64_t off,
		    unsigned flags, int64_t *end);
int model_fallocate(void *s, const struct fs_cred *c, fs_ino ino, int mode, int64_t off, int64_t len);
int64_t model_seek(void *s, fs_ino ino, int64_t off, int whence);
int64_t model_copy_range(void *s, const struct fs_cred *c, fs_ino in, int64_t in_off, fs_ino out, int64_t out_off,
			 uint64_t len);

/* model_names.c */
int model_lookup(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n, struct fs_attr *out);
int model_make(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n, const struct fs_new *new,
	       struct fs_attr *out);
int model_tmpfile(void *s, const struct fs_cred *c, fs_ino dir, const struct fs_new *new, uint32_t handle,
		  struct fs_attr *out);
int model_link(void *s, const struct fs_cred *c, fs_ino ino, fs_ino dir, struct fs_name n, struct fs_attr *out);
int model_unlink(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n);
int model_rmdir(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n);
int model_readdir(void *s, fs_ino dir, uint64_t cookie, struct fs_dirent *out, int n);
/* Finds a name as a path walk does: 0, -ENOENT, -EACCES... */
int m_lookup(struct model *m, const struct fs_cred *c, fs_ino dir, struct fs_name name, struct mnode **d,
	     struct mname **found);
int m_may_delete(const struct fs_cred *c, struct mnode *dir, struct mnode *victim, bool isdir);
void m_add_name(struct mnode *dir, struct fs_name name, struct mnode *n);
void m_remove_name(struct mnode *dir, struct mname *name);

/* model_rename.c */
int model_rename(void *s, const struct fs_cred *c, fs_ino olddir, struct fs_name oldname, fs_ino newdir,
		 struct fs_name newname, unsigned flags);

/* model_xattr.c */
int model_getxattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name, void *value, size_t size);
int model_setxattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name, const void *value, size_t size,
		   int flags);
int model_listxattr(void *s, const struct fs_cred *c, fs_ino ino, char *list, size_t size);
int model_removexattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name);
