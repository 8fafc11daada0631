#include "daemon.h"

#include <sys/socket.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "describe.h"

static json_t *count(unsigned long n)
{
	return json_integer((json_int_t)n);
}

/* ---- engine ---- */

static json_t *engine_json(struct daemon *d)
{
	static const char *const states[] = {
		[DOCKER_CONNECTING] = "connecting",
		[DOCKER_CONNECTED] = "connected",
		[DOCKER_LOST] = "lost",
		[DOCKER_REFUSED] = "refused",
	};
	const struct model *m = d->skeleton ? NULL : d->world.model;
	struct docker_status s = {.state = DOCKER_CONNECTED};
	json_t *j;

	if (d->docker)
		docker_status(d->docker, &s);
	j = json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state",
		d->docker ? states[s.state] : "snapshot", "url",
		reconcile_json_text(d->docker ? d->world.settings->docker : d->options->snapshot),
		"name", reconcile_json_text(m ? m->engine_name : NULL), "version",
		reconcile_json_text(m ? m->engine_version : NULL), "api_version",
		reconcile_json_text(m ? m->api_version : NULL), "error",
		reconcile_json_text(s.error ? s.error : d->model_error), "connects",
		count(s.connects), "events", count(s.events), "repaired", count(s.repaired), "lost",
		count(s.lost), "containers", count(m ? m->ncontainers : 0));
	docker_status_done(&s);
	return j;
}

/* ---- policies ---- */

static json_t *document_json(const struct policy_document *doc, const struct settings *s)
{
	enum policy_mode mode = doc->mode == POLICY_MODE_DEFAULT ? s->mode : doc->mode;

	return json_pack("{s:o, s:o, s:i, s:s, s:o, s:o}", "name", reconcile_json_text(doc->name),
			 "file", reconcile_json_text(doc->where.file), "line", doc->where.line,
			 "mode", mode == POLICY_AUDIT ? "audit" : "enforce", "isolate",
			 describe_directions(doc->isolate), "rules", count(doc->nrules));
}

static json_t *problems_json(const struct policy_problems *p, enum policy_severity severity)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->len; i++) {
		CLEANUP_BUF struct buf line = BUF_INIT;
		struct policy_problems one = {.items = &p->items[i], .len = 1, .cap = 1};

		if (p->items[i].severity != severity)
			continue;
		policy_problems_print(&one, &line);
		if (line.len && line.data[line.len - 1] == '\n')
			buf_truncate(&line, line.len - 1);
		json_array_append_new(list, reconcile_json_text(buf_text(&line)));
	}
	return list;
}

static json_t *policies_json(struct daemon *d)
{
	const struct policy_set *set = d->world.policies;
	const struct settings *s = d->world.settings;
	json_t *files = json_array();
	json_t *documents = json_array();

	for (size_t i = 0; set && i < set->nfiles; i++)
		json_array_append_new(files, reconcile_json_text(set->files[i]));
	for (size_t i = 0; set && i < set->ndocuments; i++)
		json_array_append_new(documents, document_json(&set->documents[i], s));
	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "directory",
			 reconcile_json_text(s->policies), "settings", reconcile_json_text(s->file),
			 "mode", s->mode == POLICY_AUDIT ? "audit" : "enforce", "files", files,
			 "documents", documents, "loaded", describe_time(d->loaded), "error",
			 reconcile_json_text(d->load_error), "errors",
			 problems_json(&d->problems, POLICY_ERROR), "warnings",
			 problems_json(&d->problems, POLICY_WARNING), "not_in_force",
			 reconcile_json_text(d->not_in_force));
}

json_t *daemon_trial_json(const struct daemon *d)
{
	static const char *const states[] = {
		[TRIAL_NONE] = "none",
		[TRIAL_PENDING] = "pending",
		[TRIAL_OVER] = "over",
	};
	const struct trial *t = &d->trial;
	bool pending = t->state == TRIAL_PENDING, none = t->state == TRIAL_NONE;
	time_t left = pending ? (time_t)((trial_left(t) + 999) / 1000) : 0;

	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:b, s:o}", "state", states[t->state], "since",
		describe_time(none ? 0 : (time_t)t->since), "until",
		describe_time(pending ? time(NULL) + left : 0), "seconds_left",
		pending ? json_integer(left) : json_null(), "before",
		none ? json_null() : json_string(t->known ? "policies" : "nothing"), "changed",
		pending && !(d->world.policies && sources_equal(t->known, d->world.sources)),
		"error", reconcile_json_text(d->trial_error));
}

