/* What an ELF file is known by: see sites/ident.h. */
#pragma once

#include "sites/table.h"

/* Its length, with the id in `id`; 0: it can't be read, or has no code. */
uint32_t file_id(const char *path, uint8_t id[TABLE_ID_MAX]);
