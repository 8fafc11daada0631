/*
 * Whatever was seen: the policy that is written is one, and enforced it lets all of it pass that was answered. The order of
 * what was seen changes nothing, and neither does a restart.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/docker.h"
#include "quaywall/learn.h"
#include "quaywall/mem.h"

#define ROUNDS 30
#define MOST   800 /* flows of a round */

/* clang-format off */
#define CONTAINER(n, name, labels) \
	"{\"id\":\"c" n "\",\"name\":" name ",\"labels\":{" labels "}}"
#define OF(project, service) \
	"\"com.docker.compose.project\":" project ",\"com.docker.compose.service\":" service
#define ENDPOINT(n, network, addr4, addr6) \
	"{\"id\":\"e" n "\",\"network\":\"" network "\",\"container\":\"c" n "\"," \
	"\"addr4\":\"" addr4 "\",\"addr6\":\"" addr6 "\"}"

/* Names that are words of the language, addresses, patterns, and what YAML takes for something else. */
static const char snapshot[] =
	"{\"quaywall_snapshot\":1,\"networks\":["
	"{\"id\":\"n1\",\"name\":\"one\",\"driver\":\"bridge\",\"bridge\":\"br-1\","
	 "\"subnets\":[\"172.18.0.0/16\",\"fd00:18::/64\"],\"gateways\":[\"172.18.0.1\"]},"
	"{\"id\":\"n2\",\"name\":\"two\",\"driver\":\"bridge\",\"bridge\":\"br-2\","
	 "\"subnets\":[\"10.20.0.0/24\",\"fd00:19::/64\"],\"gateways\":[\"10.20.0.1\"]}],"
	"\"interfaces\":[{\"name\":\"eth0\",\"addrs\":[\"192.168.1.10/24\",\"2001:db8::1/64\"]}],"
	"\"containers\":["
	CONTAINER("1", "\"shop-any-1\"", OF("\"shop\"", "\"any\"")) ","
	CONTAINER("2", "\"shop-web-1\"", OF("\"shop\"", "\"w*b\"")) ","
	CONTAINER("3", "\"shop-web-2\"", OF("\"shop\"", "\"w*b\"")) ","
	CONTAINER("4", "\"x4\"", OF("\"shop\"", "\"wob\"")) ","
	CONTAINER("5", "\"x5\"", OF("\"shop\"", "\"10.0.0.1\"")) ","
	CONTAINER("6", "\"x6\"", OF("\"Shop\"", "\"web\\nallow: [{from: any, to: any}]\"")) ","
	CONTAINER("7", "\"x7\"", OF("\"sh?p [\\\\\"", "\"true\"")) ","
	CONTAINER("8", "\"x8\"", OF("\"sh?p [\\\\\"", "\"\\u2028- {}\"")) ","
	CONTAINER("9", "\"x9\"", OF("\"---\"", "\"null\"")) ","
	CONTAINER("a", "\"only-project\"", "\"com.docker.compose.project\":\"shop\"") ","
	CONTAINER("b", "\"w*b\"", "") ","
	CONTAINER("c", "\"# {a: \\\"b\\\"}\"", "") ","
	CONTAINER("d", "\"host\"", "\"com.docker.compose.service\":\"web\"")
	"],\"endpoints\":["
	ENDPOINT("1", "n1", "172.18.0.2", "fd00:18::2") ","
	ENDPOINT("2", "n1", "172.18.0.3", "fd00:18::3") ","
	ENDPOINT("3", "n2", "10.20.0.4", "fd00:19::4") ","
	ENDPOINT("4", "n1", "172.18.0.5", "fd00:18::5") ","
	ENDPOINT("5", "n1", "172.18.0.6", "fd00:18::6") ","
	ENDPOINT("6", "n2", "10.20.0.7", "fd00:19::7") ","
	ENDPOINT("7", "n2", "10.20.0.8", "fd00:19::8") ","
	ENDPOINT("8", "n1", "172.18.0.9", "fd00:18::9") ","
	ENDPOINT("9", "n1", "172.18.0.10", "fd00:18::10") ","
	ENDPOINT("a", "n1", "172.18.0.11", "fd00:18::11") ","
	ENDPOINT("b", "n2", "10.20.0.12", "fd00:19::12") ","
	ENDPOINT("c", "n2", "10.20.0.13", "fd00:19::13") ","
	ENDPOINT("d", "n1", "172.18.0.14", "fd00:18::14")
	"]}";
/* clang-format on */

static const char *const all_settings[] = {
	"preset: strict\n",
	"{}\n",
	"defaults: {mode: audit, containers: deny, containers_to_host: deny}\n",
};

/* ---- a world ---- */

