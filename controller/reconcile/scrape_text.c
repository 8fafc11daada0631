/*
 * The metrics of the daemon, as the README lists them. What is added goes into a function of its own, and that into
 * SECTIONS; a test holds that the README, the dashboard and the alert rules name nothing else.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

#define PREFIX "quaywall_"

/* A metric with one sample. */
static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	metrics_begin(out, name, METRICS_COUNTER, help);
	metrics_count(out, name, NULL, 0, value);
}

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
	metrics_begin(out, name, METRICS_GAUGE, help);
	metrics_number(out, name, NULL, 0, value);
}

static void labelled(struct buf *out, const char *name, const char *label, const char *value,
		     uint64_t n)
{
	const struct metrics_label l = {label, value};

	metrics_count(out, name, &l, 1, n);
}

/* ---- the program ---- */

static void add_build(struct daemon *d, struct buf *out)
{
	(void)d;
	metrics_begin(out, PREFIX "build_info", METRICS_GAUGE, "1, with the version.");
	labelled(out, PREFIX "build_info", "version", QUAYWALL_VERSION, 1);
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void add_memory(struct buf *out)
{
	CLEANUP_FILE FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size, resident;

	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		return;
	gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.",
	      (double)resident * (double)sysconf(_SC_PAGESIZE));
}

/* By the names that Prometheus' own libraries give. */
static void add_process(struct daemon *d, struct buf *out)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	metrics_begin(out, "process_cpu_seconds_total", METRICS_COUNTER,
		      "Total user and system CPU time spent in seconds.");
	metrics_number(out, "process_cpu_seconds_total", NULL, 0,
		       seconds(&used.ru_utime) + seconds(&used.ru_stime));
	gauge(out, "process_start_time_seconds",
	      "Start time of the process since unix epoch in seconds.", (double)d->started);
	add_memory(out);
}

/* ---- what is in force ---- */

static void add_state(struct daemon *d, struct buf *out)
{
	static const char *const states[] = {"enforcing",   "skeleton", "kept",
					     "no-policies", "failing",	"flushed"};
	const char *now = daemon_state(d);

	metrics_begin(out, PREFIX "state", METRICS_GAUGE,
		      "1 for the state that the daemon is in, as status has it.");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		labelled(out, PREFIX "state", "state", states[i], !strcmp(states[i], now));
	gauge(out, PREFIX "healthy",
	      "1 where what is in force is what the files and the engine say.", daemon_is_fine(d));
}

static size_t warnings(const struct policy_problems *p)
{
	return p->len - policy_problems_errors(p);
}

static void add_policies(struct daemon *d, struct buf *out)
{
	const struct policy_set *set = d->world.policies;

	gauge(out, PREFIX "policy_documents", "Policy documents in force.",
	      set ? (double)set->ndocuments : 0);
	gauge(out, PREFIX "policy_loaded_timestamp_seconds",
	      "When the set in force was loaded, since unix epoch; 0: never.", (double)d->loaded);
	gauge(out, PREFIX "policy_errors", "Errors in the files as they were read last.",
	      (double)policy_problems_errors(&d->problems));
	gauge(out, PREFIX "policy_warnings", "Warnings in the files as they were read last.",
	      (double)warnings(&d->problems));
	gauge(out, PREFIX "policy_load_failed",
	      "1 where the files as they were read last are not in force.",
	      d->load_error || d->not_in_force);
	gauge(out, PREFIX "policy_on_trial", "1 while a set waits to be confirmed.",
	      d->trial.state == TRIAL_PENDING);
}