/* ---- kernel ---- */

static json_t *last_drift_json(const struct drift *drift)
{
	const struct nft_writer *by = &drift->by;

	if (!drift->repairs)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:f}", "at", describe_time(drift->at), "process",
			 reconcile_json_text(by->process[0] ? by->process : NULL), "pid",
			 by->pid ? count(by->pid) : json_null(), "restored_ms",
			 (double)drift->took_us / 1000);
}

static json_t *kernel_json(const struct daemon *d)
{
	return json_pack("{s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "table",
			 "inet " QUAYWALL_TABLE, "present", kernel_has_table(&d->kernel),
			 "bridge_table", kernel_has_bridge(&d->kernel), "owner", d->kernel.owner,
			 "applied", describe_time(d->applied_at), "transactions",
			 count(d->kernel.transactions), "failures", count(d->failures), "drift",
			 count(d->drift.repairs), "last_drift", last_drift_json(&d->drift),
			 "flows_cut", count(d->flows_cut), "error",
			 reconcile_json_text(d->apply_error));
}

static const char *filter_text(uint8_t family)
{
	static const char *const names[] = {
		[HOST_BRIDGE_FILTER_ON] = "on",
		[HOST_BRIDGE_FILTER_OFF] = "off",
		[HOST_BRIDGE_FILTER_ABSENT] = "absent",
	};

	return names[host_bridge_filter(family)];
}

static json_t *bridge_filter_json(const struct daemon *d)
{
	return json_pack("{s:b, s:s, s:s, s:o}", "needed",
			 d->world.compiled && compile_needs_bridge_filter(d->world.compiled),
			 "ipv4", filter_text(AF_INET), "ipv6", filter_text(AF_INET6), "repaired",
			 count(d->filter_repairs));
}

/* ---- what is governed ---- */

static json_t *network_json(const struct model *m, size_t i)
{
	const struct model_network *n = &m->networks[i];
	json_t *subnets = json_array();
	size_t endpoints = 0;

	for (size_t s = 0; s < n->nsubnets; s++) {
		char text[ADDR_TEXT_SIZE];

		json_array_append_new(subnets, json_string(prefix_format(&n->subnets[s], text)));
	}
	for (size_t e = 0; e < m->nendpoints; e++)
		endpoints += m->endpoints[e].network == i;
	return json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "name", reconcile_json_text(n->name),
			 "driver", reconcile_json_text(n->driver), "bridge",
			 reconcile_json_text(n->bridge), "subnets", subnets, "managed",
			 model_network_is_managed(n), "endpoints", count(endpoints));
}

static json_t *identity_json(const struct compile_identity *i)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "name", reconcile_json_text(i->name), "endpoints",
			 count(i->nendpoints), "isolated", describe_directions(i->isolated),
			 "audited", describe_directions(i->audited));
}

static json_t *endpoint_json(const struct world *w, size_t i)
{
	const struct model_endpoint *e = &w->model->endpoints[i];
	const struct model_container *c =
		e->container == MODEL_NONE ? NULL : &w->model->containers[e->container];
	size_t identity = compile_identity_of(w->compiled, i);
	CLEANUP_BUF struct buf title = BUF_INIT;
	char mac[ADDR_TEXT_SIZE];

	if (c)
		model_container_title(c, &title);
	else
		buf_str(&title, e->name ? e->name : "");
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "title",
		reconcile_json_text(buf_text(&title)), "container",
		reconcile_json_text(c ? c->name : NULL), "network",
		reconcile_json_text(w->model->networks[e->network].name), "addr4",
		describe_addr(&e->addr4), "addr6", describe_addr(&e->addr6), "mac",
		e->has_mac ? json_string(mac_format(e->mac, mac)) : json_null(), "port",
		reconcile_json_text(e->port[0] ? e->port : NULL), "identity",
		reconcile_json_text(identity == MODEL_NONE
					    ? NULL
					    : compile_identity(w->compiled, identity)->name));
}

