/*
 * Any bytes as a snapshot file. Never a crash; what is accepted is written as a snapshot that reads back
 * as the same, and can be compiled with policies.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/compile.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"

#include "check_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char yaml[] =
	"policy: shop\n"
	"for: {project: \"*\"}\n"
	"allow: [{from: {}, to: {service: db}, ports: [5432]}, {from: {}, to: host}]\n"
	"publish: [{to: {}, port: 443, from: any}]\n";

static struct settings *settings;
static struct policy_set *policies;

static void load_policies(void)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};

	if (policies)
		return;
	settings = settings_new();
	policies = policy_set_new();
	policy_parse(policies, "shop.yaml", yaml, strlen(yaml), &p);
	policy_set_check(policies, &p);
	if (policy_problems_errors(&p))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *m = NULL;

	load_policies();
	if (docker_snapshot_read((const char *)data, len, &m, &err) < 0)
		return 0;
	check_model(m);
	compile_free(compile_new(settings, policies, m, NULL));
	return 0;
}
