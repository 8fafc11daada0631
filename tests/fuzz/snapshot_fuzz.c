/*
 * Any bytes as a snapshot file. Never a crash; what is accepted is written as a snapshot that reads back
 * as the same, and can be compiled with policies.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/compile.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char yaml[] =
	"policy: shop\n"
	"for: {project: \"*\"}\n"
	"allow: [{from: {}, to: {service: db}, ports: [5432]}, {from: {}, to: host}]\n"
	"publish: [{to: {}, port: 443, from: any}]\n";

static struct settings *settings;
static struct policy_set *policies;

static void check(const struct model *m)
{
	CLEANUP_BUF struct buf first = BUF_INIT, second = BUF_INIT;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *again = NULL;

	docker_snapshot_write(m, &first);
	if (docker_snapshot_read(buf_text(&first), first.len, &again, &err) == 0)
		docker_snapshot_write(again, &second);
	if (!strcmp(buf_text(&first), buf_text(&second)))
		return;
	fprintf(stderr, "%s\nwritten:\n%s\nand then:\n%s\n", error_text(&err), buf_text(&first),
		buf_text(&second));
	abort();
}

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
	check(m);
	compile_free(compile_new(settings, policies, m, NULL));
	return 0;
}