static void add_world(json_t *status, const struct world *w)
{
	json_t *networks = json_array();
	json_t *identities = json_array();
	json_t *endpoints = json_array();

	for (size_t i = 0; w->model && i < w->model->nnetworks; i++)
		json_array_append_new(networks, network_json(w->model, i));
	for (size_t i = 0; w->compiled && i < compile_identities(w->compiled); i++)
		json_array_append_new(identities, identity_json(compile_identity(w->compiled, i)));
	for (size_t i = 0; w->compiled && i < w->model->nendpoints; i++)
		json_array_append_new(endpoints, endpoint_json(w, i));
	json_object_set_new(status, "networks", networks);
	json_object_set_new(status, "identities", identities);
	json_object_set_new(status, "endpoints", endpoints);
}

static void add_ungoverned(const struct daemon *d, json_t *list, size_t i, const char *family)
{
	if (!d->filter_missing[i])
		return;
	CLEANUP_FREE char *why =
		mem_printf("same-bridge traffic is not governed (%s): %s", family, d->filter_error);

	json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "kind", "bridge-filter", "what",
					      "packets within one bridge", "why",
					      reconcile_json_text(why)));
}

static void add_tagged(const struct daemon *d, json_t *list)
{
	if (!d->kernel.bridge_error)
		return;
	CLEANUP_FREE char *why = mem_printf(
		"addresses are not bound to containers' ports, and tagged frames are not "
		"governed: %s",
		d->kernel.bridge_error);

	json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "kind", "bridge-table", "what",
					      "spoofed and tagged frames", "why",
					      reconcile_json_text(why)));
}

static void add_learning(const struct daemon *d, json_t *list)
{
	if (!d->learning_error)
		return;
	CLEANUP_FREE char *why = mem_printf(
		"by LLDP frames with another's MAC a container can draw its traffic to its own port: %s",
		d->learning_error);

	json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "kind", "bridge-learning", "what",
					      "frames that no hook sees", "why",
					      reconcile_json_text(why)));
}

const char *daemon_state(const struct daemon *d)
{
	if (d->suspended)
		return "flushed";
	if (d->apply_error)
		return "failing";
	if (!d->world.policies)
		return "no-policies";
	if (!d->world.compiled)
		return "kept";
	return d->skeleton ? "skeleton" : "enforcing";
}

bool daemon_is_fine(struct daemon *d)
{
	struct docker_status s = {.state = DOCKER_CONNECTED};
	bool connected;

	if (d->docker)
		docker_status(d->docker, &s);
	connected = s.state == DOCKER_CONNECTED && !s.error;
	docker_status_done(&s);
	return connected && !d->suspended && !d->skeleton && d->world.compiled && !d->apply_error &&
	       !d->load_error && !d->not_in_force && !d->model_error && !d->cut_error &&
	       !d->filter_missing[0] && !d->filter_missing[1] && !d->kernel.bridge_error;
}

json_t *daemon_not_governed(struct daemon *d)
{
	json_t *list =
		reconcile_not_governed(d->skeleton ? NULL : d->world.model, d->world.settings);

	add_ungoverned(d, list, 0, "IPv4");
	add_ungoverned(d, list, 1, "IPv6");
	add_tagged(d, list);
	add_learning(d, list);
	daemon_ports_tell(d, list);
	return list;
}

json_t *daemon_status(struct daemon *d)
{
	json_t *status;

	status = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			   "version", QUAYWALL_VERSION, "state", daemon_state(d), "pid",
			   count((unsigned long)getpid()), "started", describe_time(d->started),
			   "engine", engine_json(d), "policies", policies_json(d), "confirm",
			   daemon_trial_json(d), "kernel", kernel_json(d), "bridge_filter",
			   bridge_filter_json(d), "log", daemon_seen_json(d), "flows",
			   daemon_accepted_json(d), "sandbox", daemon_sandbox_json(d),
			   "not_governed", daemon_not_governed(d));
	json_object_set_new(status, "learned", daemon_learn_json(d));
	json_object_set_new(status, "output", daemon_outlet_json(d));
	json_object_set_new(status, "metrics", daemon_scrape_json(d));
	json_object_set_new(status, "alerts", daemon_alert_json(d));
	json_object_set_new(status, "findings", daemon_check_json(d));
	add_world(status, &d->world);
	return status;
}
