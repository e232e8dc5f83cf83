/* Standard error goes to a memfd for a while, and its last line is read from there. */
#include "control/capture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void capture_begin(struct capture *c)
{
	c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	c->file = memfd_create("stderr", MFD_CLOEXEC);
	if (c->saved >= 0 && c->file >= 0)
		dup2(c->file, STDERR_FILENO);
}

static void last_line(char *text)
{
	size_t len = strlen(text);
	char *nl;

	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	nl = strrchr(text, '\n');
	if (nl)
		memmove(text, nl + 1, strlen(nl + 1) + 1);
}

void capture_end(struct capture *c, char *text, size_t size)
{
	ssize_t n = -1;

	if (c->saved >= 0) {
		dup2(c->saved, STDERR_FILENO);
		close(c->saved);
	}
	if (c->file >= 0) {
		n = pread(c->file, text, size - 1, 0);
		close(c->file);
	}
	text[n > 0 ? n : 0] = '\0';
	last_line(text);
}
