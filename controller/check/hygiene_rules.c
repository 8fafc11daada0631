/*
 * Rules that let pass what nobody needs: of those alone, as a `deny` that is never hit may be a good one.
 */
#include "hygiene.h"

#include <inttypes.h>
#include <string.h>

#include "quaywall/mem.h"

#define DAY	  86400
#define RULE_TEXT 160 /* bytes: a longer one is called by its name or its key */

/* ---- a rule ---- */

static const char *action_of(const struct policy_rule *rule)
{
	return rule->action == POLICY_PUBLISH ? "publish" : "allow";
}

char *hygiene_rule_name(const struct policy_document *doc, const struct policy_rule *rule)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	policy_rule_print(doc, rule, &text);
	if (text.len <= RULE_TEXT)
		return mem_printf("policy %s: %s %s", doc->name, action_of(rule), buf_text(&text));
	if (rule->name)
		return mem_printf("policy %s: %s '%s'", doc->name, action_of(rule), rule->name);
	return mem_printf("policy %s: %s rule %016" PRIx64, doc->name, action_of(rule),
			  policy_rule_key(doc, rule));
}

/* ---- hits ---- */

static char *key_of(const char *policy, const char *rule)
{
	return mem_printf("%s\n%s", rule, policy);
}

/* The entries of LIST by key_of(). */
static json_t *index_hits(const json_t *list)
{
	json_t *index = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *entry = json_array_get(list, i);
		CLEANUP_FREE char *key =
			key_of(posture_text(entry, "policy"), posture_text(entry, "rule"));

		json_object_set(index, key, entry);
	}
	return index;
}

static char *evidence_of(const struct policy_rule *rule, const json_t *hits)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	json_int_t last = posture_number(hits, "last");

	buf_printf(&out, "%s:%u: ", rule->where.file, rule->where.line);
	if (last) {
		buf_str(&out, "hit last ");
		buf_time(&out, (time_t)last);
	} else {
		buf_str(&out, "not hit since it was first seen, ");
		buf_time(&out, (time_t)posture_number(hits, "since"));
	}
	buf_printf(
		&out,
		"; the kernel's counters were watched for %lld days since (only the first packet "
		"of a flow is a hit)",
		(long long)posture_number(hits, "watched") / DAY);
	return buf_steal(&out);
}

static void tell_unused(const struct policy_document *doc, const struct policy_rule *rule,
			const json_t *hits, struct check_report *ret)
{
	report_take(
		ret, "rule-without-hit", hygiene_rule_name(doc, rule), evidence_of(rule, hits),
		mem_printf("remove it from %s, unless it is for what comes seldom; a connection "
			   "that stands since before shows in 'quaywall watch --all'",
			   rule->where.file));
}

/* A rule that says the same again has its counters in the first one's, and is not told. */
static void check_rule(const struct policy_document *doc, const struct policy_rule *rule,
		       json_t *index, json_int_t seconds, struct check_report *ret)
{
	CLEANUP_FREE char *hash = mem_printf("%016" PRIx64, policy_rule_key(doc, rule));
	CLEANUP_FREE char *key = key_of(doc->name, hash);
	const json_t *hits = json_object_get(index, key);

	if (!hits || posture_number(hits, "watched") < seconds)
		return;
	tell_unused(doc, rule, hits, ret);
	json_object_del(index, key);
}

static void check_rules(const struct policy_set *set, json_t *index, json_int_t seconds,
			struct check_report *ret)
{
	for (size_t d = 0; d < set->ndocuments; d++)
		for (size_t i = 0; i < set->documents[d].nrules; i++)
			if (set->documents[d].rules[i].action != POLICY_DENY)
				check_rule(&set->documents[d], &set->documents[d].rules[i], index,
					   seconds, ret);
}

static void tell_gap(struct check_report *ret, const char *why)
{
	CLEANUP_FREE char *text = mem_printf("rules without a hit: %s", why);

	check_report_gap(ret, "hygiene", text);
}

void hygiene_unused(const struct check_input *in, struct check_report *ret)
{
	const struct settings *s = compile_settings(in->compiled);
	const struct policy_set *set = compile_policies(in->compiled);
	const json_t *hits = posture_get(in->posture, "hits", NULL);
	const json_t *list = json_object_get(hits, "rules");
	json_t *index;

	if (!s->unused_days || !set->ndocuments)
		return;
	if (!s->counters || !json_is_array(list)) {
		tell_gap(ret, !s->counters ? "the settings' `counters` is false"
			      : *posture_text(hits, "why")
				      ? posture_text(hits, "why")
				      : "it was not recorded when they were hit");
		return;
	}
	index = index_hits(list);
	check_rules(set, index, (json_int_t)s->unused_days * DAY, ret);
	json_decref(index);
}
