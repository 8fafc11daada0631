/* What refused packets and new flows make the administrator hear of: as log lines, to who watches, to log collectors
 * and by the webhook. */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "describe.h"
#include "record.h"

#define FLOOD_LEAST 10

/* ---- the settings ---- */

static struct alert_limit limit_of(const struct settings_alert *s)
{
	return (struct alert_limit) {s->count, (uint32_t)s->unit};
}

/* At most half of what the log's rate lets through: more would not be seen. */
static void lower_flood(struct alert_limit *flood, const struct settings *s)
{
	uint64_t seen = (uint64_t)s->log_rate * flood->seconds / (uint32_t)s->log_unit / 2;

	if (seen < FLOOD_LEAST)
		seen = FLOOD_LEAST;
	if (flood->count > seen)
		flood->count = (uint32_t)seen;
}

static struct alert_limits limits_of(const struct settings *s)
{
	struct alert_limits l = {limit_of(&s->alert_scan), limit_of(&s->alert_flood),
				 s->alert_spoofing};

	lower_flood(&l.flood, s);
	return l;
}

static bool are_same(const struct alert_limits *a, const struct alert_limits *b)
{
	return a->scan.count == b->scan.count && a->scan.seconds == b->scan.seconds &&
	       a->flood.count == b->flood.count && a->flood.seconds == b->flood.seconds &&
	       a->spoofing == b->spoofing;
}

static void follow_limits(struct alerting *a, const struct settings *s)
{
	struct alert_limits now = limits_of(s);

	if (a->table && are_same(&a->limits, &now))
		return;
	if (a->table)
		a->suppressed += alert_suppressed(a->table);
	alert_table_free(a->table);
	a->table = alert_table_new(&now);
	a->limits = now;
}

/* In the webhook's thread. */
static void tell_trouble(const char *why)
{
	log_line(LOG_LEVEL_WARNING, "alerts do not reach the webhook", "cause", why, NULL);
}

static void close_webhook(struct alerting *a)
{
	webhook_close(a->webhook);
	a->webhook = NULL;
	daemon_note(&a->url, NULL);
	daemon_note(&a->webhook_error, NULL);
}

static void follow_webhook(struct alerting *a, const struct settings *s)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	bool same = a->url && s->webhook ? !strcmp(a->url, s->webhook) : a->url == s->webhook;

	if (same && !a->webhook_error)
		return;
	close_webhook(a);
	daemon_note(&a->url, s->webhook);
	if (!a->url || webhook_open(a->url, tell_trouble, &a->webhook, &err) == 0)
		return;
	daemon_note(&a->webhook_error, error_text(&err));
	tell_trouble(a->webhook_error);
}

void daemon_alert_follow(struct daemon *d)
{
	if (!d->world.settings)
		return;
	follow_limits(&d->alerting, d->world.settings);
	follow_webhook(&d->alerting, d->world.settings);
}

void daemon_alert_done(struct daemon *d)
{
	struct alerting *a = &d->alerting;

	close_webhook(a);
	alert_table_free(a->table);
	for (size_t i = 0; i < ALERTS_LAST; i++)
		json_decref(a->last[i]);
}

/* ---- one alert ---- */

static void add_end(struct buf *out, const char *name, const char *address)
{
	buf_printf(out, "%s%s%s", name, *name && *address ? " " : "", address);
}

static void add_target(struct buf *out, const struct alert_target *t)
{
	add_end(out, t->name, t->address);
	buf_printf(out, " %s", t->ports);
}

static void add_what(struct buf *out, const struct alert *a)
{
	unsigned long long count = a->count;

	switch (a->kind) {
	case ALERT_SCAN:
		buf_printf(out, " was refused at %u or more ports or addresses within %u s",
			   a->different, a->seconds);
		break;
	case ALERT_FLOOD:
		buf_printf(out, " was refused %llu times or more", count);
		break;
	case ALERT_SPOOFING:
		buf_printf(out, " sent %llu frames that are not its to send", count);
		break;
	case ALERT_NEW_FLOW:
		buf_str(out, " begins a flow that was not seen before");
		break;
	case ALERT_KINDS:
		break;
	}
}

