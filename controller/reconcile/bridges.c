/*
 * bridges: what other programs can do to the bridges that the rules govern, without touching the rules: rename
 * one, or switch br_netfilter off, with which alone packets within one bridge pass the rules.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"

#define LOOK_MS 60000

/* ---- names ---- */

static const struct model_interface *find_interface(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->ninterfaces; i++)
		if (!strcmp(m->interfaces[i].name, name))
			return &m->interfaces[i];
	return NULL;
}

static void rename_bridge(struct model_network *n, const char *now)
{
	CLEANUP_FREE char *bridge = mem_strdup(now);
	struct model_network renamed = *n;

	renamed.bridge = bridge;
	renamed.block = NULL;
	renamed = model_network_share(&renamed);
	model_network_done(n);
	*n = renamed;
}

void daemon_follow_bridges(struct daemon *d, struct model *m)
{
	const struct model *before = d->skeleton ? NULL : d->world.model;

	for (size_t i = 0; before && i < m->nnetworks; i++) {
		const char *now = model_bridge_renamed(m, i, before);

		if (!now)
			continue;
		if (!find_interface(before, now))
			log_line(LOG_LEVEL_WARNING,
				 "somebody renamed a bridge: its network is governed on", "network",
				 m->networks[i].name, "was", m->networks[i].bridge, "is", now,
				 NULL);
		rename_bridge(&m->networks[i], now);
	}
}

static bool is_renamed(const struct daemon *d, const struct model_network *n)
{
	const struct model_interface *i =
		model_network_is_managed(n) ? find_interface(d->world.model, n->bridge) : NULL;
	const char *now = i ? host_interface_name(d->host, i->index) : NULL;

	return now && strcmp(now, n->bridge) != 0;
}

bool daemon_lost_bridge(const struct daemon *d)
{
	const struct model *m = d->world.model;

	for (size_t i = 0; m && i < m->nnetworks; i++)
		if (is_renamed(d, &m->networks[i]))
			return true;
	return false;
}

/* ---- br_netfilter ---- */

static void switched_on(struct daemon *d, size_t i, const char *family)
{
	bool again = d->filter_was_on[i];

	d->filter_was_on[i] = true;
	if (!again) {
		log_line(LOG_LEVEL_INFO, "switched on the filtering of bridged packets", "family",
			 family, NULL);
		return;
	}
	d->filter_repairs++;
	if (pace_tell(&d->filter_pace, loop_now()))
		log_line(LOG_LEVEL_WARNING,
			 "somebody switched off the filtering of bridged packets: on again",
			 "family", family, NULL);
}

static void filter_one(struct daemon *d, size_t i, uint8_t family)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	enum host_bridge_filter state = host_bridge_filter(family);
	const char *name = family == AF_INET ? "IPv4" : "IPv6";
	bool was_missing = d->filter_missing[i];
	const char *cause = "br_netfilter is not loaded";

	d->filter_missing[i] = false;
	if (state == HOST_BRIDGE_FILTER_ON) {
		d->filter_was_on[i] = true;
		return;
	}
	if (state == HOST_BRIDGE_FILTER_OFF) {
		if (host_bridge_filter_enable(family, &err) == 0) {
			switched_on(d, i, name);
			return;
		}
		cause = error_text(&err);
	}
	d->filter_missing[i] = true;
	daemon_note(&d->filter_error, cause);
	if (!was_missing)
		log_line(LOG_LEVEL_ERROR, "same-bridge traffic is not governed", "family", name,
			 "cause", cause, NULL);
}

static void restrict_learning(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	bool was_wrong = d->learning_error;

	if (!d->world.settings->antispoof || d->skeleton ||
	    host_restrict_learning(d->host, d->world.model, &err) == 0) {
		daemon_note(&d->learning_error, NULL);
		return;
	}
	daemon_note(&d->learning_error, error_text(&err));
	if (!was_wrong)
		log_line(LOG_LEVEL_ERROR, "a container can draw another's frames to its port",
			 "cause", error_text(&err), NULL);
}

void daemon_bridge_filter(struct daemon *d)
{
	if (d->suspended || !d->world.compiled || !compile_needs_bridge_filter(d->world.compiled)) {
		d->filter_missing[0] = d->filter_missing[1] = false;
		d->filter_was_on[0] = d->filter_was_on[1] = false;
		return;
	}
	filter_one(d, 0, AF_INET);
	filter_one(d, 1, AF_INET6);
	restrict_learning(d);
	pace_done(&d->filter_pace, loop_now());
	/* Writers that no watch sees: those of a container's own /proc, and of a module that came late. */
	loop_timer_set_loose(&d->filter_timer, LOOK_MS);
}

void daemon_filter_ready(void *data, short revents)
{
	struct daemon *d = data;

	(void)revents;
	host_bridge_filter_dispatch(d->host);
	if (d->world.compiled && !d->suspended)
		loop_timer_hasten(&d->filter_timer, pace_wait(&d->filter_pace, loop_now()));
}

void daemon_filter_due(void *data)
{
	struct daemon *d = data;

	host_bridge_filter_dispatch(d->host);
	daemon_bridge_filter(d);
}
