/*
 * reconcile: the story of the daemon: what changed, what is wanted now, what the kernel has to be
 * told.
 *
 * One loop and one thread (the docker room's watcher has its own). Its inputs are the settings, the
 * policies, the engine's model and the host's interfaces; a change of any is compiled, compared
 * with the ruleset that the kernel is known to hold, and applied in one transaction. Invariants:
 *  - rules are never taken away because something failed or ended: not by a wrong file, not by a
 * lost engine, not by SIGTERM. Only `flush` removes them;
 *  - what is not as the files say is said loudly, in `status` and in the log.
 *
 * The control socket speaks one JSON object per line. A request is {"verb": "status" | "reload" |
 * "confirm" | "flush" | "plan" | "explain" | "graph" | "check" | "learn" | "learn-for" | "learn-forget", …}; explain takes "from", "to" and "port" (strings as on the
 * command line), graph "from" and "to" if any, learn-for "seconds", reload "confirm" (seconds) and "session" (SSH_CONNECTION of who asks). The answer is {"exit": 0..3, "result": {…}} or {"exit": 2..3, "error": "…"}, after
 * which the daemon closes.
 */
#pragma once

#include <stdbool.h>
#include <jansson.h>

#include "quaywall/compile.h"
#include "quaywall/error.h"
#include "quaywall/learn.h"
#include "quaywall/model.h"
#include "quaywall/policy.h"

/* How every verb ends, also over the control socket. */
enum reconcile_exit {
	QUAYWALL_FINE = 0,
	QUAYWALL_FINDINGS = 1,	  /* something is refused, differs, or does not hold */
	QUAYWALL_USAGE = 2,	  /* wrong usage or wrong input */
	QUAYWALL_UNREACHABLE = 3, /* no engine, no daemon, no kernel */
};

#define RECONCILE_CONFIG       "/etc/quaywall/quaywall.yaml"
#define RECONCILE_CONFIRM_MAX  (7 * 86400)  /* s: the longest trial */
#define RECONCILE_LEARN_MAX    (30 * 86400) /* s: the longest `learn --for` */
#define RECONCILE_REQUEST_SIZE 65536	    /* the longest line of the control socket's clients */

/* What the command line says. NULL: the settings' own value. */
struct reconcile_options {
	const char *config; /* settings file; NULL: RECONCILE_CONFIG, which may be absent */
	const char *policies, *docker, *control;
	const char *snapshot; /* a recorded snapshot takes the engine's place */
	unsigned confirm;     /* s: what `run` reads first is on trial for so long; 0: it is not */
};

/* Reads the settings file and lays the options over it. Returns as settings_load(). */
int reconcile_load_settings(const struct reconcile_options *options, struct policy_problems *p,
			    struct settings **ret, struct error *err);

/* The daemon: returns when told to stop, as an enum reconcile_exit; with another than QUAYWALL_FINE
 * ERR says why. */
enum reconcile_exit reconcile_run(const struct reconcile_options *options, struct error *err);

/* Lists, compiles, applies and returns; the table is left without an owner. */
enum reconcile_exit reconcile_once(const struct reconcile_options *options, struct error *err);

/* ---- explain ---- */

struct explain_query {
	const char *from; /* container, id prefix, PROJECT/SERVICE, address, "host" */
	const char *to;	  /* likewise, or "publish:PORT[/PROTO]" */
	const char *port; /* "5432", "53/udp", … or NULL: every protocol and port */
};

/* Judges every flow that Q stands for: {"verdict": …, "flows": […]}, to be freed by the caller (see
 * the README for its keys). Returns 0, or -EINVAL with the reason in ERR: a name that nothing has,
 * a wrong port, no pair of one family. */
int reconcile_explain(const struct compiled *c, const struct model *m,
		      const struct explain_query *q, json_t **ret, struct error *err);

/* ---- graph ---- */

/* Globs of identities' or containers' names, "host" or "world"; NULL: all. */
struct graph_query {
	const char *from, *to;
};

/* Judges everybody against everybody: {"ends": […], "cells": […]}, to be freed by the caller (see the README for its keys).
 * Returns 0, or -EINVAL with the reason in ERR: nobody is called so, or the answer would take too long. */
int reconcile_graph(const struct compiled *c, const struct model *m, const struct graph_query *q,
		    json_t **ret, struct error *err);

/* Adds to each of GRAPH's cells what T has seen of it ("seen": see the README). C is what GRAPH was made from. */
void reconcile_graph_traffic(json_t *graph, const struct compiled *c, const struct learn_table *t);

/* ---- the administrator's own session ---- */

/* What SSH_CONNECTION says of a session, as its server sees it. */
struct reconcile_session {
	struct addr client, server;
	uint16_t client_port, server_port; /* host order */
};

/* Reads "198.51.100.9 40000 192.0.2.1 22". False where TEXT (NULL too) is none. */
bool reconcile_session_parse(const char *text, struct reconcile_session *ret);

/* A sentence for each SSH session that C refuses, with the FILE:LINE that does: ["…"], the caller's. Sessions are OWN
 * (NULL: not known) and what FLOWS, conntrack (NULL: not to be had), knows of TCP flows to a port 22. */
struct flow_table;
json_t *reconcile_session_warnings(const struct compiled *c, const struct model *m,
				   struct flow_table *flows, const struct reconcile_session *own);

/* ---- shared with the offline verbs ---- */

/* What of M the rules cannot reach, and why: [{"what": …, "why": …}]. SETTINGS may be NULL. */
json_t *reconcile_not_governed(const struct model *m, const struct settings *settings);

/* What turns the kernel's tables INET and BRIDGE (NULL: it has none) into those that C wants:
 * {"changes": N, "diff": "…"}. */
json_t *reconcile_plan(const struct compiled *c, const struct ruleset *inet,
		       const struct ruleset *bridge);

/* Adds to HOST, of host_posture(), what the rules in this network namespace counted of overlay networks' VXLAN: "overlay"."traffic":
 * [{way ("in", "out"), kind ("clear", "ipsec"; "others": of hosts that are no peers), vni, peer, packets, bytes, last
 * (seconds of the epoch)}]; empty where nothing counts. Where it cannot be read it is a gap. */
void reconcile_overlay_traffic(json_t *host);

/* Sets POSTURE's "hits" (check.h), of STATE_FOLDER's file, or that of the settings' state folder. Before a daemon has run there is
 * none, which "why" says. */
void reconcile_rule_hits(const char *state_folder, json_t *posture);
void reconcile_rule_hits_of(const struct settings *s, json_t *posture);

/* Likewise "flows": who talked to whom. Of clients outside it has the addresses, so it goes into no snapshot. */
void reconcile_seen_flows(const char *state_folder, json_t *posture);
void reconcile_seen_flows_of(const struct settings *s, json_t *posture);

/* A JSON string of any bytes: what is no UTF-8, or could steer a terminal, becomes '?'; new lines and tabs
 * stay. NULL gives null. */
json_t *reconcile_json_text(const char *text);

static inline void reconcile_cleanup_json(json_t **j)
{
	json_decref(*j);
}

#define CLEANUP_JSON __attribute__((cleanup(reconcile_cleanup_json)))
