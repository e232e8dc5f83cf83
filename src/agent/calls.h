/* Which calls the engine sees, and its own handlers among them. */
#pragma once

/* Registers them. Before agent_setup, which may replace or extend. */
void calls_register(void);
