/* What the counters' indices are called, in labels and tables. NULL: an index that is not in use. */
#pragma once

#include "metrics/layout.h"

const char *metrics_op_name(unsigned op);
const char *metrics_path_name(unsigned path);
const char *metrics_result_name(unsigned result);
const char *metrics_handed_name(unsigned reason);
const char *metrics_inval_name(unsigned what);
