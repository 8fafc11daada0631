/*
 * advisories: the known flaws of the engine's networking, and which releases have them.
 */
#pragma once

#include "internal.h"
#include "release.h"

/* ---- advisories.c ---- */

/* What a host needs to have besides the engine's release, for the flaw to matter there. */
enum advisory_needs {
	ADVISORY_BRIDGE_RA,	    /* a bridge that takes router advertisements */
	ADVISORY_ENCRYPTED_OVERLAY, /* an encrypted overlay network */
	ADVISORY_LOOPBACK_RESOLVER, /* an internal network, and a resolver in 127.0.0.0/8 */
	ADVISORY_IPV4_ONLY,	    /* a network without IPv6 */
	ADVISORY_FIREWALLD,	    /* firewalld */
};

struct advisory {
	const char *id;	  /* as "CVE-2023-28840" */
	const char *what; /* what the engine does */
	enum check_severity severity;
	enum advisory_needs needs;
	struct {
		const char *from;  /* the first that has it; NULL: there is none before */
		const char *fixed; /* the first that has it no more; NULL: no further range */
	} ranges[3];
	const char *source; /* of the ranges */
};

extern const struct advisory advisories[];
extern const size_t advisories_len;

/* The release that is to be had in R's own branch, or behind it, without the flaw. NULL: R does not have it. */
const char *advisory_fix(const struct advisory *a, const struct release *r);

/* ---- flaws.c ---- */

/* Makes the check engine-advisory of ENGINE, the posture's. */
void advisory_check(const struct check_input *in, const json_t *engine, struct check_report *ret);
