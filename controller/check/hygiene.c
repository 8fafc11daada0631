/*
 * hygiene: what the policies leave open, and what of them does nothing.
 */
#include "internal.h"

#include "quaywall/mem.h"

static const struct check checks[] = {
	{"audit-mode", "hygiene", CHECK_LOW, "audit mode refuses nothing",
	 "What audit mode would refuse passes, so it is meant for a while and not for good.", NULL},
	{"container-ungoverned", "hygiene", CHECK_MEDIUM, "a container is free in both directions",
	 "Nothing keeps it from reaching, or being reached by, what it has no business with.",
	 NULL},
	{"suppression-expired", "hygiene", CHECK_LOW, "a suppression of the settings holds no more",
	 "What it was to keep quiet is reported again, and its reason may be out of date.", NULL},
	{"suppression-unknown", "hygiene", CHECK_LOW, "a suppression names no check",
	 "It suppresses nothing, and what it was meant for is reported on.", NULL},
};

/* ---- containers ---- */

static void check_container(const struct check_input *in, size_t endpoint, struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	const struct model_endpoint *e = &m->endpoints[endpoint];
	size_t identity = compile_identity_of(in->compiled, endpoint);
	const struct compile_identity *id;
	struct buf title = BUF_INIT;

	if (identity == MODEL_NONE || e->container == MODEL_NONE)
		return;
	id = compile_identity(in->compiled, identity);
	if (id->isolated || id->audited)
		return;
	model_container_title(&m->containers[e->container], &title);
	report_take(ret, "container-ungoverned", buf_steal(&title),
		    mem_printf("on network %s no policy isolates it, and the settings' "
			       "defaults.containers is allow",
			       m->networks[e->network].name),
		    mem_strdup("write a policy whose `for` selects it ('quaywall learn' proposes "
			       "one), or set defaults: {containers: deny}"));
}

/* ---- modes ---- */

static void check_modes(const struct check_input *in, struct check_report *ret)
{
	const struct policy_set *set = compile_policies(in->compiled);

	if (compile_settings(in->compiled)->mode == POLICY_AUDIT)
		report_take(ret, "audit-mode", mem_strdup("defaults"),
			    mem_strdup("the settings' defaults.mode is audit"),
			    mem_strdup("set defaults: {mode: enforce} once 'quaywall watch' tells "
				       "nothing that is meant to pass"));
	for (size_t i = 0; i < set->ndocuments; i++) {
		const struct policy_document *doc = &set->documents[i];

		if (doc->mode != POLICY_AUDIT)
			continue;
		report_take(ret, "audit-mode", mem_printf("policy %s", doc->name),
			    mem_printf("%s:%u: mode: audit", doc->where.file, doc->where.line),
			    mem_printf("remove `mode: audit` from %s", doc->where.file));
	}
}

static void run(const struct check_input *in, struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);

	for (size_t i = 0; i < m->nendpoints; i++)
		check_container(in, i, ret);
	check_modes(in, ret);
}

const struct check_group hygiene_group = {"hygiene", checks, ARRAY_SIZE(checks), run};
