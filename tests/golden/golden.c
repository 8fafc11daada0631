/*
 * golden: one case of tests/golden on standard output, as the ruleset or as text.
 *
 *	golden nft DIR		the tables that DIR's policies give over its snapshot
 *	golden txt DIR		problems, identities, and the verdict of each line of flows.txt
 *
 * A line of flows.txt: FROM TO PORT/PROTOCOL [published HOSTPORT]. FROM and TO are addresses ("ADDR%IF": from
 * outside by an interface) or `host`; PROTOCOL a name of the language or a number.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/compile.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"

struct golden {
	struct settings *settings;
	struct policy_set *policies;
	struct model *model;
	struct compiled *compiled;
	struct policy_problems problems;
};

/* ---- loading ---- */

/* The policies are policy.yaml, policy2.yaml, policy3.yaml, as far as there are any. */
static int load_policies(struct golden *g, struct error *err)
{
	char *paths[9];
	size_t n = 0;
	int ret;

	for (size_t i = 1; i <= ARRAY_SIZE(paths); i++) {
		char *path = i == 1 ? mem_strdup("policy.yaml") : mem_printf("policy%zu.yaml", i);
		CLEANUP_FILE FILE *f = fopen(path, "re");

		if (f)
			paths[n++] = path;
		else
			free(path);
	}
	ret = policy_load_files(paths, n, &g->problems, &g->policies, err);
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	return ret;
}

static int load(struct golden *g, struct error *err)
{
	int ret = settings_load("quaywall.yaml", false, &g->problems, &g->settings, err);

	if (!ret)
		ret = load_policies(g, err);
	if (!ret)
		ret = docker_snapshot_load("snapshot.json", &g->model, err);
	if (!ret)
		g->compiled = compile_new(g->settings, g->policies, g->model, &g->problems);
	return ret;
}

static void unload(struct golden *g)
{
	compile_free(g->compiled);
	model_free(g->model);
	policy_set_free(g->policies);
	settings_free(g->settings);
	policy_problems_done(&g->problems);
}

/* ---- identities ---- */

static void print_directions(unsigned directions, const char *verb, struct buf *out)
{
	if (directions)
		buf_printf(out, " %s%s%s", verb, directions & POLICY_INGRESS ? " ingress" : "",
			   directions & POLICY_EGRESS ? " egress" : "");
}

static void print_identities(const struct golden *g, struct buf *out)
{
	for (size_t i = 0; i < compile_identities(g->compiled); i++) {
		const struct compile_identity *id = compile_identity(g->compiled, i);

		buf_printf(out, "identity %s:", id->name);
		print_directions(id->isolated, "isolates", out);
		print_directions(id->audited, "audits", out);
		for (size_t e = 0; e < g->model->nendpoints; e++)
			if (compile_identity_of(g->compiled, e) == i)
				buf_printf(out, " %s", g->model->endpoints[e].id);
		buf_char(out, '\n');
	}
}

/* ---- flows ---- */

/* A line of flows.txt; the flow points into the texts. */
struct line {
	char from[ADDR_TEXT_SIZE], to[ADDR_TEXT_SIZE], protocol[ADDR_TEXT_SIZE];
	struct flow flow;
};

/* TEXT is an address, with "%INTERFACE" behind it or without, or `host`. */
static bool read_end(const struct golden *g, char *text, struct flow_end *ret)
{
	char *interface = strchr(text, '%');
	struct addr addr;

	if (!strcmp(text, "host")) {
		*ret = (struct flow_end) {.kind = END_HOST};
		return true;
	}
	if (interface)
		*interface++ = '\0';
	if (addr_parse(text, &addr))
		return false;
	*ret = compile_end_of_addr(g->compiled, &addr);
	ret->interface = interface;
	return true;
}

static bool read_protocol(const char *text, uint8_t family, uint8_t *ret)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = {
		{"tcp", IPPROTO_TCP},	{"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP},
		{"icmp", IPPROTO_ICMP}, {"gre", IPPROTO_GRE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i].name) != 0)
			continue;
		*ret = names[i].number;
		if (*ret == IPPROTO_ICMP && family == AF_INET6)
			*ret = IPPROTO_ICMPV6;
		return true;
	}
	return false;
}

