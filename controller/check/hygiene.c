/*
 * hygiene: what the policies leave open, and what of them does nothing.
 */
#include "hygiene.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define HITS_AUDIT "0000000000000000"

static const struct check checks[] = {
	{"any-wider-than-seen", "hygiene", CHECK_LOW,
	 "a rule is for everybody, and few were seen to use it",
	 "Whoever else comes is let in, too: also one that took a neighbour over.", NULL},
	{"audit-mode", "hygiene", CHECK_LOW, "audit mode refuses nothing",
	 "What audit mode would refuse passes, so it is meant for a while and not for good.", NULL},
	{"container-ungoverned", "hygiene", CHECK_MEDIUM, "a container is free in both directions",
	 "Nothing keeps it from reaching, or being reached by, what it has no business with.",
	 NULL},
	{"policy-without-effect", "hygiene", CHECK_LOW, "a part of a policy does nothing",
	 "Somebody wrote it for a reason: what it was to allow or refuse is decided otherwise.",
	 NULL},
	{"rule-without-hit", "hygiene", CHECK_LOW, "nothing has used a rule for a long time",
	 "What nobody needs is open for whoever finds it, and makes the policy harder to read.",
	 NULL},
	{"suppression-expired", "hygiene", CHECK_LOW, "a suppression of the settings holds no more",
	 "What it was to keep quiet is reported again, and its reason may be out of date.", NULL},
	{"suppression-unknown", "hygiene", CHECK_LOW, "a suppression names no check",
	 "It suppresses nothing, and what it was meant for is reported on.", NULL},
};

/* ---- containers ---- */

static bool is_free(const struct check_input *in, size_t endpoint)
{
	size_t identity = compile_identity_of(in->compiled, endpoint);
	const struct compile_identity *id;

	if (identity == MODEL_NONE)
		return false;
	id = compile_identity(in->compiled, identity);
	return !id->isolated && !id->audited;
}

/* A container once, with all networks on which it is free. */
static void tell_free(const struct check_input *in, size_t container, const char *networks,
		      struct check_report *ret)
{
	struct buf title = BUF_INIT;

	model_container_title(&compile_model(in->compiled)->containers[container], &title);
	report_take(ret, "container-ungoverned", buf_steal(&title),
		    mem_printf("on network %s no policy isolates it, and the settings' "
			       "defaults.containers is allow",
			       networks),
		    mem_strdup("write a policy whose `for` selects it ('quaywall learn' proposes "
			       "one), or set defaults: {containers: deny}"));
}

static void check_containers(const struct check_input *in, struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	struct buf *networks = mem_new(m->ncontainers, sizeof(*networks));

	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *e = &m->endpoints[i];

		if (e->container != MODEL_NONE && is_free(in, i))
			buf_printf(&networks[e->container], "%s%s",
				   networks[e->container].len ? ", " : "",
				   m->networks[e->network].name);
	}
	for (size_t c = 0; c < m->ncontainers; c++) {
		if (networks[c].len)
			tell_free(in, c, buf_text(&networks[c]), ret);
		buf_done(&networks[c]);
	}
	free(networks);
}

/* ---- modes ---- */

/* ", since 2026-11-30T09:12:08Z at least": as a daemon has seen it; nothing where none has. */
static char *since_text(const json_t *posture, const char *policy)
{
	const json_t *list = posture_get(posture, "hits", "rules", NULL);
	CLEANUP_BUF struct buf out = BUF_INIT;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		const char *whose = json_string_value(json_object_get(entry, "policy"));

		if (!whose || strcmp(whose, policy) ||
		    strcmp(posture_text(entry, "rule"), HITS_AUDIT))
			continue;
		buf_str(&out, ", since ");
		buf_time(&out, (time_t)json_integer_value(json_object_get(entry, "since")));
		buf_str(&out, " at least");
		break;
	}
	return buf_steal(&out);
}

static void tell_defaults(const struct check_input *in, struct check_report *ret)
{
	CLEANUP_FREE char *since = since_text(in->posture, "");

	report_take(ret, "audit-mode", mem_strdup("defaults"),
		    mem_printf("the settings' defaults.mode is audit%s", since),
		    mem_strdup("set defaults: {mode: enforce} once 'quaywall watch' tells "
			       "nothing that is meant to pass"));
}

static void check_modes(const struct check_input *in, struct check_report *ret)
{
	const struct policy_set *set = compile_policies(in->compiled);

	if (compile_settings(in->compiled)->mode == POLICY_AUDIT)
		tell_defaults(in, ret);
	for (size_t i = 0; i < set->ndocuments; i++) {
		const struct policy_document *doc = &set->documents[i];
		CLEANUP_FREE char *since = NULL;

		if (doc->mode != POLICY_AUDIT)
			continue;
		since = since_text(in->posture, doc->name);
		report_take(
			ret, "audit-mode", mem_printf("policy %s", doc->name),
			mem_printf("%s:%u: mode: audit%s", doc->where.file, doc->where.line, since),
			mem_printf("remove `mode: audit` from %s", doc->where.file));
	}
}

/* ---- what selects nothing, says nothing new, or leaves nothing ---- */

static void check_effect(const struct check_input *in, struct check_report *ret)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};

	compile_lint(in->compiled, &p);
	for (size_t i = 0; i < p.len; i++)
		report_take(ret, "policy-without-effect",
			    mem_printf("%s:%u", p.items[i].where.file, p.items[i].where.line),
			    mem_strdup(p.items[i].text),
			    mem_printf("correct it in %s, or remove it", p.items[i].where.file));
}

static void run(const struct check_input *in, struct check_report *ret)
{
	check_containers(in, ret);
	check_modes(in, ret);
	check_effect(in, ret);
	hygiene_unused(in, ret);
	hygiene_wide(in, ret);
}

const struct check_group hygiene_group = {"hygiene", checks, ARRAY_SIZE(checks), run};
