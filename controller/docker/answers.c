#include "session-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "documents.h"

#include "quaywall/mem.h"

static void add_image(void *data, const char *id)
{
	struct session *s = data;

	follow_add(s, JOB_IMAGE, id, s->listing);
}

static void add_bindings(void *data, const char *id)
{
	struct session *s = data;

	jobs_add(&s->bindings, JOB_BINDINGS, id, false);
}

struct listed {
	struct session *session;
	uint64_t asked;
	bool changed;
};

static void put_listed(void *data, struct model *piece)
{
	struct listed *l = data;

	l->changed |= inventory_put_listed_network(l->session->inventory, piece, l->asked);
}

/* Of a network whose own document cannot be had its containers are not known, but it is: what its bridge carries is
 * nobody's then, and refused. */
static bool put_listed_networks(struct session *s, const struct job *job,
				const struct http_reply *reply)
{
	struct listed l = {s, job->asked, false};

	documents_listed_networks(reply->body, reply->len, put_listed, &l);
	return l.changed;
}

static int take_network_list(struct session *s, const struct job *job,
			     const struct http_reply *reply, bool *changed, struct error *err)
{
	char **ids;
	size_t n;
	int r = documents_network_ids("GET /networks", reply->body, reply->len, &ids, &n, err);

	if (r < 0)
		return r;
	/* To believe it would open the host. Every engine has the networks "host" and "none". */
	if (n == 0) {
		documents_free_ids(ids, n);
		return error_set(err, -EPROTO,
				 "GET /networks: no network at all, not even \"host\"");
	}
	*changed = inventory_keep_networks(s->inventory, ids, n, job->asked);
	/* The first listing is nothing without all of them. */
	if (s->listed)
		*changed |= put_listed_networks(s, job, reply);
	for (size_t i = 0; i < n; i++)
		follow_add(s, JOB_NETWORK, ids[i], job->listing);
	documents_free_ids(ids, n);
	return 0;
}

static void note_missing(void *data, const char *network)
{
	struct session *s = data;

	inventory_missing_containers(s->inventory, network, follow_missing, s);
}

static int take_containers(struct session *s, const struct job *job, const struct http_reply *reply,
			   bool *changed, struct error *err)
{
	struct model *piece;
	int r = documents_containers("GET /containers/json", reply->body, reply->len, &piece, err);

	if (r < 0)
		return r;
	/* The engine filters by a prefix of the id where there are ids of several lengths. */
	if (job->id && model_find_container(piece, job->id) == MODEL_NONE) {
		model_free(piece);
		*changed = inventory_drop_container(s->inventory, job->id, job->asked);
		session_note_drop(s);
		inventory_networks_of(s->inventory, job->id, note_missing, s);
		return 0;
	}
	*changed = inventory_put_containers(s->inventory, piece, job->asked);
	if (!job->id && inventory_keep_containers(s->inventory, job->asked))
		*changed = true;
	inventory_missing_images(s->inventory, add_image, s);
	if (s->follow)
		inventory_missing_bindings(s->inventory, add_bindings, s);
	return 0;
}

/* What the engine will publish is of no use where it cannot be had: then the listing tells, later. */
bool answers_take_bindings(struct session *s, const struct job *job, const struct http_reply *reply)
{
	CLEANUP_FREE char *source = mem_printf("GET /containers/%.64s/json", job->id);
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model_port *ports;
	size_t n;

	if (reply->code < 0 || reply->status != 200 ||
	    documents_bindings(source, job->id, reply->body, reply->len, &ports, &n, &err) < 0)
		return false;
	return inventory_put_bindings(s->inventory, job->id, ports, n);
}

static int take_network(struct session *s, const struct job *job, const struct http_reply *reply,
			bool *changed, struct error *err)
{
	CLEANUP_FREE char *source = mem_printf("GET /networks/%.64s", job->id);
	CLEANUP_MODEL struct model *piece = NULL;
	int r = documents_network(source, reply->body, reply->len, &piece, err);

	if (r < 0)
		return r;
	if (strcmp(piece->networks->id, job->id))
		return error_set(err, -EPROTO, "%s: the answer is of another network", source);
	*changed = inventory_put_network(s->inventory, piece, job->asked);
	piece = NULL;
	/* A container that was created before it is started is known by now. */
	if (*changed && inventory_knows_all_in(s->inventory, job->id))
		session_note_urgent(s);
	note_missing(s, job->id);
	return 0;
}

static int take_image(struct session *s, const struct job *job, const struct http_reply *reply,
		      bool *changed, struct error *err)
{
	CLEANUP_FREE char *source = mem_printf("GET /images/%.80s/json", job->id);
	struct model_label *labels = NULL;
	size_t n = 0;
	int r = documents_image(source, job->id, reply->body, reply->len, &labels, &n, err);

	if (r == 0)
		*changed = inventory_put_image(s->inventory, job->id, labels, n, job->asked);
	return r;
}

/* The engine does not know the object (any more). */
static bool take_absence(struct session *s, const struct job *job)
{
	if (job->kind == JOB_NETWORK)
		return inventory_drop_network(s->inventory, job->id, job->asked);
	return inventory_miss_image(s->inventory, job->id);
}

static int take(struct session *s, const struct job *job, const struct http_reply *reply,
		bool *changed, struct error *err)
{
	int r = session_check(reply, err);

	if (r < 0)
		return r;
	switch (job->kind) {
	case JOB_NETWORK_LIST:
		return take_network_list(s, job, reply, changed, err);
	case JOB_CONTAINER_LIST:
	case JOB_CONTAINER:
		return take_containers(s, job, reply, changed, err);
	case JOB_NETWORK:
		return take_network(s, job, reply, changed, err);
	case JOB_IMAGE:
	case JOB_BINDINGS:
		break;
	}
	return take_image(s, job, reply, changed, err);
}

/* Whether the rest can go on without the answer. What is held of a network or a container holds until it can be
 * read again, and events still take endpoints away. Of a first listing that would be missing: nobody would refuse
 * what comes from a network that we do not know. A container whose image is not known is refused. */
static bool is_bearable(const struct session *s, const struct job *job)
{
	return s->follow && job->id && (s->listed || job->kind == JOB_IMAGE);
}

bool answers_take(struct session *s, const struct job *job, const struct http_reply *reply)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	bool changed = false;
	int r;

	if (reply->code == 0 && reply->status == 404 &&
	    (job->kind == JOB_NETWORK || job->kind == JOB_IMAGE))
		return take_absence(s, job);
	r = take(s, job, reply, &changed, &err);
	if (r == 0)
		return changed;
	if (!is_bearable(s, job)) {
		session_fail(s, r, &err);
		return false;
	}
	session_note_trouble(s, &err);
	/* The list tells of it, too. Where that cannot be read either, the next one is not as soon. */
	if (job->kind == JOB_NETWORK && !s->listing &&
	    !inventory_has_network(s->inventory, job->id))
		session_list_within(s, 0);
	return job->kind == JOB_IMAGE && inventory_miss_image(s->inventory, job->id);
}
