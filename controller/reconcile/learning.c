#include "daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "describe.h"
#include "record.h"
#include "statefile.h"

#define WRITE_MS     60000
#define PAIRS_A_TURN 64
/* Of the loop's timers: the clock may be set meanwhile. */
#define LOOK_MS 60000

/* ---- the file ---- */

static void begin_draft(struct learning *l)
{
	buf_truncate(&l->draft, 0);
	buf_printf(&l->draft,
		   "{\"quaywall_learned\":1,\"since\":%jd,\"until\":%jd,\"followed\":%" PRIu64
		   ",\"pairs\":[",
		   (intmax_t)l->since, (intmax_t)l->until, l->followed);
	l->drafted = 0;
	l->changed = false;
}

/* At most N pairs more. False: there are others. */
static bool go_on(struct learning *l, size_t n)
{
	l->drafted = learn_table_print(l->table, l->drafted, n, &l->draft);
	if (l->drafted < learn_table_len(l->table))
		return false;
	buf_printf(&l->draft, "],\"left_out\":%" PRIu64 "}", learn_table_left_out(l->table));
	statefile_add_sum(&l->draft);
	return true;
}

/* The loop does not wait for the disk but at the end: what a power cut takes then is begun anew. */
static void write_draft(struct daemon *d, bool sync)
{
	struct learning *l = &d->learning;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = l->draft.len > LEARNING_SIZE_MAX
			? error_set(&err, -EFBIG, "it is over %u MiB", LEARNING_SIZE_MAX >> 20)
			: statefile_write(d->state_folder, LEARNING_FILE, &l->draft, sync, &err);

	buf_done(&l->draft);
	if (r < 0 && !l->error)
		log_line(LOG_LEVEL_WARNING, "what is learned cannot be kept for a restart", "cause",
			 error_text(&err), NULL);
	daemon_note(&l->error, r < 0 ? error_text(&err) : NULL);
	l->changed = l->changed || r < 0;
}

static void keep(struct daemon *d, bool sync)
{
	begin_draft(&d->learning);
	go_on(&d->learning, SIZE_MAX);
	write_draft(d, sync);
}

static void note_change(struct learning *l)
{
	l->changed = true;
	if (!l->write_timer.due)
		loop_timer_set(&l->write_timer, WRITE_MS);
}

/* A full table takes some milliseconds to print, which others in the loop need not wait for. */
void daemon_learn_due(void *data)
{
	struct daemon *d = data;
	struct learning *l = &d->learning;

	if (!l->draft.len && !l->changed)
		return;
	if (!l->draft.len)
		begin_draft(l);
	if (!go_on(l, PAIRS_A_TURN)) {
		loop_timer_set(&l->write_timer, 1);
		return;
	}
	write_draft(d, false);
	if (l->changed)
		loop_timer_set(&l->write_timer, WRITE_MS);
}

static bool take_time(const json_t *j, time_t *ret)
{
	/* As learn_table_read() has it: what can be said as a date. */
	if (!json_is_integer(j) || json_integer_value(j) < 0 ||
	    json_integer_value(j) > INT64_C(253402300799))
		return false;
	*ret = json_integer_value(j);
	return true;
}

/* A file of before has no `followed`. */
static int take_document(struct learning *l, const json_t *j, struct error *err)
{
	struct learning was = {.since = 0};
	time_t followed = 0;

	take_time(json_object_get(j, "followed"), &followed);
	if (json_integer_value(json_object_get(j, "quaywall_learned")) != 1 ||
	    !take_time(json_object_get(j, "since"), &was.since) ||
	    !take_time(json_object_get(j, "until"), &was.until))
		return error_set(err, -EBADMSG, "the content is not what this version writes");
	if (learn_table_read(j, LEARNING_PAIRS, &was.table, err) < 0)
		return -EBADMSG;
	learn_table_free(l->table);
	l->table = was.table;
	l->since = was.since;
	l->until = was.until;
	l->followed = (uint64_t)followed;
	return 0;
}

static int read_document(const char *folder, json_t **ret, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t len;
	int r = statefile_read(folder, LEARNING_FILE, LEARNING_SIZE_MAX, &text, err);

	if (r < 0)
		return r;
	if (!text.len || !statefile_check_sum(text.data, text.len, &len))
		r = error_set(err, -EBADMSG, "the checksum is wrong");
	if (r == 0)
		*ret = json_loadb(text.data, len, 0, NULL);
	return r < 0 ? error_wrap(err, r, "%s/" LEARNING_FILE, folder) : 0;
}

