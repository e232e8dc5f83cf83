/* The build id of an ELF file. */
#pragma once

#include "sites/table.h"

/* Its length, with the id in `id`; 0: it can't be read, or has none. */
uint32_t build_id_of(const char *path, uint8_t id[TABLE_ID_MAX]);
