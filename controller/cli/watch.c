/*
 * watch: the daemon's stream of records, filtered and printed. The daemon sends everything that it sees: what one
 * client looks for costs it nothing.
 */
#include "verbs.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "quaywall/addr.h"
#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "call.h"
#include "output.h"

/* ---- filters ---- */

static bool matches(const char *pattern, const char *text)
{
	return *text && fnmatch(pattern, text, 0) == 0;
}

static bool is_in(const char *cidr, const char *address)
{
	struct prefix net;
	struct addr a;

	return *address && prefix_parse(cidr, &net) == 0 && addr_parse(address, &a) == 0 &&
	       prefix_contains(&net, &a);
}

/* "shop/web" of "shop/web (shop-web-1)" */
static char *short_title(const json_t *end)
{
	const char *title = output_text(end, "title");
	const char *bracket = strstr(title, " (");

	return mem_strndup(title, bracket ? (size_t)(bracket - title) : strlen(title));
}

static bool end_is(const char *wanted, const json_t *end)
{
	CLEANUP_FREE char *title = short_title(end);
	const char *kind = output_text(end, "kind");

	if (!wanted)
		return true;
	if (!strcmp(wanted, "world") || !strcmp(wanted, "host"))
		return !strcmp(kind, *wanted == 'h' ? "host" : "outside");
	return matches(wanted, title) || matches(wanted, output_text(end, "container")) ||
	       matches(wanted, output_text(end, "identity")) ||
	       is_in(wanted, output_text(end, "address"));
}

/* "5432", "5432/udp": as PORT/PROTO of the container or of the host. */
static bool port_is(const char *wanted, const json_t *record)
{
	const char *ports = output_text(record, "ports");
	const char *protocol = strchr(ports, '/');
	const char *published = output_text(record, "published");
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE char *as_published = NULL;

	if (!wanted)
		return true;
	if (!strcmp(wanted, ports)) /* "icmp", too */
		return true;
	text = strchr(wanted, '/') ? mem_strdup(wanted) : mem_printf("%s/tcp", wanted);
	as_published = mem_printf("%s%s", published, protocol ? protocol : "");
	return !strcmp(text, ports) || (*published && !strcmp(text, as_published));
}

static const json_t *decision(const json_t *record)
{
	return json_object_get(record, output_text(record, "decided_by"));
}

static bool policy_is(const char *wanted, const json_t *consent)
{
	return !strcmp(wanted, output_text(consent, "policy"));
}

/* What it decided; where something passes, both ends have. */
static bool policy_decided(const char *wanted, const json_t *record)
{
	if (strcmp(output_text(record, "verdict"), "accepted"))
		return policy_is(wanted, decision(record));
	return policy_is(wanted, json_object_get(record, "egress")) ||
	       policy_is(wanted, json_object_get(record, "ingress"));
}

static bool is_wanted(const struct arguments *a, const json_t *record)
{
	if (a->refused && json_is_true(json_object_get(record, "passed")))
		return false;
	if (a->policy && !policy_decided(a->policy, record))
		return false;
	return end_is(a->from, json_object_get(record, "from")) &&
	       end_is(a->to, json_object_get(record, "to")) && port_is(a->port, record);
}

/* ---- text ---- */

/* The record's time is UTC; a person's is the host's. */
static void add_time(struct buf *out, const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	char local[16];
	time_t t;

	if (!rest) {
		buf_str(out, text);
		return;
	}
	t = timegm(&tm);
	localtime_r(&t, &tm);
	strftime(local, sizeof(local), "%H:%M:%S", &tm);
	buf_printf(out, "%s%.4s", local, rest);
}

/* "shop/web (shop-web-1) 172.18.0.3", "host 172.18.0.1", "world 203.0.113.9" */
static void add_end(struct buf *out, const json_t *end)
{
	const char *address = output_text(end, "address");
	bool outside = !strcmp(output_text(end, "kind"), "outside");

	buf_str(out, outside ? "world" : output_text(end, "title"));
	if (*address)
		buf_printf(out, " %s", address);
}