static int read_file(struct daemon *d, struct error *err)
{
	CLEANUP_JSON json_t *j = NULL;
	int r = read_document(d->state_folder, &j, err);

	if (r < 0)
		return r;
	r = take_document(&d->learning, j, err);
	return r < 0 ? error_wrap(err, r, "%s/" LEARNING_FILE, d->state_folder) : 0;
}

void reconcile_seen_flows(const char *state_folder, json_t *posture)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *flows = NULL;
	int r = read_document(state_folder, &flows, &err);

	if (r < 0 && r != -ENOENT)
		flows = json_pack("{s:o}", "why", reconcile_json_text(error_text(&err)));
	else if (!flows)
		flows = json_pack("{s:i}", "followed", 0);
	json_object_set_new(posture, "flows", flows);
}

void reconcile_seen_flows_of(const struct settings *s, json_t *posture)
{
	CLEANUP_FREE char *folder = world_state_folder(s);

	reconcile_seen_flows(folder, posture);
}

static void look_again(struct learning *l)
{
	time_t now = time(NULL);
	uint64_t left = l->until > now ? (uint64_t)(l->until - now) * 1000 : 0;

	if (left)
		loop_timer_set(&l->over_timer, left < LOOK_MS ? left : LOOK_MS);
}

void daemon_learn_open(struct daemon *d)
{
	struct learning *l = &d->learning;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r;

	l->table = learn_table_new(LEARNING_PAIRS);
	l->since = time(NULL);
	r = read_file(d, &err);
	look_again(l);
	if (r == 0 || r == -ENOENT)
		return;
	daemon_note(&l->error, error_text(&err));
	log_line(LOG_LEVEL_ERROR, "what was learned cannot be read, and is begun anew", "cause",
		 l->error, NULL);
}

void daemon_learn_tick(struct daemon *d)
{
	struct learning *l = &d->learning;
	uint64_t now = loop_now();

	if (l->followed_from && d->accepted.events && now - l->followed_from >= 1000) {
		l->followed += (now - l->followed_from) / 1000;
		note_change(l);
	}
	l->followed_from = d->accepted.events ? now : 0;
}

void daemon_learn_done(struct daemon *d)
{
	if (d->learning.table && (d->learning.changed || d->learning.draft.len))
		keep(d, true);
	buf_done(&d->learning.draft);
	learn_table_free(d->learning.table);
	free(d->learning.error);
}

/* ---- what is learned ---- */

void daemon_learn_flow(struct daemon *d, const struct flow *f, enum flow_verdict verdict)
{
	struct learning *l = &d->learning;
	bool is_new;

	if (!l->table || !d->world.compiled || d->skeleton)
		return;
	if (learn_table_add(l->table, d->world.compiled, f, verdict, time(NULL), &is_new))
		note_change(l);
	if (is_new && verdict != FLOW_DENY)
		daemon_alert_new_flow(d, f);
}

static bool same_tuple(const struct flow_tuple *a, const struct flow_tuple *b)
{
	return addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst) &&
	       a->protocol == b->protocol && a->sport == b->sport && a->dport == b->dport;
}

/* What audit lets pass is logged at each end that would refuse it, one right behind the other. */
static bool is_second_half(struct daemon *d, const struct flow_packet *p, const struct flow *f)
{
	struct learning *l = &d->learning;
	struct verdict v;

	compile_verdict(d->world.compiled, f, &v);
	if (l->half && same_tuple(&l->audited, &p->tuple)) {
		l->half = false;
		return true;
	}
	l->half = v.egress.verdict == FLOW_AUDIT && v.ingress.verdict == FLOW_AUDIT;
	l->audited = p->tuple;
	return false;
}

void daemon_learn_unanswered(struct daemon *d, const struct flow *f)
{
	struct learning *l = &d->learning;

	if (!l->table || !d->world.compiled || d->skeleton)
		return;
	learn_table_unanswered(l->table, d->world.compiled, f);
	note_change(l);
}

/* What passes comes from conntrack, where it is followed: the log has a rate. */
void daemon_learn_logged(struct daemon *d, const struct flow_packet *p,
			 const struct record_interfaces *names)
{
	enum flow_verdict verdict;
	struct flow f;

	if (!d->world.compiled || !record_flow(d->world.compiled, p, names, &f, &verdict))
		return;
	if (verdict != FLOW_DENY && d->accepted.events)
		return;
	if (verdict != FLOW_AUDIT || !is_second_half(d, p, &f))
		daemon_learn_flow(d, &f, verdict);
}