/* "port scan: shop/web (shop-web-1) 172.18.0.3 was refused at 20 or more ports or addresses within 60 s, last shop/db
 * (shop-db-1) 172.18.0.2 20/tcp" */
static json_t *sentence(const struct alert *a)
{
	static const char *const names[] = {
		[ALERT_SCAN] = "port scan",
		[ALERT_FLOOD] = "flood",
		[ALERT_SPOOFING] = "spoofing",
		[ALERT_NEW_FLOW] = "new flow",
	};
	CLEANUP_BUF struct buf out = BUF_INIT;

	buf_printf(&out, "%s%s: ", names[a->kind], a->again ? " goes on" : "");
	add_end(&out, a->from, a->from_address);
	if (a->again)
		buf_printf(&out, ", %llu in all", (unsigned long long)a->count);
	else
		add_what(&out, a);
	buf_str(&out, a->kind == ALERT_NEW_FLOW && !a->again ? ": " : ", last ");
	add_target(&out, &a->to);
	return reconcile_json_text(buf_text(&out));
}

static json_t *target_json(const struct alert_target *t)
{
	return json_pack("{s:o, s:o, s:o}", "title", reconcile_json_text(t->name), "address",
			 *t->address ? reconcile_json_text(t->address) : json_null(), "ports",
			 reconcile_json_text(t->ports));
}

static json_t *examples_json(const struct alert *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->nexamples; i++)
		json_array_append_new(list, target_json(&a->examples[i]));
	return list;
}

static json_t *host_json(void)
{
	struct utsname names;

	return uname(&names) == 0 ? reconcile_json_text(names.nodename) : json_null();
}

static json_t *alert_json(const struct alert *a)
{
	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:{s:o, s:o}, s:o, s:I, s:b, s:o, s:o, s:o}",
			 "event", "alert", "time", describe_time(a->last), "kind",
			 alert_kind_name(a->kind), "text", sentence(a), "host", host_json(), "from",
			 "title", reconcile_json_text(a->from), "address",
			 *a->from_address ? reconcile_json_text(a->from_address) : json_null(),
			 "to", target_json(&a->to), "count", (json_int_t)a->count, "again",
			 a->again, "first", describe_time(a->first), "last", describe_time(a->last),
			 "examples", examples_json(a));
}

static void keep(struct alerting *a, json_t *alert)
{
	json_decref(a->last[a->next]);
	a->last[a->next] = json_incref(alert);
	a->next = (a->next + 1) % ALERTS_LAST;
}

static void raise_alert(void *data, const struct alert *alert)
{
	struct daemon *d = data;
	CLEANUP_JSON json_t *j = alert_json(alert);
	CLEANUP_FREE char *line = json_dumps(j, JSON_COMPACT);

	d->alerting.raised[alert->kind]++;
	log_line(LOG_LEVEL_WARNING, "alert", "kind", alert_kind_name(alert->kind), "text",
		 json_string_value(json_object_get(j, "text")), NULL);
	if (!line)
		return;
	keep(&d->alerting, j);
	control_tell(&d->control, SEEN_LOGGED, line);
	daemon_outlet_tell(d, OUTPUT_REFUSED, j, line);
	if (d->alerting.webhook)
		webhook_send(d->alerting.webhook, line);
}

/* ---- what raises them ---- */

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* As everything else that people read calls it. */
static const char *name_of(const json_t *end)
{
	const char *kind = text_of(end, "kind");

	return kind && !strcmp(kind, "outside") ? "world" : text_of(end, "title");
}

static void take(struct daemon *d, enum alert_event_kind kind, const json_t *from, const json_t *to,
		 const char *ports)
{
	const char *source = text_of(from, "kind");
	struct alert_event event = {
		.kind = kind,
		.inside = source && !strcmp(source, "endpoint"),
		.from = name_of(from),
		.from_address = text_of(from, "address"),
		.to = name_of(to),
		.to_address = text_of(to, "address"),
		.ports = ports,
		.ms = loop_now(),
		.at = time(NULL),
	};

	if (d->alerting.table)
		alert_take(d->alerting.table, &event, raise_alert, d);
}

