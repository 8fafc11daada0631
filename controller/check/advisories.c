/*
 * The table: a row is data. A range ends with the release that mended its branch; branches between that were never
 * mended are in the range that ends with the next one. "GHSA" is the advisory of the moby repository at GitHub.
 */
#include "advisories.h"

#include <stdlib.h>

#include "quaywall/mem.h"

const struct advisory advisories[] = {
	{"CVE-2020-13401",
	 "a container with NET_RAW makes itself the host's IPv6 router by a forged advertisement",
	 CHECK_MEDIUM,
	 ADVISORY_BRIDGE_RA,
	 {{NULL, "19.03.11"}},
	 "CVE-2020-13401; Docker Engine 19.03 release notes, 19.03.11"},
	{"CVE-2023-28840",
	 "an encrypted overlay network takes clear text",
	 CHECK_HIGH,
	 ADVISORY_ENCRYPTED_OVERLAY,
	 {{"1.12.0", "20.10.24"}, {"23.0.0", "23.0.3"}},
	 "GHSA-232p-vwff-86mp"},
	{"CVE-2023-28841",
	 "an encrypted overlay network sends clear text where the kernel has no xt_u32",
	 CHECK_MEDIUM,
	 ADVISORY_ENCRYPTED_OVERLAY,
	 {{"1.12.0", "20.10.24"}, {"23.0.0", "23.0.3"}},
	 "GHSA-33pg-m6jh-5237"},
	{"CVE-2023-28842",
	 "an encrypted overlay network takes clear text while it has a single endpoint",
	 CHECK_MEDIUM,
	 ADVISORY_ENCRYPTED_OVERLAY,
	 {{"1.12.0", "20.10.24"}, {"23.0.0", "23.0.3"}},
	 "GHSA-6wrf-mxfj-pf5p"},
	{"CVE-2024-29018",
	 "containers of internal networks reach the outside by names that they ask for",
	 CHECK_MEDIUM,
	 ADVISORY_LOOPBACK_RESOLVER,
	 {{NULL, "23.0.11"}, {"24.0.0", "25.0.5"}, {"26.0.0", "26.0.0-rc3"}},
	 "GHSA-mq39-4gv4-mvpx"},
	{"CVE-2024-32473",
	 "interfaces in networks without IPv6 have IPv6",
	 CHECK_MEDIUM,
	 ADVISORY_IPV4_ONLY,
	 {{"26.0.0", "26.0.2"}},
	 "GHSA-x84c-p2g9-rqv9"},
	{"CVE-2025-54388",
	 "firewalld's reload opens published ports to neighbours that have a route",
	 CHECK_MEDIUM,
	 ADVISORY_FIREWALLD,
	 {{"28.2.0", "28.3.3"}},
	 "GHSA-x4rx-4gw3-53p4; the range from moby's commits a0ff0a3 and 0739307"},
	{"CVE-2025-54410",
	 "firewalld's reload takes away what keeps bridge networks from each other",
	 CHECK_LOW,
	 ADVISORY_FIREWALLD,
	 {{NULL, "25.0.13"}, {"26.0.0", "28.0.0"}},
	 "GHSA-4vq8-7jfc-9cvp"},
};
const size_t advisories_len = ARRAY_SIZE(advisories);

static struct release release_of(const char *text)
{
	struct release r = {.stage = 0};

	if (release_parse(text, &r) < 0)
		abort(); /* a row of the table: a test reads each */
	return r;
}

const char *advisory_fix(const struct advisory *a, const struct release *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->ranges) && a->ranges[i].fixed; i++) {
		struct release from = release_of(a->ranges[i].from ? a->ranges[i].from : "1.0.0");
		struct release fixed = release_of(a->ranges[i].fixed);

		/* What leads to the first one of a branch has what that one has. */
		if (release_compare_numbers(r, &from) >= 0 && release_compare(r, &fixed) < 0)
			return a->ranges[i].fixed;
	}
	return NULL;
}
