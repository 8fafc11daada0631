#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "offline.h"
#include "output.h"
#include "session.h"

struct validation {
	struct offline o;
	const char *world; /* "snapshot", "engine", "invented"; NULL: none was needed */
	char *note;	   /* the same for a person */
	size_t held, failed;
	bool load_failed; /* the files have errors */
	json_t *warnings; /* of sessions that would end; NULL: not looked for */
};

static void validation_done(struct validation *v)
{
	offline_done(&v->o);
	free(v->note);
	json_decref(v->warnings);
}

#define CLEANUP_VALIDATION __attribute__((cleanup(validation_done)))

static size_t count_expects(const struct policy_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->ndocuments; i++)
		n += set->documents[i].nexpects;
	return n;
}

/* The snapshot, else the engine, else a world that is just big enough for the expectations. */
static int find_world(struct validation *v, const struct arguments *a, struct error *err)
{
	CLEANUP_ERROR struct error why = ERROR_INIT;
	int code = offline_list(&v->o, a, false, a->snapshot ? err : &why);

	if (a->snapshot) {
		v->world = "snapshot";
		v->note = mem_printf("the snapshot %s", a->snapshot);
		return code;
	}
	if (code == QUAYWALL_FINE) {
		v->world = "engine";
		v->note = mem_printf("the engine at %s", v->o.settings->docker);
		return code;
	}
	v->world = "invented";
	v->note = mem_printf("invented from the expectations (%s)", error_text(&why));
	model_free(v->o.model);
	v->o.model = compile_invent_model(v->o.policies, &v->o.problems);
	if (!v->o.model || policy_problems_errors(&v->o.problems))
		return QUAYWALL_USAGE;
	return QUAYWALL_FINE;
}

static int check(struct validation *v, const struct arguments *a, struct error *err)
{
	size_t errors;
	int code = find_world(v, a, err);

	if (code == QUAYWALL_FINE)
		code = offline_compile(&v->o);
	if (code != QUAYWALL_FINE)
		return code;
	errors = policy_problems_errors(&v->o.problems);
	v->held = compile_run_expects(v->o.compiled, &v->o.problems);
	v->failed = policy_problems_errors(&v->o.problems) - errors;
	compile_lint(v->o.compiled, &v->o.problems);
	/* A snapshot may be of another host. */
	if (v->world && strcmp(v->world, "engine") == 0)
		v->warnings = session_warnings(v->o.compiled, v->o.model);
	return v->failed ? QUAYWALL_FINDINGS : QUAYWALL_FINE;
}

static int validate(struct validation *v, const struct arguments *a, struct error *err)
{
	int code = offline_load(&v->o, a, true, err);

	if (code == QUAYWALL_FINE)
		return check(v, a, err);
	v->load_failed = true;
	return code;
}

/* ---- output ---- */

static json_t *problem_json(const struct policy_problem *p)
{
	return json_pack("{s:o, s:i, s:i, s:s, s:o}", "file", reconcile_json_text(p->where.file),
			 "line", p->where.line, "column", p->where.column, "severity",
			 p->severity == POLICY_ERROR ? "error" : "warning", "text",
			 reconcile_json_text(p->text));
}

static void print_json(const struct validation *v, const struct arguments *a, int code,
		       const struct error *err)
{
	const struct policy_set *set = v->o.policies;
	CLEANUP_BUF struct buf canonical = BUF_INIT;
	json_t *problems = json_array();
	CLEANUP_JSON json_t *j = NULL;

	for (size_t i = 0; i < v->o.problems.len; i++)
		json_array_append_new(problems, problem_json(&v->o.problems.items[i]));
	j = json_pack("{s:b, s:o, s:o, s:I, s:{s:I, s:I}, s:o}", "valid", code == QUAYWALL_FINE,
		      "world", reconcile_json_text(v->world), "world_note",
		      reconcile_json_text(v->note), "policies",
		      (json_int_t)(set ? set->ndocuments : 0), "expectations", "held",
		      (json_int_t)v->held, "failed", (json_int_t)v->failed, "problems", problems);
	json_object_set_new(j, "warnings", v->warnings ? json_incref(v->warnings) : json_array());
	if (err->text)
		json_object_set_new(j, "error", reconcile_json_text(err->text));
	if (a->verbose && set) {
		policy_set_print(set, &canonical);
		json_object_set_new(j, "canonical", reconcile_json_text(buf_text(&canonical)));
	}
	output_json(j);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void add_summary(struct buf *out, const struct validation *v)
{
	size_t policies = v->o.policies->ndocuments;

	if (policies == 1)
		buf_str(out, "1 policy, ");
	else
		buf_printf(out, "%zu policies, ", policies);
	buf_printf(out, "%zu expectation%s hold%s", v->held, plural(v->held),
		   v->held == 1 ? "s" : "");
	if (v->failed)
		buf_printf(out, ", %zu fail%s", v->failed, v->failed == 1 ? "s" : "");
	buf_char(out, '\n');
}

static void print_text(const struct validation *v, const struct arguments *a, int code)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	size_t errors = policy_problems_errors(&v->o.problems);

	if (a->verbose && !v->load_failed)
		policy_set_print(v->o.policies, &out);
	policy_problems_print(&v->o.problems, &out);
	if (v->o.compiled && count_expects(v->o.policies))
		buf_printf(&out, "world: %s\n", v->note);
	if (code == QUAYWALL_USAGE && errors)
		buf_printf(&out, "%zu error%s\n", errors, plural(errors));
	else if (code != QUAYWALL_USAGE)
		add_summary(&out, v);
	fputs(buf_text(&out), stdout);
}

int verb_validate(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_VALIDATION struct validation v = {.world = NULL};
	int code = validate(&v, a, &err);

	if (!a->json)
		session_print(v.warnings);
	if (a->json)
		print_json(&v, a, code, &err);
	else
		print_text(&v, a, code);
	/* Errors in files have their own lines; what else went wrong has this one. */
	if (code == QUAYWALL_USAGE && policy_problems_errors(&v.o.problems))
		return code;
	return code > QUAYWALL_FINDINGS ? verb_fail(code, &err) : code;
}
