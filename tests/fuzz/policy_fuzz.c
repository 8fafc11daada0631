/*
 * Any bytes as a policy file: never a crash, and what is accepted is printed as YAML that is accepted
 * again and prints the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Prints what TEXT is; false where it has errors. */
static bool reprint(const char *text, size_t len, struct buf *out)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = policy_set_new();
	CLEANUP_BUF struct buf said = BUF_INIT;

	policy_parse(set, "fuzz.yaml", text, len, &p);
	policy_set_check(set, &p);
	policy_problems_print(&p, &said);
	if (policy_problems_errors(&p))
		return false;
	policy_set_print(set, out);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP_BUF struct buf first = BUF_INIT, second = BUF_INIT;

	if (!reprint((const char *)data, len, &first))
		return 0;
	if (first.len > 512 * 1024) /* groups spelled out may pass the limit of a document */
		return 0;
	bool good = reprint(buf_text(&first), first.len, &second);
	if (!good || strcmp(buf_text(&first), buf_text(&second)) != 0) {
		fprintf(stderr, "printed:\n%s\nand then:\n%s\n", buf_text(&first),
			buf_text(&second));
		abort();
	}
	return 0;
}