static void add_kernel(struct daemon *d, struct buf *out)
{
	metrics_begin(out, PREFIX "table_present", METRICS_GAUGE,
		      "1 where the table of the family stands.");
	labelled(out, PREFIX "table_present", "family", "inet", kernel_has_table(&d->kernel));
	labelled(out, PREFIX "table_present", "family", "bridge", kernel_has_bridge(&d->kernel));
	counter(out, PREFIX "transactions_total", "Transactions that changed the rules.",
		d->kernel.transactions);
	counter(out, PREFIX "transaction_failures_total", "Transactions that the kernel refused.",
		d->failures);
	metrics_begin(out, PREFIX "transaction_duration_seconds", METRICS_HISTOGRAM,
		      "From having read what makes it necessary to the acknowledged transaction.");
	metrics_durations_print(out, PREFIX "transaction_duration_seconds", &d->scrape.applying);
	counter(out, PREFIX "drift_repairs_total",
		"Changes of the tables by others that were undone.", d->drift.repairs);
	counter(out, PREFIX "bridge_filter_repairs_total",
		"How often br_netfilter was switched on again.", d->filter_repairs);
	counter(out, PREFIX "flows_cut_total", "Flows that were ended as the policies refuse them.",
		d->flows_cut);
}

/* ---- the engine, and what it runs ---- */

static void add_engine(struct daemon *d, struct buf *out)
{
	struct docker_status s = {.state = DOCKER_CONNECTED};

	if (d->docker)
		docker_status(d->docker, &s);
	gauge(out, PREFIX "engine_connected", "1 while the engine is followed.",
	      s.state == DOCKER_CONNECTED);
	counter(out, PREFIX "engine_resyncs_total", "Full listings behind a (re)connect.",
		s.connects);
	counter(out, PREFIX "engine_events_total", "Events of containers and networks read.",
		s.events);
	counter(out, PREFIX "engine_repairs_total", "Listings that found what no event had told.",
		s.repaired);
	counter(out, PREFIX "engine_streams_lost_total", "Streams of events that broke.", s.lost);
	docker_status_done(&s);
}

static void add_networks(const struct model *m, struct buf *out)
{
	uint64_t managed = 0;

	for (size_t i = 0; m && i < m->nnetworks; i++)
		managed += model_network_is_managed(&m->networks[i]);
	metrics_begin(out, PREFIX "networks", METRICS_GAUGE,
		      "Networks of the engine, by whether they are governed.");
	labelled(out, PREFIX "networks", "governed", "yes", managed);
	labelled(out, PREFIX "networks", "governed", "no", m ? m->nnetworks - managed : 0);
}

/* Kinds are few: each is counted when it comes first. */
static void add_ungoverned(struct daemon *d, struct buf *out)
{
	CLEANUP_JSON json_t *list = daemon_not_governed(d);
	CLEANUP_JSON json_t *kinds = json_object();
	const char *kind;
	json_t *entry, *n;
	size_t i;

	json_array_foreach(list, i, entry) {
		kind = json_string_value(json_object_get(entry, "kind"));
		n = json_object_get(kinds, kind);
		json_object_set_new(kinds, kind, json_integer(json_integer_value(n) + 1));
	}
	metrics_begin(out, PREFIX "not_governed", METRICS_GAUGE,
		      "What the rules cannot reach, by the kinds that status names.");
	json_object_foreach(kinds, kind, n)
		labelled(out, PREFIX "not_governed", "kind", kind, (uint64_t)json_integer_value(n));
}

static void add_world(struct daemon *d, struct buf *out)
{
	const struct world *w = &d->world;

	gauge(out, PREFIX "containers", "Containers that the engine lists.",
	      w->model && !d->skeleton ? (double)w->model->ncontainers : 0);
	gauge(out, PREFIX "endpoints", "Endpoints of containers that are known.",
	      w->model ? (double)w->model->nendpoints : 0);
	gauge(out, PREFIX "identities", "Classes of containers that no selector tells apart.",
	      w->compiled ? (double)compile_identities(w->compiled) : 0);
	add_networks(w->model, out);
	add_ungoverned(d, out);
}

/* ---- packets ---- */

static bool is_first_of_its_word(size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(compile_counted_chain(j)->word, compile_counted_chain(i)->word))
			return false;
	return true;
}

