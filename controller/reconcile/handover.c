#include "handover.h"

#include <stdio.h>

#include "daemon.h"

#include "quaywall/log.h"

static bool is_managed(const struct model *m, const struct model_endpoint *e)
{
	return model_network_is_managed(&m->networks[e->network]);
}

void handover_find(const struct model *was, const struct model *is, struct ranges *ret)
{
	for (size_t i = 0; i < was->nendpoints; i++) {
		const struct model_endpoint *e = &was->endpoints[i];

		if (is_managed(was, e))
			model_endpoint_left(e, is, ret);
	}
	ranges_normalise(ret);
}

static bool holds_any(const struct model_endpoint *e, const struct ranges *gone)
{
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(e, addrs);

	for (size_t i = 0; i < n; i++) {
		if (ranges_contain(gone, &addrs[i]))
			return true;
	}
	return false;
}

struct model *handover_between(const struct model *m, const struct ranges *gone)
{
	struct model *copy = NULL;

	for (size_t i = 0; i < m->nendpoints; i++) {
		if (!holds_any(&m->endpoints[i], gone))
			continue;
		copy = copy ? copy : model_copy(m);
		copy->endpoints[i].container = MODEL_NONE;
	}
	return copy;
}

bool handover_touches(const struct flow_entry *e, void *gone)
{
	return ranges_contain(gone, &e->orig_src) || ranges_contain(gone, &e->orig_dst) ||
	       ranges_contain(gone, &e->reply_src) || ranges_contain(gone, &e->reply_dst);
}

/* ---- the daemon's part ---- */

void daemon_end_flows(struct daemon *d, struct ranges *gone)
{
	CLEANUP_FLOW_LIST struct flow_list doomed = {0};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	char text[24];
	size_t n = 0;
	int r = flow_find(d->flows, handover_touches, gone, &doomed, &err);

	if (r == 0)
		r = flow_delete(d->flows, &doomed, &n, &err);
	if (r < 0) {
		log_line(LOG_LEVEL_ERROR, "flows of a container that has gone may go on", "cause",
			 error_text(&err), NULL);
		daemon_cut_soon(d);
	}
	d->flows_cut += n;
	snprintf(text, sizeof(text), "%zu", n);
	log_line(LOG_LEVEL_DEBUG, "flows of containers that have gone", "flows", text, NULL);
}

/* The rules without the new owners. Where the kernel refuses them, it will refuse what comes next, too. */
static int apply_between(struct daemon *d, const struct world *next, struct model *between,
			 struct error *err)
{
	struct world w = {.settings = next->settings, .policies = next->policies, .model = between};
	int r = world_compile(&w, NULL);

	if (r == 0)
		r = daemon_apply(d, &w, err);
	world_drop(&w, next);
	return r;
}

int daemon_apply_model(struct daemon *d, const struct world *next, struct error *err)
{
	CLEANUP_RANGES struct ranges gone = {NULL, 0, 0};
	struct model *between;
	int r;

	if (d->world.model && d->world.compiled && !d->suspended &&
	    compile_needs_bridge_filter(d->world.compiled))
		handover_find(d->world.model, next->model, &gone);
	between = gone.len ? handover_between(next->model, &gone) : NULL;
	d->kernel.left = gone.len ? &gone : NULL;
	r = between ? apply_between(d, next, between, err) : daemon_apply(d, next, err);
	d->kernel.left = NULL;
	if (r == 0 && gone.len)
		daemon_end_flows(d, &gone);
	return r == 0 && between ? daemon_apply(d, next, err) : r;
}
