/*
 * docker: the engine's API, read only (GET requests alone), and its recorded snapshot.
 *
 * A struct docker is a watcher with a thread of its own, which alone talks to the engine: it negotiates
 * the version, subscribes to the events, lists, follows, reconnects with backoff and lists again. What it
 * learns it hands over as whole models; a listing that fails hands over nothing. Its owner waits for
 * docker_fd() and takes the newest model.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "quaywall/buf.h"
#include "quaywall/error.h"
#include "quaywall/model.h"

#define DOCKER_API_MIN "1.41"
#define DOCKER_API_MAX "1.47"

struct docker_options {
	const char *url;			 /* unix:///PATH or tcp://HOST:PORT */
	const char *tls_ca, *tls_cert, *tls_key; /* files; all NULL without TLS */
	unsigned list_interval; /* seconds between listings, for what nothing announced */
};

struct docker;

enum docker_state {
	DOCKER_CONNECTING, /* never connected so far */
	DOCKER_CONNECTED,
	DOCKER_LOST,	/* was connected, tries again */
	DOCKER_REFUSED, /* reachable, but not one that can be governed (Podman, rootless, too old) */
};

struct docker_status {
	enum docker_state state;
	char *error; /* why it is not connected, or what of it cannot be read; or NULL. The caller
		      * frees */
	unsigned long connects; /* times a listing succeeded after a (re)connect */
	unsigned long events;	/* container and network events read */
	unsigned long repaired; /* listings that found what no event had announced */
	unsigned long lost;	/* streams that broke */
};

/* Starts the thread. Never blocks and never fails for an engine that is away. */
int docker_watch(const struct docker_options *options, struct docker **ret, struct error *err);
void docker_stop(struct docker *d); /* ends the thread; NULL is fine */

/* Lists again now what the next listing would find. */
void docker_relist(struct docker *d);

/* Readable when there is a new model or a new state, and at the end of each listing. */
int docker_fd(const struct docker *d);
/* Takes the newest model that was not taken before (then the caller's, without interfaces), else NULL;
 * clears the fd. */
struct model *docker_take(struct docker *d);
void docker_status(struct docker *d, struct docker_status *ret);
void docker_status_done(struct docker_status *s);

/* Connects, lists once and disconnects: for the verbs that need no daemon. -ECONNREFUSED, -ENOENT,
 * -ETIMEDOUT …: not reachable; -EPROTO: answers that make no sense, named in ERR; -ENOTSUP: Podman,
 * rootless, too old or too new. */
int docker_list(const struct docker_options *options, struct model **ret, struct error *err);

/* Whether the model is of an engine whose networks live in the namespace that M->interfaces were read
 * in. 0, or -ENOTSUP with the reason in ERR: a bridge network's device is not here (another engine's
 * socket, another namespace, rootless). */
int docker_check_here(const struct model *m, struct error *err);

/*
 * What the checks need of the engine beside the model (see quaywall/check.h), by GET requests alone, each with a limit
 * of time: 0 also where parts could not be read, which are gaps then. Takes a minute at most where the engine is
 * slow. As docker_list() where it is not reached, but a rootless engine is read, too. The caller owns *RET:
 *
 * {"version": 1, "gaps": [{"part", "why"}],
 *  "engine": {version, api_version, min_api, kernel, os, arch, components: [{name, version}], id, name, system, root,
 *     storage_driver, logging_driver, cgroup_driver, cgroup_version, security_options: [], live_restore, experimental,
 *     authorization_plugins: [], network_plugins: [], insecure_networks: [], insecure_registries: [], mirrors: [],
 *     default_runtime, runtimes: [], firewall, warnings: [], ip_forward, bridge_filter4, bridge_filter6, swarm_state,
 *     swarm_node, swarm_manager, swarm_error},
 *  "containers": [{id, name, created, state, started, finished, exit_code, oom_killed, restart_count, image, image_id,
 *     user, env: [names of those with a value], apparmor, privileged, cap_add: [], cap_drop: [], security_opt: [],
 *     read_only, network_mode, pid_mode, ipc_mode, uts_mode, userns_mode, cgroupns_mode, memory, nano_cpus, cpu_quota,
 *     cpuset, pids_limit, oom_kill_disable, restart, restart_max, log_driver, log_max_size, log_max_file, publish_all,
 *     runtime, masked_paths: [], readonly_paths: [], device_rules: [],
 *     mounts: [{type, source, destination, rw, propagation}],
 *     devices: [{host, container, rights}]}],
 *  "images": [{id, tags: [], digests: [], created, user, env: [names], exposed: []}] of the containers,
 *  "swarm": {id, autolock, node_cert_ns, root_rotates, root_expires (seconds of the epoch), data_path_port, nodes: [{id,
 *     name, role, availability, state, address, engine, leader, reachability}]}, or null: no manager}
 *
 * Of the engine's own type where it is the engine's value; absent where the engine has none. Values of variables,
 * arguments of commands, labels, tokens and keys are not taken over; texts are cut at 1,024 bytes, lists at 1,024 items.
 */
int docker_posture(const struct docker_options *options, json_t **ret, struct error *err);

/* The model as one JSON document (of the struct's own shape: no environment, no mounts, no secrets), and
 * back. docker_snapshot_read() returns -EINVAL and names the field that is missing or wrong. */
void docker_snapshot_write(const struct model *m, struct buf *out);
/* The same with POSTURE (see quaywall/check.h) under the key "posture", which docker_snapshot_read() passes over. */
void docker_snapshot_write_with(const struct model *m, const json_t *posture, struct buf *out);
/* The posture of the snapshot in the file PATH; *RET is NULL where it has none. -EINVAL: it is no JSON. The caller
 * owns it. What it holds may be anything. */
int docker_snapshot_load_posture(const char *path, json_t **ret, struct error *err);
int docker_snapshot_read(const char *text, size_t len, struct model **ret, struct error *err);
int docker_snapshot_load(const char *path, struct model **ret, struct error *err);

static inline void docker_cleanup(struct docker **d)
{
	docker_stop(*d);
}

#define CLEANUP_DOCKER __attribute__((cleanup(docker_cleanup)))