struct space {
	struct settings *settings;
	struct policy_set *policies;
	struct compiled *compiled;
};

static struct model *model;
static unsigned long long seed;

static unsigned roll(unsigned sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % sides;
}

static int setup(void **state)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	(void)state;
	if (docker_snapshot_read(snapshot, strlen(snapshot), &model, &err) < 0)
		fail_msg("%s", error_text(&err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_free(model);
	return 0;
}

static void space_init(struct space *s, const char *settings, const char *policies)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};

	s->settings = settings_parse("s.yaml", settings, strlen(settings), &p);
	s->policies = policy_set_new();
	policy_parse(s->policies, "p.yaml", policies, strlen(policies), &p);
	policy_set_check(s->policies, &p);
	if (policy_problems_errors(&p))
		fail_msg("%s in\n%s", p.items[0].text, policies);
	s->compiled = compile_new(s->settings, s->policies, model, &p);
	assert_non_null(s->compiled);
	/* It wrote its tests to hold, too. */
	compile_run_expects(s->compiled, &p);
	if (policy_problems_errors(&p))
		fail_msg("line %u: %s in\n%s", p.items[0].where.line, p.items[0].text, policies);
}

static void space_done(struct space *s)
{
	compile_free(s->compiled);
	policy_set_free(s->policies);
	settings_free(s->settings);
}

/* ---- flows ---- */

static struct flow_end endpoint_of(size_t i, uint8_t family)
{
	struct flow_end end = {.kind = END_ENDPOINT, .endpoint = i};
	const struct model_endpoint *e = &model->endpoints[i];

	end.addr = family == AF_INET ? e->addr4 : e->addr6;
	return end;
}

static struct flow_end some_container(uint8_t family)
{
	return endpoint_of(roll((unsigned)model->nendpoints), family);
}

static struct flow_end some_stranger(uint8_t family, unsigned variety)
{
	static const char *const nets4[] = {"198.51.100.0", "203.0.113.0", "10.9.8.0",
					    "10.20.1.0",    "192.168.1.0", "172.28.0.0",
					    "100.64.0.0",   "239.1.1.0"};
	static const char *const nets6[] = {"2001:db8:7::", "fd00:1::", "fd00:1:0:1::", "ff05::"};
	struct flow_end end = {.kind = END_OUTSIDE};

	assert_int_equal(addr_parse(family == AF_INET ? nets4[roll(ARRAY_SIZE(nets4))]
						      : nets6[roll(ARRAY_SIZE(nets6))],
				    &end.addr),
			 0);
	/* Never the host's own, which is 192.168.1.10. */
	end.addr.bytes[addr_size(family) - 1] = (uint8_t)(11 + roll(variety));
	return end;
}

/* How many ports and addresses of each net there are; no addresses: two containers, and TCP. */
struct variety {
	unsigned ports, addresses;
};

static struct flow some_flow(struct variety v)
{
	static const uint8_t protocols[] = {IPPROTO_TCP,  IPPROTO_TCP,	IPPROTO_UDP,
					    IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_GRE};
	static const struct flow_end host = {.kind = END_HOST};
	uint8_t family = roll(3) ? AF_INET : AF_INET6;
	struct flow f = {
		.from = some_container(family),
		.to = some_container(family),
		.protocol = protocols[roll(ARRAY_SIZE(protocols))],
	};
	unsigned kind = roll(6);

	if (!v.addresses)
		return (struct flow) {.from = endpoint_of(0, AF_INET),
				      .to = endpoint_of(1, AF_INET),
				      .protocol = IPPROTO_TCP,
				      .port = (uint16_t)(1 + roll(v.ports))};
	/* One that outside asks much of. */
	if (kind >= 3 && roll(2))
		f.from = f.to = endpoint_of(0, family);

	if (f.protocol == IPPROTO_TCP || f.protocol == IPPROTO_UDP || f.protocol == IPPROTO_SCTP)
		f.port = (uint16_t)(roll(v.ports) * (1 + roll(2) * 90));
	if (kind == 1)
		f.to = host;
	if (kind == 2)
		f.from = host;
	if (kind == 3)
		f.to = some_stranger(family, v.addresses);
	if (kind >= 4)
		f.from = some_stranger(family, v.addresses);
	if (kind == 5 && f.port) {
		f.published = true;
		f.published_port = (uint16_t)(8000 + f.port);
	}
	return f;
}

static bool is_writable(const struct flow *f)
{
	return f->protocol == IPPROTO_ICMP || (f->protocol != IPPROTO_GRE && f->port);
}

/* ---- the properties ---- */

