/* A static program, which no agent gets into: w writes a line, r reads one without a buffer, l locks descriptor 9. */
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char c = argc > 1 ? argv[1][0] : 0;

	if (c == 'w')
		return write(1, "static\n", 7) != 7;
	if (c == 'l')
		return flock(9, LOCK_EX | LOCK_NB) != 0;
	if (c != 'r')
		return 2;
	while (read(0, &c, 1) == 1) {
		if (write(1, &c, 1) != 1)
			return 1;
		if (c == '\n')
			break;
	}
	return 0;
}
