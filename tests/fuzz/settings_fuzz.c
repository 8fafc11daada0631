/*
 * Any bytes as the settings: never a crash; NULL exactly where there are errors.
 */
#include <stdlib.h>

#include "quaywall/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_SETTINGS struct settings *s =
		settings_parse("conf/fuzz.yaml", (const char *)data, len, &p);
	CLEANUP_BUF struct buf said = BUF_INIT;

	policy_problems_print(&p, &said);
	if ((s == NULL) != (policy_problems_errors(&p) > 0))
		abort();
	return 0;
}