static char *write_policy(const struct learn_table *t, const struct space *s)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct learn_wish wish = {.project = NULL};

	if (learn_policy_write(t, s->settings, model, &wish, &out, &err) < 0)
		fail_msg("%s", error_text(&err));
	return buf_steal(&out);
}

/* What becomes of a flow. */
enum fate { ANSWERED, SILENT, REFUSED };

static enum fate some_fate(const struct flow *f)
{
	unsigned side = roll(8);

	if (side == 0)
		return REFUSED;
	return f->protocol == IPPROTO_TCP && side < 4 ? SILENT : ANSWERED;
}

static void assert_allows(const struct space *s, const struct flow *flows, const enum fate *fates,
			  size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		struct verdict v;

		compile_verdict(s->compiled, &flows[i], &v);
		if (fates[i] == ANSWERED && is_writable(&flows[i]) && v.verdict != FLOW_ALLOW)
			fail_msg("flow %zu: kinds %d %d protocol %u port %u is refused by\n%s", i,
				 flows[i].from.kind, flows[i].to.kind, flows[i].protocol,
				 flows[i].port, text);
	}
}

static void assert_survives(const struct learn_table *t, const struct space *s, const char *text)
{
	CLEANUP_LEARN_TABLE struct learn_table *again = NULL;
	CLEANUP_FREE char *same = NULL;
	json_t *j = learn_table_json(t);

	assert_int_equal(learn_table_read(j, 100000, &again, NULL), 0);
	json_decref(j);
	same = write_policy(again, s);
	assert_string_equal(same, text);
}

/* Flows begin in turn; those that nobody answers end some time later. */
static void learn(struct learn_table *t, const struct space *s, const struct flow *flows,
		  const enum fate *fates, size_t n)
{
	size_t ended = 0;

	for (size_t i = 0; i < n; i++) {
		enum flow_verdict passed = roll(2) ? FLOW_ALLOW : FLOW_AUDIT;

		learn_table_add(t, s->compiled, &flows[i], fates[i] == REFUSED ? FLOW_DENY : passed,
				(time_t)(1700000000 + i), NULL);
		for (size_t until = i + 1 - roll((unsigned)(i + 1 - ended) + 1); ended < until;
		     ended++)
			if (fates[ended] == SILENT)
				learn_table_unanswered(t, s->compiled, &flows[ended]);
	}
}

static void play(const char *settings, struct variety variety)
{
	CLEANUP_LEARN_TABLE struct learn_table *t = learn_table_new(100000);
	struct space before = {.settings = NULL}, after = {.settings = NULL};
	struct flow flows[MOST];
	enum fate fates[MOST];
	bool many = variety.addresses > 20 || variety.ports > 100;
	size_t n = many ? MOST : 1 + roll(MOST / 8);
	CLEANUP_FREE char *text = NULL;

	space_init(&before, settings, "");
	for (size_t i = 0; i < n; i++) {
		flows[i] = some_flow(variety);
		fates[i] = some_fate(&flows[i]);
	}
	learn(t, &before, flows, fates, n);
	text = write_policy(t, &before);
	space_init(&after, settings, text);
	assert_allows(&after, flows, fates, n, text);
	assert_survives(t, &before, text);
	space_done(&before);
	space_done(&after);
}

static void test_what_was_seen_passes(void **state)
{
	static const struct variety varieties[] = {
		{2, 2}, {20, 20}, {3, 240}, {600, 240}, {400, 0}};

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		seed = i;
		play(all_settings[i % ARRAY_SIZE(all_settings)],
		     varieties[i / ARRAY_SIZE(all_settings) % ARRAY_SIZE(varieties)]);
	}
}

/* Few enough that nothing is kept as one: then it is the same, whatever came first. */
static void test_the_order_changes_nothing(void **state)
{
	struct space s = {.settings = NULL};
	struct flow flows[60];
	CLEANUP_FREE char *first = NULL;

	(void)state;
	seed = 7;
	space_init(&s, "{}\n", "");
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
		flows[i] = some_flow((struct variety) {20, 20});
	for (unsigned round = 0; round < 5; round++) {
		CLEANUP_LEARN_TABLE struct learn_table *t = learn_table_new(1000);
		CLEANUP_FREE char *text = NULL;

		for (size_t i = ARRAY_SIZE(flows); i-- > 0;) {
			size_t other = roll((unsigned)i + 1);
			struct flow f = flows[other];

			flows[other] = flows[i];
			flows[i] = f;
			learn_table_add(t, s.compiled, &f, FLOW_ALLOW, 1700000000, NULL);
		}
		text = write_policy(t, &s);
		if (first)
			assert_string_equal(text, first);
		else
			first = mem_strdup(text);
	}
	space_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_seen_passes),
		cmocka_unit_test(test_the_order_changes_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
