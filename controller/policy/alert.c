#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "quaywall/mem.h"

#define URL_FORM "https://HOST[:PORT]/… or http://…"
#define SCAN_MAX 1000 /* so many targets of a source are remembered */

/* Without "user:password@" in front; what is a name is found out when it is looked up. */
static bool is_host(const char *text, size_t len)
{
	const char *at = memrchr(text, '@', len);
	const char *host = at ? at + 1 : text;

	len -= (size_t)(host - text);
	return len && *host != ':';
}

static bool is_url(const char *text)
{
	const char *host = NULL;

	if (!strncasecmp(text, "https://", 8))
		host = text + 8;
	else if (!strncasecmp(text, "http://", 7))
		host = text + 7;
	return host && is_host(host, strcspn(host, "/?#")) && !strpbrk(text, " \t\"<>\\^`{|}");
}

/* The value never stands in a message: it may hold a password, or be one as a whole. */
static void read_webhook(struct policy_problems *p, const struct node *n, struct settings *s)
{
	char *url CLEANUP_FREE = NULL;

	if (!keys_is_text(p, n, "webhook", URL_FORM))
		return;
	url = scalar_words(p, n, "webhook", SIZE_MAX);
	if (url && strlen(url) <= 2048 && is_url(url)) {
		free(s->webhook);
		s->webhook = mem_strdup(url);
	} else if (url) {
		problem_error(p, &n->where, "\"webhook\" is no address (expected " URL_FORM ")");
	}
}

static void read_limit(struct policy_problems *p, const struct node *map, const char *key,
		       uint32_t max, struct settings_alert *ret)
{
	const struct node *n = keys_get(map, key);
	uint32_t count;
	enum policy_unit unit = ret->unit;
	char word[CLIP_SIZE];

	if (!n || !scalar_rate(p, n, key, true, &count, &unit))
		return;
	if (count > max) {
		problem_error(p, &n->where, "\"%s\" is \"%s\" (expected at most %u)", key,
			      clip(n->text, word), max);
		return;
	}
	*ret = (struct settings_alert) {count, unit};
}

/* A scan of one target, or a flood of one packet, is none. */
static void check_least(struct policy_problems *p, const struct node *map, const char *key,
			const struct settings_alert *limit)
{
	if (limit->count == 1)
		problem_error(p, &keys_get(map, key)->where,
			      "\"%s\" of 1 (expected 0, which is off, or more than 1)", key);
}

void alert_read(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const char *const known[] = {"scan",	 "flood",   "spoofing",
					    "new_flows", "webhook", NULL};
	const struct node *n = keys_get(root, "alert");

	if (!n || !keys_is_mapping(p, n, "alert", "{new_flows: true, webhook: URL}"))
		return;
	keys_check(p, n, known);
	read_limit(p, n, "scan", SCAN_MAX, &s->alert_scan);
	read_limit(p, n, "flood", UINT32_MAX, &s->alert_flood);
	check_least(p, n, "scan", &s->alert_scan);
	check_least(p, n, "flood", &s->alert_flood);
	if (keys_get(n, "spoofing"))
		scalar_bool(p, keys_get(n, "spoofing"), "spoofing", &s->alert_spoofing);
	if (keys_get(n, "new_flows"))
		scalar_bool(p, keys_get(n, "new_flows"), "new_flows", &s->alert_new_flows);
	if (keys_get(n, "webhook"))
		read_webhook(p, keys_get(n, "webhook"), s);
	if (s->alert_new_flows && s->flows == FLOWS_NEVER)
		policy_problem_add(p, POLICY_WARNING, &keys_node(n, "new_flows")->where,
				   "\"new_flows\" sees none with \"flows: never\"");
}
