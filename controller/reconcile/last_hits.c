#include "last_hits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"
#include "statefile.h"
#include "world.h"

#define DAY 86400
/* What can be said as a date, as learn_table_read() has it. */
#define TIME_MAX INT64_C(253402300799)

void last_hits_done(struct last_hits *l)
{
	for (size_t i = 0; i < l->len; i++)
		free(l->items[i].policy);
	free(l->items);
	*l = (struct last_hits) {.items = NULL};
}

/* ---- what lines counted ---- */

struct line {
	char *file, *line;
	uint64_t counted;
};

struct lines {
	struct line *items; /* by file and line */
	size_t len, cap;
};

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	return order ? order : strcmp(x->line, y->line);
}

/* A line has several counters: of both ends, of several identities. */
static void take_lines(const struct hits *h, struct lines *ret)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->rules.len; i++) {
		struct line l = {.counted = h->rules.items[i].counted};

		hits_place(h->rules.items[i].comment, &l.file, &l.line);
		MEM_PUSH(ret, l);
	}
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), compare_lines);
	for (size_t i = 0; i < ret->len; i++) {
		struct line *last = kept ? &ret->items[kept - 1] : NULL;

		if (!last || compare_lines(last, &ret->items[i])) {
			ret->items[kept++] = ret->items[i];
			continue;
		}
		last->counted += ret->items[i].counted;
		free(ret->items[i].file);
		free(ret->items[i].line);
	}
	ret->len = kept;
}

static void lines_done(struct lines *l)
{
	for (size_t i = 0; i < l->len; i++) {
		free(l->items[i].file);
		free(l->items[i].line);
	}
	free(l->items);
}

static const struct line *line_of(const struct lines *l, const struct policy_where *where)
{
	CLEANUP_FREE char *number = mem_printf("%u", where->line);
	struct line key = {(char *)where->file, number, 0};

	return l->len ? bsearch(&key, l->items, l->len, sizeof(key), compare_lines) : NULL;
}

/* ---- rules ---- */

static int compare_rule(const struct last_hit *h, const char *policy, uint64_t rule)
{
	int order = strcmp(h->policy, policy);

	if (order)
		return order;
	return h->rule < rule ? -1 : h->rule > rule;
}

/* NULL: it is new, and there are too many. */
static struct last_hit *rule_of(struct last_hits *l, const char *policy, uint64_t rule, time_t now,
				bool *ret_new)
{
	struct last_hit fresh = {.rule = rule, .since = now};
	size_t low = 0, high = l->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_rule(&l->items[middle], policy, rule) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < l->len && !compare_rule(&l->items[low], policy, rule))
		return &l->items[low];
	if (l->len == LAST_HITS_RULES)
		return NULL;
	*ret_new = true;
	fresh.policy = mem_strdup(policy);
	MEM_PUSH(l, fresh);
	memmove(l->items + low + 1, l->items + low, (l->len - low - 1) * sizeof(fresh));
	l->items[low] = fresh;
	return &l->items[low];
}

/* Returns whether it was not hit for a day before. */
static bool count(struct last_hit *h, const struct line *line, time_t now, uint64_t elapsed)
{
	bool hit = line && line->counted && line->counted != h->counted, news;

	if (line && h->present && !hit)
		h->watched += elapsed;
	h->present = line;
	if (line)
		h->counted = line->counted;
	if (!hit)
		return false;
	news = h->watched >= DAY || !h->last;
	h->last = now;
	h->watched = 0;
	return news;
}

static void forget(struct last_hits *l)
{
	size_t left = 0;

	for (size_t i = 0; i < l->len; i++) {
		if (l->items[i].kept)
			l->items[left++] = l->items[i];
		else
			free(l->items[i].policy);
	}
	l->len = left;
}

/* Returns whether that is new. */
static bool take_audit(struct last_hits *l, const char *policy, time_t now)
{
	bool is_new = false;
	struct last_hit *h = rule_of(l, policy, LAST_HITS_AUDIT, now, &is_new);

	if (h)
		h->kept = true;
	return is_new;
}

static bool take_document(struct last_hits *l, const struct lines *lines,
			  const struct policy_document *doc, time_t now, uint64_t elapsed)
{
	bool news = doc->mode == POLICY_AUDIT && take_audit(l, doc->name, now);

	for (size_t i = 0; i < doc->nrules; i++) {
		uint64_t key = policy_rule_key(doc, &doc->rules[i]);
		struct last_hit *h = rule_of(l, doc->name, key, now, &news);

		/* A rule that says the same again has its counters in the first one's. */
		if (!h || h->kept)
			continue;
		h->kept = true;
		news |= count(h, line_of(lines, &doc->rules[i].where), now, elapsed);
	}
	return news;
}

