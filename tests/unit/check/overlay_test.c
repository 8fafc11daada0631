#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/check.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"

/* Two nodes, a network between them that is plain and one that is declared encrypted: as a manager of 20.10 tells of them. */
#define SNAPSHOT(own)                                                                            \
	"{\"quaywall_snapshot\": 1, \"networks\": ["                                             \
	"{\"id\": \"n1\", \"name\": \"plain\", \"driver\": \"overlay\", \"scope\": \"swarm\", "  \
	" \"vnis\": [4097], \"peers\": [\"" own "\", \"192.0.2.2\"]},"                           \
	"{\"id\": \"n2\", \"name\": \"secret\", \"driver\": \"overlay\", \"scope\": \"swarm\", " \
	" \"encrypted\": true, \"vnis\": [4098], \"peers\": [\"" own "\", \"192.0.2.2\"]}],"     \
	"\"interfaces\": [{\"name\": \"eth0\", \"index\": 2, \"addrs\": [\"" own "/24\"]}]}"

#define PRIVATE SNAPSHOT("10.0.0.1")
#define PUBLIC	SNAPSHOT("203.0.113.1")

#define DEVICES \
	"'vxlan': [{'name': 'vxlan0', 'vni': 4097, 'port': 4789}, {'name': 'vxlan0', 'vni': 4098, 'port': 4789}]"
#define POLICY                                                                                        \
	"{'dir': 'out', 'src': '10.0.0.1/32', 'dst': '192.0.2.2/32', 'protocol': 17, 'dport': 4789, " \
	"'mark': 13681891, 'templates': [{'src': '10.0.0.1', 'dst': '192.0.2.2', 'spi': 7, "          \
	"'reqid': 13681891, 'protocol': 50}]}"
#define STATE(from, to, spi, what)                          \
	"{'src': '" from "', 'dst': '" to "', 'spi': " #spi \
	", 'reqid': 13681891, 'protocol': 50, " what "}"
#define GCM	  "'aead': 'rfc4106(gcm(aes))'"
#define OUT(what) STATE("10.0.0.1", "192.0.2.2", 7, what)
#define IN	  STATE("192.0.2.2", "10.0.0.1", 8, GCM)

struct case_ {
	const char *snapshot, *settings, *overlay; /* overlay: the posture's, or NULL: none */
	const char *listening;			   /* likewise, or NULL */
};

/* JSON with apostrophes for quotes, to be read by people. */
static json_t *json_of(const char *text)
{
	CLEANUP_FREE char *copy = mem_strdup(text);
	json_t *json;

	for (char *at = copy; (at = strchr(at, '\'')); at++)
		*at = '"';
	json = json_loads(copy, JSON_DECODE_ANY, NULL);
	assert_non_null(json);
	return json;
}

static json_t *posture_of(const struct case_ *c)
{
	json_t *host = json_object();

	if (c->overlay)
		json_object_set_new(host, "overlay", json_of(c->overlay));
	if (c->listening)
		json_object_set_new(host, "listening", json_of(c->listening));
	return json_pack("{s:i, s:o}", "version", 1, "host", host);
}

static void run(const struct case_ *c, struct check_report *ret)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *m = NULL;
	const char *settings = c->settings ? c->settings : "";
	CLEANUP_SETTINGS struct settings *s = settings_parse("s", settings, strlen(settings), &p);
	struct policy_set *set = NULL;
	struct compiled *compiled;
	json_t *posture = posture_of(c);

	if (docker_snapshot_read(c->snapshot, strlen(c->snapshot), &m, &err) < 0)
		fail_msg("%s", error_text(&err));
	assert_non_null(s);
	assert_int_equal(policy_files_parse(&(struct policy_files) {0}, &p, &set), 0);
	compiled = compile_new(s, set, m, &p);
	assert_non_null(compiled);
	check_run(&(struct check_input) {.compiled = compiled, .posture = posture, .now = 1000},
		  ret);
	compile_free(compiled);
	policy_set_free(set);
	json_decref(posture);
}

static const struct check_finding *find(const struct check_report *r, const char *id)
{
	for (size_t i = 0; i < r->findings.len; i++)
		if (!strcmp(r->findings.items[i].check->id, id))
			return &r->findings.items[i];
	return NULL;
}

static size_t gaps_of(const struct check_report *r, const char *group)
{
	size_t n = 0;

	for (size_t i = 0; i < r->gaps.len; i++)
		n += !strcmp(r->gaps.items[i].group, group);
	return n;
}

