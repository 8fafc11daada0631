#include "verbs.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>

#include "quaywall/mem.h"
#include "quaywall/nft.h"
#include "call.h"
#include "offline.h"
#include "output.h"
#include "session.h"

/* Only root may read the kernel's rules; the daemon can for whoever may ask it. It knows nothing of other files
 * than its own. */
static int ask_daemon(const struct arguments *a, json_t **ret)
{
	CLEANUP_FREE char *session = session_connection();
	CLEANUP_JSON json_t *request = json_pack("{s:s, s:s?}", "verb", "plan", "session", session);

	if (a->snapshot || a->policies || a->docker)
		return QUAYWALL_UNREACHABLE;
	return call_daemon(a, request, ret, NULL, NULL) > QUAYWALL_FINDINGS ? QUAYWALL_UNREACHABLE
									    : QUAYWALL_FINE;
}

static int compare_kernel(const struct arguments *a, struct offline *o, json_t **ret,
			  struct error *err)
{
	CLEANUP_RULESET struct ruleset *inet = NULL, *bridge = NULL;
	CLEANUP_NFT struct nft *n = NULL;
	int r = nft_open(-1, &n, err);

	if (r == 0)
		r = nft_dump(n, QUAYWALL_TABLE, NFPROTO_INET, &inet, err);
	/* A kernel without tables of this family has none. */
	if (r == 0 && nft_dump(n, QUAYWALL_TABLE, NFPROTO_BRIDGE, &bridge, err) < 0)
		error_done(err);
	if (r == -EPERM)
		return ask_daemon(a, ret);
	if (r < 0)
		return QUAYWALL_UNREACHABLE;
	*ret = reconcile_plan(o->compiled, inet, bridge);
	json_object_set_new(*ret, "warnings", session_warnings(o->compiled, o->model));
	return QUAYWALL_FINE;
}

static int plan(const struct arguments *a, struct offline *o, json_t **ret, struct error *err)
{
	int code = offline_world(o, a, true, err);

	return code == QUAYWALL_FINE ? compare_kernel(a, o, ret, err) : code;
}

static int print_plan(const struct arguments *a, const json_t *plan)
{
	bool changes = json_integer_value(json_object_get(plan, "changes")) > 0;

	if (!a->json)
		session_print(json_object_get(plan, "warnings"));
	if (a->json)
		output_json(plan);
	else if (changes)
		output_diff(output_text(plan, "diff"));
	else
		puts("nothing to change");
	return changes ? QUAYWALL_FINDINGS : QUAYWALL_FINE;
}

int verb_plan(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_OFFLINE struct offline o = {.settings = NULL};
	CLEANUP_JSON json_t *answer = NULL;
	int code = plan(a, &o, &answer, &err);

	return code == QUAYWALL_FINE ? print_plan(a, answer) : verb_fail(code, &err);
}
