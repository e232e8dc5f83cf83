/*
 * The header "Accept": ranges of media types, each with a weight (RFC 9110, 12.5.1).
 * Prometheus asks for OpenMetrics with the highest one; a browser or curl does not.
 */
#include "exporter/accept.h"

#include <stdlib.h>
#include <string.h>

/* The weight among the parameters of one range. */
static double weight(const char *range, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++)
		if (range[i] == ';' || range[i] == ' ')
			if ((range[i + 1] == 'q' || range[i + 1] == 'Q') && range[i + 2] == '=')
				return strtod(range + i + 3, NULL);
	return 1;
}

static bool is(const char *range, size_t len, const char *type)
{
	size_t n = strlen(type);

	return len >= n && strncasecmp(range, type, n) == 0 &&
	       (len == n || range[n] == ';' || range[n] == ' ' || range[n] == '\t');
}

bool accept_open_metrics(const char *accept)
{
	double open = 0, plain = 0;

	while (accept && *accept) {
		size_t len;

		accept += strspn(accept, ", \t");
		len = strcspn(accept, ",");
		if (is(accept, len, "application/openmetrics-text")) {
			double w = weight(accept, len);

			open = w > open ? w : open;
		} else if (is(accept, len, "text/plain")) {
			double w = weight(accept, len);

			plain = w > plain ? w : plain;
		}
		accept += len;
	}
	return open > 0 && open >= plain;
}