/* SEVERITY -1: no such finding. EVIDENCE: a part of it, or NULL. */
static void expect(const struct case_ *c, const char *id, int severity, const char *subject,
		   const char *evidence)
{
	CLEANUP_CHECK_REPORT struct check_report r = {.findings = {.items = NULL}};
	const struct check_finding *f;

	run(c, &r);
	f = find(&r, id);
	if (severity < 0) {
		if (f)
			fail_msg("%s: %s", id, f->evidence);
		return;
	}
	if (!f)
		fail_msg("no %s", id);
	assert_int_equal(f->severity, severity);
	assert_string_equal(f->subject, subject);
	if (evidence && !strstr(f->evidence, evidence))
		fail_msg("'%s' is not in '%s'", evidence, f->evidence);
}

static const char *xfrm(const char *policies, const char *states, char **ret)
{
	free(*ret);
	*ret = mem_printf(
		"{" DEVICES
		", 'xfrm': {'policies': [%s], 'states': [%s], 'stat': {}}, 'traffic': []}",
		policies, states);
	return *ret;
}

static void test_ipsec(void **state)
{
	static const struct {
		const char *policies, *states, *evidence; /* NULL: as it should be */
	} cases[] = {
		{POLICY, OUT(GCM) "," IN, NULL},
		{POLICY, OUT("'cipher': 'cbc(aes)', 'auth': 'hmac(sha1)'") "," IN, NULL},
		{"", "", "no policy"},
		{POLICY, "", "no state with a cipher: nothing"},
		{POLICY, OUT("'cipher': 'ecb(cipher_null)', 'auth': 'hmac(sha1)'") "," IN,
		 "nothing"},
		{POLICY, OUT("'aead': '', 'auth': 'hmac(sha1)'") "," IN, "nothing"},
		{POLICY, STATE("10.0.0.1", "192.0.2.2", 9, GCM) "," IN,
		 "nothing"}, /* of another SPI */
		{POLICY, STATE("10.0.0.1", "192.0.2.3", 7, GCM) "," IN, "nothing"},
		{POLICY, OUT(GCM), "what comes from it"},
	};
	CLEANUP_FREE char *text = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct case_ c = {.snapshot = PRIVATE};

		c.overlay = xfrm(cases[i].policies, cases[i].states, &text);
		expect(&c, "overlay-no-ipsec", cases[i].evidence ? CHECK_CRITICAL : -1,
		       "network secret", cases[i].evidence);
	}
}

/* Where the network has no device, nothing of it is sent; and what was not read is said, and not passed. */
static void test_ipsec_that_is_not_looked_at(void **state)
{
	const struct case_ away = {
		.snapshot = PRIVATE,
		.overlay = "{'vxlan': [], 'xfrm': {'policies': [], 'states': []}, 'traffic': []}"};
	const struct case_ unread = {.snapshot = PRIVATE,
				     .overlay = "{" DEVICES ", 'xfrm': null, 'traffic': []}"};
	CLEANUP_CHECK_REPORT struct check_report r = {.findings = {.items = NULL}};

	(void)state;
	expect(&away, "overlay-no-ipsec", -1, NULL, NULL);
	expect(&unread, "overlay-no-ipsec", -1, NULL, NULL);
	run(&unread, &r);
	assert_int_equal(gaps_of(&r, "overlay"), 1);
}

#define TRAFFIC(way, kind, vni, peer)                                               \
	"{" DEVICES ", 'xfrm': null, 'traffic': [{'way': '" way "', 'kind': '" kind \
	"', 'vni': " #vni ", 'peer': '" peer "', 'packets': 3, 'bytes': 300, 'last': 990}]}"

static void test_cleartext(void **state)
{
	struct case_ c = {.snapshot = PRIVATE,
			  .overlay = TRAFFIC("out", "clear", 4098, "192.0.2.2")};

	(void)state;
	expect(&c, "overlay-cleartext", CHECK_CRITICAL, "network secret",
	       "3 datagrams (300 bytes) of VNI 4098 to 192.0.2.2, the last one 10 s ago");
	c.settings = "overlay: {plaintext: deny-encrypted}";
	expect(&c, "overlay-cleartext", CHECK_MEDIUM, "network secret", "refused");
	c.settings = NULL;
	c.overlay = TRAFFIC("out", "clear", 4097, "192.0.2.2"); /* of the plain one */
	expect(&c, "overlay-cleartext", -1, NULL, NULL);
	c.overlay = TRAFFIC("out", "ipsec", 4098, "192.0.2.2");
	expect(&c, "overlay-cleartext", -1, NULL, NULL);
}

