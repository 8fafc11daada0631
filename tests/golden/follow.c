/*
 * follow: a compiled set that follows one model after the other, compared at each step with one that is made anew.
 *
 *	follow DIR SNAPSHOT...	the policies of DIR, over the first snapshot, then the second, …
 *
 * Says of each step whether it could be followed. Where the two differ, in their tables, in what is sent to the
 * kernel, in identities or in the verdict between any two endpoints, it says how, and fails.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/compile.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"

struct state {
	struct settings *settings;
	struct policy_set *policies;
	struct model *model;
	struct compiled *compiled;
	struct policy_problems problems;
};

static int load(struct state *s, struct error *err)
{
	char *paths[] = {"policy.yaml", "policy2.yaml"};
	int r = settings_load("quaywall.yaml", false, &s->problems, &s->settings, err);

	if (r == 0)
		r = policy_load_files(paths, access(paths[1], F_OK) == 0 ? 2 : 1, &s->problems,
				      &s->policies, err);
	return r;
}

static void unload(struct state *s)
{
	compile_free(s->compiled);
	model_free(s->model);
	policy_set_free(s->policies);
	settings_free(s->settings);
	policy_problems_done(&s->problems);
}

/* ---- one as the other ---- */

static bool expect_same(const char *what, const struct buf *is, const struct buf *want)
{
	if (!strcmp(buf_text(is), buf_text(want)))
		return true;
	printf("%s differ:\n%s\n---- wanted:\n%s\n", what, buf_text(is), buf_text(want));
	return false;
}

static void print_change(const struct ruleset *was, const struct ruleset *is, struct buf *out)
{
	CLEANUP_RULESET_DIFF struct ruleset_diff d = {0};

	if (!was || !is)
		return;
	ruleset_compare(was, is, &d);
	ruleset_diff_print(was, is, &d, out);
}

static bool same_tables(const struct ruleset *is, const struct ruleset *want)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf wanted = BUF_INIT;

	if (is)
		ruleset_print(is, &text);
	if (want)
		ruleset_print(want, &wanted);
	return expect_same("tables", &text, &wanted);
}

static bool same_change(const struct ruleset *part_was, const struct ruleset *part_is,
			const struct ruleset *was, const struct ruleset *is)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf wanted = BUF_INIT;

	print_change(part_was, part_is, &text);
	print_change(was, is, &wanted);
	return expect_same("changes", &text, &wanted);
}

static void print_identities(const struct compiled *c, struct buf *out)
{
	const struct model *m = compile_model(c);

	for (size_t e = 0; e < m->nendpoints; e++) {
		size_t i = compile_identity_of(c, e);

		buf_printf(out, "%s %s\n", m->endpoints[e].id,
			   i == MODEL_NONE ? "-" : compile_identity(c, i)->name);
	}
	for (size_t i = 0; i < compile_identities(c); i++)
		buf_printf(out, "%s %zu\n", compile_identity(c, i)->name,
			   compile_identity(c, i)->nendpoints);
}

static void print_verdicts(const struct compiled *c, struct buf *out)
{
	static const uint16_t ports[] = {80, 443, 5432, 8443};
	const struct model *m = compile_model(c);

	for (size_t a = 0; a < m->nendpoints; a++) {
		for (size_t b = 0; b < m->nendpoints; b++) {
			struct flow f = {.protocol = IPPROTO_TCP};
			struct verdict v;

			f.from = compile_end_of_addr(c, &m->endpoints[a].addr4);
			f.to = compile_end_of_addr(c, &m->endpoints[b].addr4);
			for (size_t p = 0; p < ARRAY_SIZE(ports); p++) {
				f.port = ports[p];
				compile_verdict(c, &f, &v);
				buf_printf(out, "%d", v.verdict);
			}
		}
		buf_char(out, '\n');
	}
}

static bool same_answers(const struct compiled *is, const struct compiled *want)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf wanted = BUF_INIT;

	print_identities(is, &text);
	print_verdicts(is, &text);
	print_identities(want, &wanted);
	print_verdicts(want, &wanted);
	return expect_same("answers", &text, &wanted);
}

/* ---- steps ---- */

static bool check_step(const struct state *s, const struct compile_step *step,
		       const struct ruleset *was, const struct ruleset *bridge_was,
		       const struct compiled *anew)
{
	CLEANUP_RULESET struct ruleset *is = compile_ruleset(s->compiled);
	CLEANUP_RULESET struct ruleset *bridge_is = compile_bridge_ruleset(s->compiled);
	CLEANUP_RULESET struct ruleset *want = compile_ruleset(anew);
	CLEANUP_RULESET struct ruleset *bridge_want = compile_bridge_ruleset(anew);

	return same_answers(s->compiled, anew) && same_tables(is, want) &&
	       same_tables(bridge_is, bridge_want) && same_change(step->was, step->is, was, is) &&
	       same_change(step->bridge_was, step->bridge_is, bridge_was, bridge_is);
}

static bool take(struct state *s, struct model *next)
{
	CLEANUP_RULESET struct ruleset *was = compile_ruleset(s->compiled);
	CLEANUP_RULESET struct ruleset *bridge_was = compile_bridge_ruleset(s->compiled);
	CLEANUP_COMPILE_STEP struct compile_step step = {0};
	CLEANUP_COMPILED struct compiled *anew = compile_new(s->settings, s->policies, next, NULL);
	bool followed = compile_follow(s->compiled, next, &step);
	bool good = !followed || check_step(s, &step, was, bridge_was, anew);

	puts(followed ? "followed" : "whole");
	if (!followed) {
		compile_free(s->compiled);
		s->compiled = anew;
		anew = NULL;
	}
	model_free(s->model);
	s->model = next;
	return good;
}

static int take_file(struct state *s, const char *path, struct error *err)
{
	struct model *m;
	int r = docker_snapshot_load(path, &m, err);

	if (r < 0)
		return r;
	if (s->compiled)
		return take(s, m) ? 0 : error_set(err, -1, "%s: not as if made anew", path);
	s->model = m;
	s->compiled = compile_new(s->settings, s->policies, m, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct state s = {0};
	int r;

	if (argc < 3 || chdir(argv[1])) {
		fputs("usage: follow DIR SNAPSHOT...\n", stderr);
		return 2;
	}
	r = load(&s, &err);
	for (int i = 2; r == 0 && i < argc; i++)
		r = take_file(&s, argv[i], &err);
	if (r)
		fprintf(stderr, "follow: %s\n", error_text(&err));
	unload(&s);
	return r ? 1 : 0;
}
