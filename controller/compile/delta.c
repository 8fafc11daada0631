#include "delta.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* More at once are worth a whole compile: as after the engine's start. */
#define ENDPOINTS_MAX 64

void delta_done(struct delta *d)
{
	free(d->containers);
	free(d->endpoints);
	free(d->gone.items);
	free(d->come.items);
	free(d->left.items);
	free(d->joined.items);
}

static bool same_networks(const struct model *a, const struct model *b)
{
	if (a->nnetworks != b->nnetworks)
		return false;
	for (size_t i = 0; i < a->nnetworks; i++) {
		if (!model_same_network(&a->networks[i], &b->networks[i]))
			return false;
	}
	return true;
}

/* What stayed is in both models as one block. */
static int compare_ids(const char *a, const char *b)
{
	return a == b ? 0 : strcmp(a, b);
}

/* ---- the host ---- */

static bool names(const struct policy_peer *peers, size_t n, const char *interface)
{
	for (size_t i = 0; i < n; i++) {
		if (peers[i].kind == PEER_INTERFACE && glob_match(peers[i].interface, interface))
			return true;
	}
	return false;
}

/* Whether the rules could tell that the interface is there. A container that starts, or ends, has two for a moment that
 * have neither addresses nor a bridge yet, or any more: of those the name counts, where a rule names it. */
static bool counts(const struct model_interface *i, const void *policies)
{
	const struct policy_set *set = policies;

	if (i->bridge || i->naddrs)
		return true;
	for (size_t d = 0; d < set->ndocuments; d++) {
		for (size_t r = 0; r < set->documents[d].nrules; r++) {
			const struct policy_rule *rule = &set->documents[d].rules[r];

			if (names(rule->from, rule->nfrom, i->name) ||
			    names(rule->to, rule->nto, i->name))
				return true;
		}
	}
	return false;
}

/* ---- containers ---- */

static void match_containers(struct delta *d)
{
	const struct model *was = d->was, *is = d->is;
	size_t i = 0, n = 0;

	while (i < was->ncontainers || n < is->ncontainers) {
		int order = i == was->ncontainers ? 1
			    : n == is->ncontainers
				    ? -1
				    : compare_ids(was->containers[i].id, is->containers[n].id);

		if (order == 0 && model_same_container(&was->containers[i], &is->containers[n])) {
			d->containers[i++] = n++;
			continue;
		}
		if (order <= 0) {
			d->containers[i] = MODEL_NONE;
			MEM_PUSH(&d->left, i++);
		}
		if (order >= 0)
			MEM_PUSH(&d->joined, n++);
	}
}

/* ---- endpoints ---- */

static bool same_end(const struct delta *d, size_t i, size_t n)
{
	const struct model_endpoint *a = &d->was->endpoints[i], *b = &d->is->endpoints[n];
	size_t container = a->container == MODEL_NONE ? MODEL_NONE : d->containers[a->container];

	return a->network == b->network && container == b->container &&
	       (container != MODEL_NONE || a->container == MODEL_NONE) &&
	       model_same_endpoint(a, b) && !strcmp(a->port, b->port);
}

static void match_endpoints(struct delta *d)
{
	const struct model *was = d->was, *is = d->is;
	size_t i = 0, n = 0;

	d->gone.len = d->come.len = 0;
	while (i < was->nendpoints || n < is->nendpoints) {
		int order = i == was->nendpoints ? 1
			    : n == is->nendpoints
				    ? -1
				    : compare_ids(was->endpoints[i].id, is->endpoints[n].id);

		if (order == 0 && same_end(d, i, n)) {
			d->endpoints[i++] = n++;
			continue;
		}
		if (order <= 0) {
			d->endpoints[i] = MODEL_NONE;
			MEM_PUSH(&d->gone, i++);
		}
		if (order >= 0)
			MEM_PUSH(&d->come, n++);
	}
}

/* ---- both ---- */

static void move_container(struct delta *d, size_t i)
{
	MEM_PUSH(&d->left, i);
	MEM_PUSH(&d->joined, d->containers[i]);
	d->containers[i] = MODEL_NONE;
}

/* What a container's endpoint contributes depends on its others. Whether there are such containers. */
static bool move_siblings(struct delta *d)
{
	size_t before = d->left.len;

	for (size_t i = 0; i < d->gone.len; i++) {
		size_t c = d->was->endpoints[d->gone.items[i]].container;

		if (c != MODEL_NONE && d->containers[c] != MODEL_NONE)
			move_container(d, c);
	}
	for (size_t i = 0; i < d->come.len; i++) {
		size_t c = d->is->endpoints[d->come.items[i]].container;
		size_t old = c == MODEL_NONE
				     ? MODEL_NONE
				     : model_find_container(d->was, d->is->containers[c].id);

		if (old != MODEL_NONE && d->containers[old] != MODEL_NONE)
			move_container(d, old);
	}
	if (d->left.len == before)
		return false;
	index_list_sort(&d->left);
	index_list_sort(&d->joined);
	return true;
}

bool delta_find(const struct compiled *c, const struct model *is, struct delta *ret)
{
	const struct model *was = c->model;

	*ret = (struct delta) {
		.was = was,
		.is = is,
		.containers = mem_room(was->ncontainers, sizeof(size_t)),
		.endpoints = mem_room(was->nendpoints, sizeof(size_t)),
	};
	if (!same_networks(was, is) || !model_same_host(was, is, counts, c->policies))
		return false;
	match_containers(ret);
	match_endpoints(ret);
	if (ret->gone.len > ENDPOINTS_MAX || ret->come.len > ENDPOINTS_MAX)
		return false;
	if (move_siblings(ret))
		match_endpoints(ret);
	return ret->gone.len <= ENDPOINTS_MAX && ret->come.len <= ENDPOINTS_MAX;
}