/* Of what was refused, or would be without audit, only what begins a flow is an attempt. Whom nobody knows begins
 * nothing but attempts. */
static bool is_attempt(const struct daemon *d, const struct flow_packet *p,
		       const struct record_interfaces *names, const char *verdict)
{
	enum flow_verdict judged;
	struct flow f;

	if (!strcmp(verdict, "unknown"))
		return true;
	return record_flow(d->world.compiled, p, names, &f, &judged) && judged != FLOW_ALLOW;
}

void daemon_alert_packet(struct daemon *d, const struct flow_packet *p,
			 const struct record_interfaces *names, const json_t *record)
{
	const json_t *from = json_object_get(record, "from"), *to = json_object_get(record, "to");
	const char *verdict = text_of(record, "verdict"), *ports = text_of(record, "ports");

	if (!strcmp(verdict, "spoofed"))
		take(d, ALERT_SPOOFED, from, to, ports);
	else if (is_attempt(d, p, names, verdict))
		take(d, ALERT_REFUSED, from, to, ports);
}

bool daemon_alert_wants_flows(const struct daemon *d)
{
	const struct settings *s = d->world.settings;

	return s && s->alert_new_flows && daemon_learn_is_over(d);
}

void daemon_alert_new_flow(struct daemon *d, const struct flow *f)
{
	const struct compiled *c = d->world.compiled;
	CLEANUP_JSON json_t *from = NULL, *to = NULL, *ports = NULL;

	if (!daemon_alert_wants_flows(d))
		return;
	from = describe_end(c, compile_model(c), &f->from);
	to = describe_end(c, compile_model(c), &f->to);
	ports = describe_ports(f, 0);
	take(d, ALERT_PASSED_NEW, from, to, json_string_value(ports));
}

/* ---- status ---- */

static json_t *webhook_json(const struct alerting *a)
{
	struct webhook_state state = {0};
	CLEANUP_FREE char *place = NULL;
	json_t *j;

	if (!a->url)
		return json_null();
	place = webhook_place(a->url);
	if (a->webhook)
		webhook_state(a->webhook, &state);
	j = json_pack("{s:o, s:I, s:I, s:I, s:o}", "to", reconcile_json_text(place), "sent",
		      (json_int_t)state.sent, "waiting", (json_int_t)state.waiting, "dropped",
		      (json_int_t)state.dropped, "error",
		      reconcile_json_text(state.error ? state.error : a->webhook_error));
	free(state.error);
	return j;
}

/* Whether flows that pass are compared with what was learned; where they are to be and are not yet: why. */
static const char *new_flows_text(const struct daemon *d)
{
	const struct settings *s = d->world.settings;

	if (!s || !s->alert_new_flows)
		return "off";
	if (!daemon_learn_is_over(d))
		return "until 'quaywall learn --for' has run";
	return s->flows == FLOWS_NEVER ? "flows: never" : "on";
}

uint64_t daemon_alert_suppressed(const struct daemon *d)
{
	const struct alerting *a = &d->alerting;

	return a->suppressed + (a->table ? alert_suppressed(a->table) : 0);
}

json_t *daemon_alert_json(const struct daemon *d)
{
	const struct alerting *a = &d->alerting;
	json_t *raised = json_object(), *last = json_array();

	for (int i = 0; i < ALERT_KINDS; i++)
		json_object_set_new(raised, alert_kind_name((enum alert_kind)i),
				    json_integer((json_int_t)a->raised[i]));
	for (size_t i = 0; i < ALERTS_LAST; i++)
		json_array_append(last, a->last[(a->next + i) % ALERTS_LAST]);
	return json_pack("{s:o, s:I, s:s, s:o, s:o}", "raised", raised, "suppressed",
			 (json_int_t)daemon_alert_suppressed(d), "new_flows", new_flows_text(d),
			 "webhook", webhook_json(a), "last", last);
}