static void add_reason(struct buf *out, const json_t *record)
{
	const char *why = output_text(record, "why"), *rule = output_text(record, "logged_by");

	if (*why)
		buf_printf(out, "  %s: %s", output_text(record, "decided_by"), why);
	else if (*rule)
		buf_printf(out, "  %s", rule);
}

/* How much a consent tells: a rule's the most, nothing where that end is not judged. */
static int weight(const json_t *consent)
{
	const char *reason = output_text(consent, "reason");

	return strstr(reason, "-rule") ? 2 : strcmp(reason, "not-judged") ? 1 : 0;
}

/* Of two that tell as much, the destination's. */
static const json_t *deciding_consent(const json_t *record)
{
	const json_t *egress = json_object_get(record, "egress");
	const json_t *ingress = json_object_get(record, "ingress");

	return weight(egress) > weight(ingress) ? egress : ingress;
}

static void add_counted(struct buf *out, const char *what, const json_t *counted)
{
	if (json_is_object(counted))
		buf_printf(out, "  %s %s packets %s bytes", what, output_text(counted, "packets"),
			   output_text(counted, "bytes"));
}

/* Of a flow that passes: that it begins, and by which rules; that it ends, and how much it carried. */
static void add_state(struct buf *out, const json_t *record)
{
	const char *state = output_text(record, "state");

	buf_printf(out, "  %s", state);
	if (!strcmp(state, "ends")) {
		add_counted(out, "sent", json_object_get(record, "sent"));
		add_counted(out, "answered", json_object_get(record, "answered"));
	} else if (!*output_text(record, "why")) {
		buf_printf(out, "  %s", output_text(deciding_consent(record), "text"));
	}
}

/* 16:50:01.123 refused  shop/worker (shop-worker-1) 172.18.0.4 -> shop/db (shop-db-1) 172.18.0.3  5432/tcp  ... */
static void add_record(struct buf *out, const json_t *record)
{
	const char *verdict = output_text(record, "verdict");
	const char *published = output_text(record, "published");
	bool passed = json_is_true(json_object_get(record, "passed"));

	add_time(out, output_text(record, "time"));
	buf_char(out, ' ');
	output_coloured(out,
			!passed			      ? "deny"
			: strcmp(verdict, "accepted") ? "audit"
						      : "allow",
			verdict);
	buf_printf(out, "%*s ", (int)(8 - strlen(verdict)), "");
	add_end(out, json_object_get(record, "from"));
	buf_str(out, " -> ");
	add_end(out, json_object_get(record, "to"));
	buf_printf(out, "  %s", output_text(record, "ports"));
	if (*published)
		buf_printf(out, " (published as %s)", published);
	if (strcmp(output_text(record, "state"), "packet"))
		add_state(out, record);
	add_reason(out, record);
	buf_char(out, '\n');
}

static void print_error(const json_t *object)
{
	const char *error = output_text(object, "error");

	if (*error)
		fprintf(stderr, "quaywall: %s\n", error);
}

/* In text what is no flow goes to standard error, so that the lines of standard output are all alike. */
static void print_event(const json_t *event)
{
	const char *kind = output_text(event, "event");

	if (!strcmp(kind, "watching"))
		print_error(json_object_get(event, "flows"));
	else if (!strcmp(kind, "skipped"))
		fprintf(stderr, "quaywall: %s lines were not read in time\n",
			output_text(event, "lines"));
	else if (!strcmp(kind, "counted"))
		fprintf(stderr, "quaywall: %s beginnings and ends were counted only: too many\n",
			output_text(event, "flows"));
	else if (!strcmp(kind, "left-out"))
		fprintf(stderr, "quaywall: log.rate left out %s more packets\n",
			output_text(event, "packets"));
	else if (!strcmp(kind, "alert") || !strcmp(kind, "finding"))
		fprintf(stderr, "quaywall: %s: %s\n", kind, output_text(event, "text"));
}

