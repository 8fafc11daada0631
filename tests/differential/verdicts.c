/*
 * verdicts: the program's own evaluator, asked by the differential tests.
 *
 * verdicts [--ruleset] SNAPSHOT POLICIES [SETTINGS]
 *
 * Reads flows as JSON lines from the standard input, in the form that naive.py describes, and answers
 * each with a line: {"verdict": …, "egress": {"verdict", "reason", "where"}, "ingress": …}. With
 * --ruleset it prints the compiled table as nft text instead. Exits with 2 on wrong input.
 */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/compile.h"
#include "quaywall/docker.h"
#include "quaywall/error.h"
#include "quaywall/mem.h"
#include "quaywall/model.h"
#include "quaywall/policy.h"
#include "quaywall/ruleset.h"

static const char *const verdict_names[] = {
	[FLOW_ALLOW] = "allow",
	[FLOW_AUDIT] = "audit",
	[FLOW_DENY] = "deny",
};

static const char *const reason_names[] = {
	[REASON_NOT_JUDGED] = "not_judged",
	[REASON_NOT_ISOLATED] = "not_isolated",
	[REASON_ALLOW_RULE] = "allow_rule",
	[REASON_PUBLISH_RULE] = "publish_rule",
	[REASON_DENY_RULE] = "deny_rule",
	[REASON_ISOLATED] = "isolated",
	[REASON_DEFAULT] = "default",
	[REASON_UNKNOWN] = "unknown",
	[REASON_NOT_PUBLISHED] = "not_published",
	[REASON_HOST] = "host",
};

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{"tcp", IPPROTO_TCP},	{"udp", IPPROTO_UDP},	    {"sctp", IPPROTO_SCTP},
	{"icmp", IPPROTO_ICMP}, {"icmpv6", IPPROTO_ICMPV6},
};

struct world {
	struct model *model;
	struct policy_set *policies;
	struct settings *settings;
	struct compiled *compiled;
};

/* ---- reading ---- */

static int read_world(struct world *w, const char *snapshot, const char *dir, const char *settings,
		      struct policy_problems *p, struct error *err)
{
	int r = docker_snapshot_load(snapshot, &w->model, err);

	if (r < 0)
		return r;
	r = policy_load(dir, p, &w->policies, err);
	if (r < 0)
		return r;
	if (!settings) {
		w->settings = settings_new();
	} else {
		r = settings_load(settings, true, p, &w->settings, err);
		if (r < 0)
			return r;
	}
	w->compiled = compile_new(w->settings, w->policies, w->model, p);
	return w->compiled ? 0 : error_set(err, -EINVAL, "the policies do not fit the model");
}

static void world_done(struct world *w)
{
	compile_free(w->compiled);
	settings_free(w->settings);
	policy_set_free(w->policies);
	model_free(w->model);
}

static int read_end(const struct world *w, json_t *doc, struct flow_end *ret, struct error *err)
{
	const char *text = json_string_value(json_object_get(doc, "addr"));
	const char *id = json_string_value(json_object_get(doc, "endpoint"));
	struct addr addr;

	if (!text || addr_parse(text, &addr) < 0)
		return error_set(err, -EINVAL, "an end without an address");
	*ret = compile_end_of_addr(w->compiled, &addr);
	if (id) {
		ret->kind = END_ENDPOINT;
		ret->endpoint = model_find_endpoint(w->model, id);
		if (ret->endpoint == MODEL_NONE)
			return error_set(err, -EINVAL, "no endpoint %s", id);
	}
	ret->addr = addr;
	ret->interface = json_string_value(json_object_get(doc, "interface"));
	return 0;
}

static int read_protocol(json_t *doc, uint8_t *ret, struct error *err)
{
	const char *name = json_string_value(doc);

	if (!name) {
		*ret = (uint8_t)json_integer_value(doc);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (strcmp(protocols[i].name, name) == 0) {
			*ret = protocols[i].number;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "no protocol %s", name);
}

static int read_flow(const struct world *w, json_t *doc, struct flow *ret, struct error *err)
{
	struct flow flow = {0};
	json_t *published = json_object_get(doc, "published_port");
	int r = read_end(w, json_object_get(doc, "from"), &flow.from, err);

	if (r == 0)
		r = read_end(w, json_object_get(doc, "to"), &flow.to, err);
	if (r == 0)
		r = read_protocol(json_object_get(doc, "protocol"), &flow.protocol, err);
	if (r < 0)
		return r;
	flow.port = (uint16_t)json_integer_value(json_object_get(doc, "port"));
	flow.published = json_is_integer(published);
	flow.published_port = (uint16_t)json_integer_value(published);
	*ret = flow;
	return 0;
}

/* ---- answering ---- */

static json_t *answer_end(const struct flow_consent *consent)
{
	CLEANUP_BUF struct buf where = BUF_INIT;

	compile_consent_where(consent, &where);
	return json_pack("{s:s, s:s, s:s}", "verdict", verdict_names[consent->verdict], "reason",
			 reason_names[consent->reason], "where", buf_text(&where));
}

static int answer(const struct world *w, const char *line, struct error *err)
{
	json_error_t why;
	json_auto_t *doc = json_loads(line, 0, &why);
	struct verdict verdict;
	struct flow flow;
	int r;

	if (!doc)
		return error_set(err, -EINVAL, "%s", why.text);
	r = read_flow(w, doc, &flow, err);
	if (r < 0)
		return r;
	compile_verdict(w->compiled, &flow, &verdict);
	json_auto_t *out =
		json_pack("{s:s, s:o, s:o}", "verdict", verdict_names[verdict.verdict], "egress",
			  answer_end(&verdict.egress), "ingress", answer_end(&verdict.ingress));

	json_dumpf(out, stdout, 0);
	putchar('\n');
	return 0;
}

static int answer_all(const struct world *w, struct error *err)
{
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		int r = answer(w, line, err);

		if (r < 0)
			return error_wrap(err, r, "%s", line);
	}
	return 0;
}

static void print_ruleset(const struct world *w)
{
	CLEANUP_RULESET struct ruleset *ruleset = compile_ruleset(w->compiled);
	CLEANUP_BUF struct buf text = BUF_INIT;

	ruleset_print(ruleset, &text);
	fputs(buf_text(&text), stdout);
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_PROBLEMS struct policy_problems problems = {0};
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct world w = {0};
	bool ruleset = argc > 1 && strcmp(argv[1], "--ruleset") == 0;
	int first = ruleset ? 2 : 1, r;

	if (argc - first < 2 || argc - first > 3) {
		fputs("usage: verdicts [--ruleset] SNAPSHOT POLICIES [SETTINGS]\n", stderr);
		return 2;
	}
	r = read_world(&w, argv[first], argv[first + 1], argv[first + 2], &problems, &err);
	if (r == 0 && ruleset)
		print_ruleset(&w);
	else if (r == 0)
		r = answer_all(&w, &err);
	if (r < 0) {
		policy_problems_print(&problems, &text);
		fprintf(stderr, "%s%s\n", buf_text(&text), error_text(&err));
	}
	world_done(&w);
	return r < 0 ? 2 : 0;
}
