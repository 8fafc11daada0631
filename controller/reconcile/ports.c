/*
 * ports: endpoints whose port of the bridge was not found when they came are looked for again, when ports move and
 * a few times besides: until then what they send is refused.
 */
#include "daemon.h"

#include <string.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"

#define AGAIN_MS 100
#define TRIES	 20

void daemon_ports_wanted(struct daemon *d)
{
	d->port_tries = 0;
	if (host_ports_missing(d->host))
		loop_timer_set(&d->ports_timer, AGAIN_MS);
}

static bool same_ports(const struct model *a, const struct model *b)
{
	for (size_t i = 0; i < a->nendpoints; i++)
		if (strcmp(a->endpoints[i].port, b->endpoints[i].port) != 0)
			return false;
	return true;
}

static void look_again(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *m = NULL;

	if (!d->world.model || d->skeleton || d->waiting ||
	    !host_ports_differ(d->host, d->world.model))
		return;
	m = model_copy(d->world.model);
	if (host_bind_ports(d->host, m, &err) < 0)
		log_line(LOG_LEVEL_WARNING, "cannot look for containers' ports", "cause",
			 error_text(&err), NULL);
	if (same_ports(m, d->world.model))
		return;
	daemon_take_model(d, m);
	m = NULL;
}

void daemon_ports_moved(struct daemon *d)
{
	if (host_ports_moved(d->host))
		look_again(d);
}

void daemon_ports_due(void *data)
{
	struct daemon *d = data;
	unsigned tries = d->port_tries + 1;

	look_again(d);
	d->port_tries = tries;
	if (host_ports_missing(d->host) && tries < TRIES)
		loop_timer_set(&d->ports_timer, AGAIN_MS);
	else
		loop_timer_clear(&d->ports_timer);
}

static void tell_one(const struct model *m, const struct model_endpoint *e, json_t *list)
{
	const struct model_network *n = &m->networks[e->network];
	CLEANUP_BUF struct buf what = BUF_INIT;
	CLEANUP_FREE char *why = NULL;

	if (e->container == MODEL_NONE)
		buf_str(&what, e->name);
	else
		model_container_title(&m->containers[e->container], &what);
	buf_printf(&what, " on %s", n->name);
	why = mem_printf(
		"its port of %s was not found (no other end with its MAC is to be seen, or two are): "
		"what it sends is refused",
		n->bridge);
	json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "kind", "port", "what",
					      reconcile_json_text(buf_text(&what)), "why",
					      reconcile_json_text(why)));
}

void daemon_ports_tell(const struct daemon *d, json_t *list)
{
	const struct model *m = d->world.model;

	if (!m || d->skeleton || !kernel_has_bridge(&d->kernel))
		return;
	for (size_t i = 0; i < m->nendpoints; i++)
		if (!m->endpoints[i].port[0] &&
		    model_network_is_managed(&m->networks[m->endpoints[i].network]))
			tell_one(m, &m->endpoints[i], list);
}