static void test_strangers(void **state)
{
	struct case_ c = {.snapshot = PRIVATE,
			  .overlay = TRAFFIC("in", "others", 4097, "198.51.100.7")};

	(void)state;
	expect(&c, "overlay-strangers", CHECK_HIGH, "network plain", "from 198.51.100.7");
	c.settings = "overlay: {strangers: deny}";
	expect(&c, "overlay-strangers", CHECK_MEDIUM, "network plain", "refused");
	c.settings = NULL;
	c.overlay = TRAFFIC("in", "others", 5000, "198.51.100.7"); /* nobody's */
	expect(&c, "overlay-strangers", -1, NULL, NULL);
	c.overlay = TRAFFIC("in", "clear", 4097, "192.0.2.2");
	expect(&c, "overlay-strangers", -1, NULL, NULL);
}

static void test_the_guard(void **state)
{
	struct case_ c = {.snapshot = PRIVATE};

	(void)state;
	expect(&c, "overlay-no-guard", CHECK_MEDIUM, "network secret", NULL);
	c.settings = "overlay: {plaintext: deny-encrypted}";
	expect(&c, "overlay-no-guard", -1, NULL, NULL);
}

static void test_unencrypted(void **state)
{
	struct case_ c = {.snapshot = PRIVATE};

	(void)state;
	expect(&c, "overlay-unencrypted", CHECK_LOW, "network plain", "eth0 (10.0.0.1)");
	c.snapshot = PUBLIC;
	expect(&c, "overlay-unencrypted", CHECK_HIGH, "network plain", "a public address");
	c.snapshot =
		"{\"quaywall_snapshot\": 1, \"networks\": [{\"id\": \"n\", \"name\": \"alone\", "
		"\"driver\": \"overlay\", \"vnis\": [4097], \"peers\": [\"10.0.0.1\"]}], \"interfaces\": "
		"[{\"name\": \"eth0\", \"addrs\": [\"10.0.0.1/8\"]}]}";
	expect(&c, "overlay-unencrypted", -1, NULL, NULL);
}

static void test_the_port(void **state)
{
	struct case_ c = {.snapshot = PRIVATE, .overlay = "{" DEVICES "}"};

	(void)state;
	expect(&c, "overlay-port-open", CHECK_MEDIUM, "host", "UDP port 4789");
	c.settings = "overlay: {strangers: deny}";
	expect(&c, "overlay-port-open", -1, NULL, NULL);
	c.settings = NULL;
	c.overlay = "{'vxlan': [{'name': 'mine', 'vni': 1, 'port': 4789}]}";
	expect(&c, "overlay-port-open", -1, NULL, NULL);
}

static void test_swarm_ports(void **state)
{
	struct case_ c = {.snapshot = PRIVATE,
			  .listening = "[{'protocol': 'tcp', 'addr': '::', 'port': 2377}]"};

	(void)state;
	expect(&c, "overlay-swarm-ports", CHECK_MEDIUM, "host port 2377/tcp", "::");
	c.snapshot = PUBLIC;
	expect(&c, "overlay-swarm-ports", CHECK_HIGH, "host port 2377/tcp", "public");
	c.listening = "[{'protocol': 'tcp', 'addr': '10.0.0.1', 'port': 2377}, "
		      "{'protocol': 'tcp', 'addr': '0.0.0.0', 'port': 22}]";
	expect(&c, "overlay-swarm-ports", -1, NULL, NULL);
}

/* A host without such networks has nothing to hear of them. */
static void test_no_overlay(void **state)
{
	const struct case_ c = {
		.snapshot =
			"{\"quaywall_snapshot\": 1, \"networks\": [{\"id\": \"n\", \"name\": \"bridge\", "
			"\"driver\": \"bridge\", \"bridge\": \"docker0\", \"subnets\": [\"172.17.0.0/16\"]}]}",
		.listening = "[{'protocol': 'tcp', 'addr': '::', 'port': 2377}]"};
	CLEANUP_CHECK_REPORT struct check_report r = {.findings = {.items = NULL}};

	(void)state;
	run(&c, &r);
	for (size_t i = 0; i < r.findings.len; i++)
		assert_string_not_equal(r.findings.items[i].check->group, "overlay");
	assert_int_equal(gaps_of(&r, "overlay"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipsec),
		cmocka_unit_test(test_ipsec_that_is_not_looked_at),
		cmocka_unit_test(test_cleartext),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_the_guard),
		cmocka_unit_test(test_unencrypted),
		cmocka_unit_test(test_the_port),
		cmocka_unit_test(test_swarm_ports),
		cmocka_unit_test(test_no_overlay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
