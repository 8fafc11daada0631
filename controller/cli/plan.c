#include "verbs.h"

#include <linux/netfilter.h>
#include <stdio.h>

#include "quaywall/buf.h"
#include "quaywall/nft.h"
#include "offline.h"
#include "output.h"

static int print_diff(const struct arguments *a, const struct ruleset *now,
		      const struct ruleset *wanted)
{
	CLEANUP_RULESET_DIFF struct ruleset_diff d = {NULL, 0, 0};
	CLEANUP_BUF struct buf text = BUF_INIT;

	ruleset_compare(now, wanted, &d);
	ruleset_diff_print(now, wanted, &d, &text);
	if (a->json) {
		CLEANUP_JSON json_t *j = json_pack("{s:I, s:o}", "changes", (json_int_t)d.len,
						   "diff", reconcile_json_text(buf_text(&text)));

		output_json(j);
	} else if (d.len) {
		output_diff(buf_text(&text));
	} else {
		puts("nothing to change");
	}
	return d.len ? QUAYWALL_FINDINGS : QUAYWALL_FINE;
}

static int plan(const struct arguments *a, struct offline *o, struct error *err)
{
	CLEANUP_RULESET struct ruleset *wanted = NULL, *now = NULL;
	CLEANUP_NFT struct nft *n = NULL;
	int code = offline_load(o, a, false, err);

	if (code == QUAYWALL_FINE)
		code = offline_list(o, a, true, err);
	if (code == QUAYWALL_FINE)
		code = offline_compile(o);
	offline_print_problems(o);
	if (code != QUAYWALL_FINE)
		return code;
	if (nft_open(-1, &n, err) < 0 || nft_dump(n, QUAYWALL_TABLE, NFPROTO_INET, &now, err) < 0)
		return QUAYWALL_UNREACHABLE;
	wanted = compile_ruleset(o->compiled);
	return print_diff(a, now, wanted);
}

int verb_plan(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_OFFLINE struct offline o = {.settings = NULL};
	int code = plan(a, &o, &err);

	return code > QUAYWALL_FINDINGS ? verb_fail(code, &err) : code;
}
