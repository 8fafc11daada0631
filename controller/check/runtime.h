/*
 * runtime: what the files of the group `runtime` share. One container is looked at after the other.
 */
#pragma once

#include "internal.h"

/* What the engine does to every container. */
struct runtime_engine {
	bool known, apparmor, selinux, seccomp_off, no_new_privileges, remaps;
	bool cgroup2;
	const char *root; /* where it keeps everything */
};

struct runtime {
	const struct check_input *in;
	struct check_report *report;
	struct runtime_engine engine;
	json_t *images; /* by id */
	const json_t *container;
	bool privileged;
	size_t unknown; /* values that containers ought to have and do not */
	const char *unknown_key;
};

/* The container's value. False, or NULL, where it has none: that is noted. */
bool runtime_flag(struct runtime *x, const char *key, bool *ret);
bool runtime_number(struct runtime *x, const char *key, json_int_t *ret);
const char *runtime_text(struct runtime *x, const char *key);

/* Notes that the container ought to have KEY and does not. */
void runtime_unknown(struct runtime *x, const char *key);

/* Whether its security options have NAME=VALUE (or NAME:VALUE, as of old); VALUE NULL: NAME alone. */
bool runtime_has_option(const struct runtime *x, const char *name, const char *value);

/* Whether the container's root is another user on the host. */
bool runtime_is_mapped(const struct runtime *x);

/* About the container; takes over the texts. */
void runtime_tell(struct runtime *x, const char *id, enum check_severity severity, char *evidence,
		  char *remedy);

void runtime_check_rights(struct runtime *x); /* capabilities, seccomp, AppArmor, … */
void runtime_check_mounts(struct runtime *x);
