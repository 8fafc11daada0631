/*
 * sandbox: a network namespace for a test, and nft(8) run in it.
 */
#pragma once

#include "quaywall/buf.h"

/* Puts this process into a fresh network namespace; the one before goes with the last of its users.
 * Exits with 77, which meson counts as skipped, where that is not permitted. */
void sandbox_enter(void);

/* Runs ARGV, which ends with NULL, and returns its exit code. OUT, unless NULL, gets what it prints. */
int sandbox_run(const char *const argv[], struct buf *out);

/* Runs nft with the words that follow, the last of which is NULL. */
int sandbox_nft(struct buf *out, ...) __attribute__((sentinel));

/* `nft -f` of TEXT. */
int sandbox_nft_load(const char *text);