static bool read_line(const struct golden *g, const char *text, struct line *ret)
{
	struct flow *f = &ret->flow;
	unsigned port, published = 0;
	int n;

	*ret = (struct line) {0};
	n = sscanf(text, "%63s %63s %5u/%63s published %5u", ret->from, ret->to, &port,
		   ret->protocol, &published);
	if (n < 4 || !read_end(g, ret->from, &f->from) || !read_end(g, ret->to, &f->to))
		return false;
	f->port = (uint16_t)port;
	f->published = n == 5;
	f->published_port = (uint16_t)published;
	return read_protocol(ret->protocol,
			     f->to.addr.family ? f->to.addr.family : f->from.addr.family,
			     &f->protocol);
}

static void print_end(const struct golden *g, const struct flow_end *end, struct buf *out)
{
	static const char *const words[] = {
		[END_HOST] = "the host",
		[END_OUTSIDE] = "outside",
		[END_UNKNOWN] = "unknown",
	};

	if (end->kind == END_ENDPOINT && g->model->endpoints[end->endpoint].container != MODEL_NONE)
		model_container_title(
			&g->model->containers[g->model->endpoints[end->endpoint].container], out);
	else
		buf_str(out,
			end->kind == END_ENDPOINT ? "the engine's endpoint" : words[end->kind]);
}

static void print_consent(const char *what, const struct flow_consent *consent, struct buf *out)
{
	if (consent->reason == REASON_NOT_JUDGED)
		return;
	buf_printf(out, "\n    %s: ", what);
	compile_consent_print(consent, !strcmp(what, "egress"), out);
}

static void print_flow(const struct golden *g, const char *text, struct buf *out)
{
	static const char *const words[] = {
		[FLOW_ALLOW] = "allow",
		[FLOW_AUDIT] = "audit",
		[FLOW_DENY] = "deny",
	};
	struct line line;
	struct verdict v;

	if (!read_line(g, text, &line)) {
		buf_printf(out, "%s: cannot be read", text);
		return;
	}
	compile_verdict(g->compiled, &line.flow, &v);
	buf_printf(out, "%s: %s\n    ", text, words[v.verdict]);
	print_end(g, &line.flow.from, out);
	buf_str(out, " -> ");
	print_end(g, &line.flow.to, out);
	print_consent("egress", &v.egress, out);
	print_consent("ingress", &v.ingress, out);
}

static void print_flows(const struct golden *g, struct buf *out)
{
	CLEANUP_FILE FILE *f = fopen("flows.txt", "re");
	char text[256];

	while (f && fgets(text, sizeof(text), f)) {
		text[strcspn(text, "\n")] = '\0';
		if (*text == '#' || !*text)
			buf_str(out, text);
		else
			print_flow(g, text, out);
		buf_char(out, '\n');
	}
}

/* ---- the two outputs ---- */

static void print_ruleset(const struct golden *g, struct buf *out)
{
	CLEANUP_RULESET struct ruleset *inet = compile_ruleset(g->compiled);
	CLEANUP_RULESET struct ruleset *bridge = compile_bridge_ruleset(g->compiled);

	ruleset_print(inet, out);
	if (bridge)
		ruleset_print(bridge, out);
}

static void print_text(struct golden *g, struct buf *out)
{
	size_t held;

	compile_lint(g->compiled, &g->problems);
	held = compile_run_expects(g->compiled, &g->problems);
	policy_problems_print(&g->problems, out);
	buf_printf(out, "%zu expectations held\n\n", held);
	print_identities(g, out);
	buf_char(out, '\n');
	print_flows(g, out);
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct golden g = {0};
	int ret;

	if (argc != 3) {
		fputs("usage: golden nft|txt DIR\n", stderr);
		return 2;
	}
	/* So that places name the file alone. */
	if (chdir(argv[2])) {
		perror(argv[2]);
		return 2;
	}
	ret = load(&g, &err);
	if (g.compiled && !strcmp(argv[1], "nft"))
		print_ruleset(&g, &out);
	else if (g.compiled)
		print_text(&g, &out);
	else
		policy_problems_print(&g.problems, &out);
	fwrite(buf_text(&out), 1, out.len, stdout);
	if (ret)
		fprintf(stderr, "golden: %s\n", error_text(&err));
	unload(&g);
	return ret ? 2 : 0;
}