/* Words as `watch` has them, with what audit mode lets pass told apart. */
static void add_verdicts(struct daemon *d, struct buf *out)
{
	metrics_begin(out, PREFIX "verdict_packets_total", METRICS_COUNTER,
		      "Packets that were refused, or that audit mode let pass, by verdict.");
	for (size_t i = 0; i < COMPILE_COUNTED; i++) {
		uint64_t packets = 0;
		const char *word = compile_counted_chain(i)->word;

		if (!is_first_of_its_word(i))
			continue;
		for (size_t j = i; j < COMPILE_COUNTED; j++)
			if (!strcmp(compile_counted_chain(j)->word, word))
				packets += d->scrape.hits.verdicts[j];
		labelled(out, PREFIX "verdict_packets_total", "verdict", word, packets);
	}
}

static void add_rule(struct buf *out, const char *name, const struct hits_rule *r, uint64_t value)
{
	static const char *const actions[] = {
		[HITS_ALLOW] = "allow",
		[HITS_AUDIT] = "audit",
		[HITS_REFUSE] = "refuse",
	};
	CLEANUP_FREE char *file = NULL;
	CLEANUP_FREE char *line = NULL;
	const char *rest = hits_place(r->comment, &file, &line);
	const struct metrics_label labels[] = {
		{"direction", r->egress ? "egress" : "ingress"},
		{"action", actions[r->action]},
		{"file", file},
		{"line", line},
		{"rule", rest},
	};

	metrics_count(out, name, labels, ARRAY_SIZE(labels), value);
}

static void add_rules(struct daemon *d, struct buf *out)
{
	const struct hits *h = &d->scrape.hits;

	metrics_begin(out, PREFIX "rule_packets_total", METRICS_COUNTER,
		      "First packets of flows that a policy's line decided on.");
	for (size_t i = 0; i < h->rules.len; i++)
		add_rule(out, PREFIX "rule_packets_total", &h->rules.items[i],
			 h->rules.items[i].packets);
	metrics_begin(out, PREFIX "rule_bytes_total", METRICS_COUNTER, "Their bytes.");
	for (size_t i = 0; i < h->rules.len; i++)
		add_rule(out, PREFIX "rule_bytes_total", &h->rules.items[i],
			 h->rules.items[i].bytes);
	gauge(out, PREFIX "rules_left_out", "Counters beyond the bounds of what is told apart.",
	      (double)h->left_out);
	counter(out, PREFIX "stale_scrapes_total",
		"Scrapes that told the packets of an earlier one, as the kernel did not.",
		d->scrape.failures);
}

static void add_log(struct daemon *d, struct buf *out)
{
	const struct seen *s = &d->seen;

	gauge(out, PREFIX "log_read", "1 while the log group is read.", s->log != NULL);
	counter(out, PREFIX "log_packets_total", "Logged packets that were told.", s->packets);
	counter(out, PREFIX "log_left_out_packets_total",
		"Packets that were refused or audited and not logged, because of log.rate.",
		s->left_out.total);
	counter(out, PREFIX "log_lost_packets_total",
		"Packets that the kernel logged and could not deliver.", daemon_seen_lost(d));
}

static void add_flows(struct daemon *d, struct buf *out)
{
	const struct accepted *a = &d->accepted;

	gauge(out, PREFIX "flows_followed", "1 while conntrack's events are followed.",
	      a->events != NULL);
	counter(out, PREFIX "flows_begun_total",
		"Flows of containers that passed and were followed.", a->begun);
	counter(out, PREFIX "flows_ended_total", "Ends of such flows.", a->ended);
	counter(out, PREFIX "flows_not_told_total", "Such flows that were counted only.",
		a->not_told);
	counter(out, PREFIX "flow_events_not_judged_total",
		"Events of conntrack that were not looked at, for want of time.", a->not_judged);
	counter(out, PREFIX "flow_event_losses_total",
		"Times that conntrack had more events than it could deliver.", a->losses);
}