bool last_hits_take(struct last_hits *l, const struct hits *h, const struct policy_set *set,
		    bool audits, time_t now, uint64_t elapsed)
{
	struct lines lines = {NULL, 0, 0};
	bool news;

	take_lines(h, &lines);
	for (size_t i = 0; i < l->len; i++)
		l->items[i].kept = false;
	news = audits && take_audit(l, "", now);
	for (size_t i = 0; i < set->ndocuments; i++)
		news |= take_document(l, &lines, &set->documents[i], now, elapsed);
	forget(l);
	lines_done(&lines);
	return news;
}

/* ---- as a document ---- */

json_t *last_hits_json(const struct last_hits *l)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < l->len; i++) {
		const struct last_hit *h = &l->items[i];

		json_array_append_new(
			rules,
			json_pack("{s:s, s:o, s:I, s:I, s:I, s:I}", "policy", h->policy, "rule",
				  json_sprintf("%016" PRIx64, h->rule), "since",
				  (json_int_t)h->since, "last", (json_int_t)h->last, "watched",
				  (json_int_t)h->watched, "counted", (json_int_t)h->counted));
	}
	return json_pack("{s:i, s:o}", "quaywall_hits", 1, "rules", rules);
}

static bool take_number(const json_t *rule, const char *key, int64_t max, int64_t *ret)
{
	const json_t *j = json_object_get(rule, key);

	if (!json_is_integer(j) || json_integer_value(j) < 0 || json_integer_value(j) > max)
		return false;
	*ret = json_integer_value(j);
	return true;
}

static bool take_key(const json_t *rule, uint64_t *ret)
{
	const char *text = json_string_value(json_object_get(rule, "rule"));

	if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return false;
	*ret = strtoull(text, NULL, 16);
	return true;
}

static bool take_rule(struct last_hits *l, const json_t *rule)
{
	const char *policy = json_string_value(json_object_get(rule, "policy"));
	int64_t since, last, watched, counted;
	struct last_hit *h;
	uint64_t key;
	bool is_new = false;

	if (!policy || !take_key(rule, &key) || !take_number(rule, "since", TIME_MAX, &since) ||
	    !take_number(rule, "last", TIME_MAX, &last) ||
	    !take_number(rule, "watched", TIME_MAX, &watched) ||
	    !take_number(rule, "counted", INT64_MAX, &counted))
		return false;
	h = rule_of(l, policy, key, since, &is_new);
	if (!h || !is_new)
		return false;
	h->last = last;
	h->watched = (uint64_t)watched;
	h->counted = (uint64_t)counted;
	return true;
}

int last_hits_read(const json_t *document, struct last_hits *ret, struct error *err)
{
	const json_t *rules = json_object_get(document, "rules");
	struct last_hits l = {.items = NULL};
	bool fine = json_integer_value(json_object_get(document, "quaywall_hits")) == 1 &&
		    json_is_array(rules);

	for (size_t i = 0; fine && i < json_array_size(rules); i++)
		fine = take_rule(&l, json_array_get(rules, i));
	if (!fine) {
		last_hits_done(&l);
		return error_set(err, -EBADMSG, "the content is not what this version writes");
	}
	*ret = l;
	return 0;
}

/* ---- the file ---- */

int last_hits_load(const char *folder, struct last_hits *ret, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_JSON json_t *j = NULL;
	size_t len;
	int r = statefile_read(folder, LAST_HITS_FILE, LAST_HITS_SIZE_MAX, &text, err);

	if (r < 0)
		return r;
	if (!text.len || !statefile_check_sum(text.data, text.len, &len))
		r = error_set(err, -EBADMSG, "the checksum is wrong");
	if (r == 0)
		j = json_loadb(text.data, len, 0, NULL);
	if (r == 0)
		r = last_hits_read(j, ret, err);
	return r < 0 ? error_wrap(err, r, "%s/" LAST_HITS_FILE, folder) : 0;
}

int last_hits_save(const char *folder, const struct last_hits *l, bool sync, struct error *err)
{
	CLEANUP_JSON json_t *j = last_hits_json(l);
	CLEANUP_FREE char *dump = json_dumps(j, JSON_COMPACT);
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_str(&text, dump ? dump : "null");
	statefile_add_sum(&text);
	return statefile_write(folder, LAST_HITS_FILE, &text, sync, err);
}

/* ---- the posture ---- */

void reconcile_rule_hits(const char *state_folder, json_t *posture)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct last_hits l = {.items = NULL};
	json_t *hits = json_object(), *document;
	int r = last_hits_load(state_folder, &l, &err);

	if (r == 0) {
		document = last_hits_json(&l);
		json_object_set(hits, "rules", json_object_get(document, "rules"));
		json_decref(document);
	} else {
		json_object_set_new(hits, "rules", json_null());
		json_object_set_new(hits, "why", reconcile_json_text(error_text(&err)));
	}
	json_object_set_new(posture, "hits", hits);
	last_hits_done(&l);
}

void reconcile_rule_hits_of(const struct settings *s, json_t *posture)
{
	CLEANUP_FREE char *folder = world_state_folder(s);

	reconcile_rule_hits(folder, posture);
}