static bool something_audits(const struct world *w)
{
	if (!w->settings || !w->policies)
		return false;
	if (w->settings->mode == POLICY_AUDIT)
		return true;
	for (size_t i = 0; i < w->policies->ndocuments; i++)
		if (w->policies->documents[i].mode == POLICY_AUDIT)
			return true;
	return false;
}

bool daemon_learn_wants_flows(const struct daemon *d)
{
	return something_audits(&d->world) || d->learning.until > time(NULL);
}

bool daemon_learn_is_over(const struct daemon *d)
{
	return d->learning.until && d->learning.until <= time(NULL);
}

/* ---- for a time ---- */

static void until(struct daemon *d, time_t end)
{
	struct learning *l = &d->learning;

	l->until = end;
	/* At once: a restart in the first minute must not end it. */
	keep(d, false);
	loop_timer_clear(&l->over_timer);
	look_again(l);
	daemon_accepted_follow(d);
}

void daemon_learn_for(struct daemon *d, unsigned seconds)
{
	until(d, time(NULL) + seconds);
}

void daemon_learn_over(void *data)
{
	struct daemon *d = data;

	look_again(&d->learning);
	if (d->learning.over_timer.due)
		return;
	log_line(LOG_LEVEL_INFO, "learning is over ('quaywall learn' writes the policy)", NULL);
	daemon_accepted_follow(d);
}

void daemon_learn_forget(struct daemon *d)
{
	struct learning *l = &d->learning;

	learn_table_free(l->table);
	l->table = learn_table_new(LEARNING_PAIRS);
	l->since = time(NULL);
	l->followed = l->followed_from = 0;
	until(d, 0);
}

/* ---- what is told ---- */

/* Of labels, those that say who a container is: others may hold what is not for everybody. */
static void drop_labels(struct model_container *c)
{
	CLEANUP_FREE struct model_label *kept = mem_new(c->nlabels, sizeof(*kept));
	struct model_container bare = *c;

	bare.labels = kept;
	bare.nlabels = 0;
	bare.block = NULL;
	for (size_t i = 0; i < c->nlabels; i++)
		if (model_label_is_identity(c->labels[i].key))
			kept[bare.nlabels++] = c->labels[i];
	bare = model_container_share(&bare);
	model_container_done(c);
	*c = bare;
}

/* Who is there now, as the policy's tests are held against it: a snapshot. */
static json_t *snapshot_json(const struct daemon *d)
{
	CLEANUP_MODEL struct model *m = d->world.model ? model_copy(d->world.model) : model_new();
	CLEANUP_BUF struct buf text = BUF_INIT;

	for (size_t i = 0; i < m->ncontainers; i++)
		drop_labels(&m->containers[i]);
	docker_snapshot_write(m, &text);
	return json_string(buf_text(&text));
}

static json_t *names_json(const struct policy_set *set)
{
	json_t *names = json_array();

	for (size_t i = 0; set && i < set->ndocuments; i++)
		json_array_append_new(names, reconcile_json_text(set->documents[i].name));
	return names;
}

json_t *daemon_learn_answer(const struct daemon *d)
{
	const struct learn_table *t = d->learning.table;
	json_t *answer = daemon_learn_json(d);
	CLEANUP_BUF struct buf text = BUF_INIT;

	/* As text, which costs a fraction of what thousands of objects do. */
	buf_str(&text, "{\"pairs\":[");
	learn_table_print(t, 0, SIZE_MAX, &text);
	buf_printf(&text, "],\"left_out\":%" PRIu64 "}", learn_table_left_out(t));
	json_object_set_new(answer, "table", json_string(buf_text(&text)));
	json_object_set_new(answer, "policies", names_json(d->world.policies));
	json_object_set_new(answer, "snapshot", snapshot_json(d));
	return answer;
}

json_t *daemon_learn_json(const struct daemon *d)
{
	const struct learning *l = &d->learning;
	bool runs = l->until > time(NULL);

	return json_pack("{s:I, s:I, s:o, s:o, s:o}", "pairs",
			 (json_int_t)(l->table ? learn_table_len(l->table) : 0), "left_out",
			 (json_int_t)(l->table ? learn_table_left_out(l->table) : 0), "since",
			 describe_time(l->since), "until", describe_time(runs ? l->until : 0),
			 "error", reconcile_json_text(l->error));
}
