/*
 * Does a program take the agent? Those of this architecture whose interpreter
 * is glibc's loader do, and scripts whose interpreter is such a program. What
 * is static has nobody to load it; Go's stacks are too small for it; for what
 * changes privileges the loader would drop it, but not the variable that
 * configures it.
 */
#pragma once

enum target {
	TARGET_TAKES_AGENT,
	TARGET_STATIC, /* or Go's, or of another architecture, C library or format */
	TARGET_PRIVILEGED,
	TARGET_UNREADABLE, /* or not there: whoever executes it will see */
};

/* As openat(2) finds `path` with `flags` (0 or O_NOFOLLOW). Opens and closes descriptors. Any thread, vfork child. */
enum target target_classify(int dir, const char *path, int flags);
