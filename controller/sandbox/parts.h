/*
 * parts: one function for each part of the sandbox. 0, or a negative errno with the reason in ERR.
 */
#pragma once

#include "quaywall/error.h"

int capabilities_drop(struct error *err);

/* no_new_privs or CAP_SYS_ADMIN must hold for both. */
int files_restrict(const char *const *writable, const char *const *appended, struct error *err);
int syscalls_restrict(struct error *err);