/* ---- the stream ---- */

struct watch {
	const struct arguments *a;
	char **kept; /* --last: a ring of what is to be printed */
	size_t next;
	bool live;
};

static void print_line(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
}

static char *print_record(const struct watch *w, const json_t *record, const char *line)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (w->a->json)
		return mem_strdup(line);
	add_record(&out, record);
	return buf_steal(&out);
}

static void keep(struct watch *w, char *text)
{
	free(w->kept[w->next]);
	w->kept[w->next] = text;
	w->next = (w->next + 1) % w->a->last_n;
}

static void print_kept(const struct watch *w)
{
	for (size_t i = 0; i < w->a->last_n; i++) {
		const char *text = w->kept[(w->next + i) % w->a->last_n];

		if (text)
			print_line(text);
	}
}

/* What came before the daemon says that it is live now. False: that is all. */
static bool take_live(struct watch *w, const json_t *event, const char *line)
{
	bool stays = !w->kept || w->a->follow;

	w->live = true;
	print_error(event);
	print_error(json_object_get(event, "flows"));
	if (w->kept)
		print_kept(w);
	if (stays && w->a->json)
		print_line(line);
	return stays;
}

/* What happened before is no news. */
static void take_event(const struct watch *w, const json_t *event, const char *line)
{
	if (w->live && w->a->json)
		print_line(line);
	else if (w->live)
		print_event(event);
}

/* False: that is all. */
static bool take_line(struct watch *w, const json_t *value, const char *line)
{
	const char *event = output_text(value, "event");

	if (!w->live && !strcmp(event, "watching"))
		return take_live(w, value, line);
	if (*event) {
		take_event(w, value, line);
		return true;
	}
	if (!is_wanted(w->a, value) || (!w->live && !w->kept))
		return true;
	if (!w->live) {
		keep(w, print_record(w, value, line));
		return true;
	}
	CLEANUP_FREE char *text = print_record(w, value, line);

	print_line(text);
	return true;
}

/* The daemon's answer, if LINE is one instead of a stream's. */
static int refusal(const char *line, json_t **value, struct error *err)
{
	json_decref(*value);
	*value = NULL;
	return call_read_answer(line, strlen(line), value, err);
}

static int follow(struct watch *w, FILE *stream, struct error *err)
{
	CLEANUP_FREE char *line = NULL;
	size_t cap = 0;

	while (!ferror(stdout) && getline(&line, &cap, stream) > 0) {
		CLEANUP_JSON json_t *value = json_loads(line, 0, NULL);

		if (json_object_get(value, "exit"))
			return refusal(line, &value, err);
		if (!take_line(w, value, line))
			return QUAYWALL_FINE;
	}
	if (!ferror(stdout))
		error_set(err, -EPIPE, "the daemon has ended");
	return QUAYWALL_UNREACHABLE;
}

static void watch_done(struct watch *w)
{
	for (size_t i = 0; w->kept && i < w->a->last_n; i++)
		free(w->kept[i]);
	free(w->kept);
}

int verb_watch(const struct arguments *a)
{
	__attribute__((cleanup(watch_done))) struct watch w = {.a = a};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *request = json_pack("{s:s, s:b}", "verb", "watch", "all", a->all);
	CLEANUP_FILE FILE *stream = NULL;
	int fd, code;

	if (a->last_n)
		w.kept = mem_new(a->last_n, sizeof(*w.kept));
	if (call_stream(a, request, &fd, &err) < 0)
		return verb_fail(QUAYWALL_UNREACHABLE, &err);
	stream = fdopen(fd, "r");
	if (!stream) {
		error_set(&err, -errno, "the daemon's stream: %s", strerror(errno));
		close(fd);
		return verb_fail(QUAYWALL_UNREACHABLE, &err);
	}
	code = follow(&w, stream, &err);
	return verb_fail(code, &err);
}