/* ---- all of it ---- */

/* ---- what is told to others ---- */

static void add_output(struct daemon *d, struct buf *out)
{
	struct output_state state = {0};

	if (d->outlet.output)
		output_state(d->outlet.output, &state);
	free(state.error);
	counter(out, PREFIX "output_lines_total", "Lines that a log collector got.", state.lines);
	counter(out, PREFIX "output_lost_lines_total",
		"Lines that a log collector, or its disk, had no room for.", state.lost);
}

static void add_alerts(struct daemon *d, struct buf *out)
{
	struct webhook_state state = {0};

	metrics_begin(out, PREFIX "alerts_total", METRICS_COUNTER, "Alerts that were raised.");
	for (int i = 0; i < ALERT_KINDS; i++)
		labelled(out, PREFIX "alerts_total", "kind", alert_kind_name((enum alert_kind)i),
			 d->alerting.raised[i]);
	counter(out, PREFIX "alerts_suppressed_total", "Alerts that were kept back as too many.",
		daemon_alert_suppressed(d));
	if (d->alerting.webhook)
		webhook_state(d->alerting.webhook, &state);
	free(state.error);
	counter(out, PREFIX "webhook_sent_total", "Alerts that the webhook took.", state.sent);
	counter(out, PREFIX "webhook_dropped_total", "Alerts that did not reach the webhook.",
		state.dropped);
}

static void add_findings(struct daemon *d, struct buf *out)
{
	size_t counts[CHECK_SEVERITIES];

	check_report_count(&d->checking.report, counts);
	metrics_begin(out, PREFIX "findings", METRICS_GAUGE,
		      "Findings of the checks that the settings do not suppress.");
	for (int i = 0; i < CHECK_SEVERITIES; i++)
		labelled(out, PREFIX "findings", "severity",
			 check_severity_name((enum check_severity)i), counts[i]);
	gauge(out, PREFIX "findings_checked_timestamp_seconds",
	      "When the checks were made last, since unix epoch; 0: never.",
	      (double)d->checking.at);
}

static void add_wire(struct daemon *d, struct buf *out, const char *name, enum metrics_type type,
		     const char *key, const char *help)
{
	const json_t *list = d->checking.overlay;

	metrics_begin(out, name, type, help);
	for (size_t i = 0; i < json_array_size(list); i++) {
		static const char *const names[] = {"network", "peer", "direction", "kind"};
		const json_t *entry = json_array_get(list, i);
		struct metrics_label labels[ARRAY_SIZE(names)];

		for (size_t n = 0; n < ARRAY_SIZE(names); n++)
			labels[n] = (struct metrics_label) {
				names[n], json_string_value(json_object_get(entry, names[n]))};
		metrics_count(out, name, labels, ARRAY_SIZE(labels),
			      (uint64_t)json_integer_value(json_object_get(entry, key)));
	}
}

/* As the checks saw them last: there can be too many to be read in the loop. */
static void add_overlay(struct daemon *d, struct buf *out)
{
	add_wire(d, out, PREFIX "overlay_datagrams_total", METRICS_COUNTER, "packets",
		 "VXLAN datagrams of overlay networks, as the checks saw them last.");
	add_wire(d, out, PREFIX "overlay_bytes_total", METRICS_COUNTER, "bytes", "Their bytes.");
	add_wire(d, out, PREFIX "overlay_last_timestamp_seconds", METRICS_GAUGE, "last",
		 "When the last of them was seen, since unix epoch.");
}

static void (*const sections[])(struct daemon *d, struct buf *out) = {
	add_build,  add_process, add_state,    add_policies, add_kernel,
	add_engine, add_world,	 add_verdicts, add_rules,    add_log,
	add_flows,  add_output,	 add_alerts,   add_findings, add_overlay,
};

void daemon_scrape_text(struct daemon *d, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		sections[i](d, out);
}
