/*
 * Any JSON as a posture, of a host that has something for each group to look at. Never a crash; what is found can be
 * printed, is the same when it is looked for again, and stands with its id in the catalogue.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/check.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"

#define NOW INT64_C(1796000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char snapshot[] =
	"{\"quaywall_snapshot\": 1, \"engine\": {\"name\": \"Docker Engine\", \"version\": \"20.10.24\"},"
	" \"networks\": ["
	"{\"id\": \"n1\", \"name\": \"front\", \"driver\": \"bridge\", \"bridge\": \"br-front\","
	" \"subnets\": [\"172.18.0.0/16\"], \"gateways\": [\"172.18.0.1\"]},"
	"{\"id\": \"n2\", \"name\": \"secret\", \"driver\": \"overlay\", \"scope\": \"swarm\","
	" \"encrypted\": true, \"vnis\": [4098], \"peers\": [\"10.0.0.1\", \"192.0.2.2\"]}],"
	" \"containers\": ["
	"{\"id\": \"c1\", \"name\": \"web\", \"image\": \"nginx\", \"network_mode\": \"front\","
	" \"ports\": [{\"protocol\": \"tcp\", \"container_port\": 80, \"host_port\": 80,"
	" \"host_addr\": \"0.0.0.0\"}]},"
	"{\"id\": \"c2\", \"name\": \"open\", \"image\": \"nginx\", \"network_mode\": \"host\"}],"
	" \"endpoints\": [{\"id\": \"e1\", \"network\": \"n1\", \"container\": \"c1\", \"name\": \"web\","
	" \"addr4\": \"172.18.0.2\"}],"
	" \"interfaces\": [{\"name\": \"eth0\", \"index\": 2, \"addrs\": [\"10.0.0.1/24\"]}]}";

static struct compiled *compiled;

static void compile(void)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model *m = NULL;

	if (compiled)
		return;
	if (docker_snapshot_read(snapshot, strlen(snapshot), &m, &err) < 0)
		abort();
	/* They live as long as this program. */
	compiled = compile_new(settings_new(), policy_set_new(), m, NULL);
	if (!compiled)
		abort();
}

static void check_catalogue(const struct check_report *r)
{
	for (size_t i = 0; i < r->findings.len; i++)
		if (check_find(r->findings.items[i].check->id) != r->findings.items[i].check)
			abort();
	for (size_t i = 0; i < r->gaps.len; i++)
		if (!check_list_has(r->gaps.items[i].group, r->gaps.items[i].group, NULL))
			abort();
}

static json_t *look(const json_t *posture)
{
	const struct check_input in = {
		.compiled = compiled, .posture = posture, .now = (time_t)NOW};
	struct check_report report = {.findings = {.items = NULL}};
	json_t *answer;
	char *text;

	check_run(&in, &report);
	check_catalogue(&report);
	answer = check_report_answer(&report, (time_t)NOW);
	check_report_done(&report);
	text = json_dumps(answer, 0);
	if (!text)
		abort();
	free(text);
	return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	json_t *posture = json_loadb((const char *)data, len, 0, NULL), *once, *twice;

	compile();
	if (!posture)
		return 0;
	once = look(posture);
	twice = look(posture);
	if (!json_equal(once, twice))
		abort();
	json_decref(once);
	json_decref(twice);
	json_decref(posture);
	return 0;
}
