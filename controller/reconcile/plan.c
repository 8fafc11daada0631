/*
 * What the kernel would have to be told to hold what is wanted: for `plan`.
 */
#include "quaywall/reconcile.h"

#include "quaywall/buf.h"

/* How many changes turn NOW into WANTED, either of which may be NULL: no table. */
static size_t add_table(struct buf *out, const char *title, const struct ruleset *now,
			const struct ruleset *wanted)
{
	CLEANUP_RULESET_DIFF struct ruleset_diff d = {NULL, 0, 0};

	if (!wanted) {
		if (now)
			buf_printf(out, "%s\n-table %s\n", title, now->table);
		return now != NULL;
	}
	ruleset_compare(now, wanted, &d);
	if (d.len)
		buf_printf(out, "%s\n", title);
	ruleset_diff_print(now, wanted, &d, out);
	return d.len;
}

json_t *reconcile_plan(const struct compiled *c, const struct ruleset *inet,
		       const struct ruleset *bridge)
{
	CLEANUP_RULESET struct ruleset *wanted = compile_ruleset(c);
	CLEANUP_RULESET struct ruleset *wanted_bridge = compile_bridge_ruleset(c);
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t changes = add_table(&text, "table inet " QUAYWALL_TABLE, inet, wanted);

	changes += add_table(&text, "table bridge " QUAYWALL_TABLE, bridge, wanted_bridge);
	return json_pack("{s:I, s:o}", "changes", (json_int_t)changes, "diff",
			 reconcile_json_text(buf_text(&text)));
}
