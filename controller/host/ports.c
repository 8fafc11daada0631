#include "ports.h"

#include <assert.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "learning.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

/* ---- bindings ---- */

static void binding_done(struct binding *b)
{
	if (b->block)
		model_endpoint_done(&(struct model_endpoint) {.block = b->block});
}

/* The endpoint's id is held with its block, which is there for the models anyway. */
static void name_after(struct binding *b, const struct model_endpoint *e)
{
	struct model_endpoint shared;

	if (b->endpoint == e->id)
		return;
	shared = model_endpoint_share(e);
	binding_done(b);
	b->endpoint = shared.id;
	b->block = shared.block;
}

/* ---- a veth pair, as the kernel has it now ---- */

struct end {
	int index, peer, netnsid, master; /* netnsid: where the peer is; -1: here */
	bool up, has_mac;
	uint8_t mac[6];
};

static int read_end(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct end *end = data;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	*end = (struct end) {
		.index = info->ifi_index, .netnsid = -1, .up = info->ifi_flags & IFF_UP};
	mnl_attr_for_each(attr, message, sizeof(*info)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_LINK:
			end->peer = (int)mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			end->netnsid = (int)mnl_attr_get_u32(attr);
			break;
		case IFLA_MASTER:
			end->master = (int)mnl_attr_get_u32(attr);
			break;
		case IFLA_ADDRESS:
			end->has_mac = mnl_attr_get_payload_len(attr) == sizeof(end->mac);
			if (end->has_mac)
				memcpy(end->mac, mnl_attr_get_payload(attr), sizeof(end->mac));
			break;
		default:
			break;
		}
	}
	return 0;
}

/* The link INDEX of the namespace that has NETNSID here (-1: this one). */
static int query_end(struct mnl_socket *s, int index, int netnsid, struct end *ret)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	request->nlmsg_type = RTM_GETLINK;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_index = index;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (netnsid >= 0)
		mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, (uint32_t)netnsid);
	*ret = (struct end) {.netnsid = -1};
	return netlink_query(s, request, read_end, ret);
}

/* ---- bridges ---- */

/* A managed network's bridge. */
struct place {
	unsigned bridge; /* index of the link; 0: it is not here */
	bool lacks;	 /* an endpoint of it has no port */
	bool waits;	 /* the other end of a port that nobody has is down */
};

static struct place *find_places(const struct model *m, const struct links *l)
{
	struct place *places = mem_new(m->nnetworks, sizeof(*places));

	for (size_t i = 0; i < l->len; i++) {
		const struct link *link = &l->items[i];

		for (size_t n = 0; link->bridge && n < m->nnetworks; n++) {
			const struct model_network *network = &m->networks[n];

			if (model_network_is_managed(network) &&
			    !strcmp(network->bridge, link->name))
				places[n].bridge = link->index;
		}
	}
	return places;
}

/* ---- ports that nobody has ---- */

struct claimant {
	const struct link *link;
	unsigned bridge;
	bool up;
	uint8_t mac[6];
	size_t wanted; /* how many endpoints of the bridge have the MAC, bound or not */
};

struct search {
	const struct links *links;
	struct mnl_socket *requests;
	struct model *model;
	struct place *places; /* one for each network */
	struct binding *is;   /* one for each endpoint */
	bool *taken;	      /* one for each link */
	struct {
		struct claimant *items; /* by bridge and MAC, once all were asked */
		size_t len, cap;
	} claimants;
};

static bool is_wanted(const struct search *s, size_t link)
{
	const struct link *l = &s->links->items[link];

	if (!l->veth || !l->master || s->taken[link])
		return false;
	for (size_t n = 0; n < s->model->nnetworks; n++)
		if (s->places[n].lacks && s->places[n].bridge == l->master)
			return true;
	return false;
}

/* What vanished meanwhile is passed over. Where the peer is must be asked anew: nobody tells when it is moved
 * to the container. */
static int ask(struct search *s, const struct link *link)
{
	struct claimant c = {.link = link, .bridge = link->master};
	struct end end;
	int r = query_end(s->requests, (int)link->index, -1, &end);

	if (r == 0 && end.index && end.master == (int)link->master && end.peer)
		r = query_end(s->requests, end.peer, end.netnsid, &end);
	else if (r == 0)
		return 0;
	if (r == -ENODEV || r == -EINVAL)
		return 0;
	if (r < 0)
		return r;
	c.up = end.up;
	if (end.has_mac)
		memcpy(c.mac, end.mac, sizeof(c.mac));
	MEM_PUSH(&s->claimants, c);
	return 0;
}

static int compare_claimants(const void *a, const void *b)
{
	const struct claimant *x = a, *y = b;

	if (x->bridge != y->bridge)
		return x->bridge < y->bridge ? -1 : 1;
	return memcmp(x->mac, y->mac, sizeof(x->mac));
}

/* Those at BRIDGE that show MAC: *RET_N of them, from the one returned on; NULL: there is none. */
static struct claimant *who_shows(const struct search *s, unsigned bridge, const uint8_t *mac,
				  size_t *ret_n)
{
	struct claimant key = {.bridge = bridge};
	size_t low = 0, high = s->claimants.len, n = 0;

	memcpy(key.mac, mac, sizeof(key.mac));
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_claimants(&s->claimants.items[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + n < s->claimants.len &&
	       compare_claimants(&s->claimants.items[low + n], &key) == 0)
		n++;
	*ret_n = n;
	return n ? &s->claimants.items[low] : NULL;
}

static void note_waiting(struct search *s, const struct claimant *c)
{
	for (size_t n = 0; !c->up && n < s->model->nnetworks; n++)
		s->places[n].waits |= s->places[n].bridge == c->bridge;
}

static void count_wanted(struct search *s)
{
	for (size_t i = 0; s->claimants.len > 0 && i < s->model->nendpoints; i++) {
		const struct model_endpoint *e = &s->model->endpoints[i];
		size_t n;
		struct claimant *c =
			e->has_mac ? who_shows(s, s->places[e->network].bridge, e->mac, &n) : NULL;

		for (size_t k = 0; c && k < n; k++)
			c[k].wanted++;
	}
}

static int find_claimants(struct search *s, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->links->len; i++) {
		r = is_wanted(s, i) ? ask(s, &s->links->items[i]) : 0;
		if (r < 0)
			error_wrap(err, r, "asking for the peer of %s", s->links->items[i].name);
	}
	if (s->claimants.len > 0)
		qsort(s->claimants.items, s->claimants.len, sizeof(*s->claimants.items),
		      compare_claimants);
	for (size_t i = 0; i < s->claimants.len; i++)
		note_waiting(s, &s->claimants.items[i]);
	count_wanted(s);
	return r;
}

/* ---- matching ---- */

/* Also by an end that is down: whoever shows another's MAC cannot show its own, and the one that is still to get
 * its MAC shows nobody's. So of some containers with as many ends one is then to be seen nowhere. */
static bool is_shown(const struct search *s, const struct model_endpoint *e)
{
	size_t n;

	return who_shows(s, s->places[e->network].bridge, e->mac, &n);
}

/* It takes a process to change a MAC, and a container that is still being started has none. */
static bool has_process(const struct model *m, const struct model_endpoint *e)
{
	return e->container != MODEL_NONE && m->containers[e->container].running;
}

/* Whether a container that was on the bridge of E before us shows its MAC nowhere: it may show E's. One that came
 * later had its port bound when it came, or is still being started, or is ending: where the engine is busy that takes
 * seconds, for which no other must wait. */
static bool hides_another(const struct search *s, const struct model_endpoint *e)
{
	const struct model *m = s->model;

	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *other = &m->endpoints[i];

		if (other != e && s->is[i].hides && other->has_mac &&
		    s->places[other->network].bridge == s->places[e->network].bridge &&
		    !is_shown(s, other))
			return true;
	}
	return false;
}

/*
 * The one port for E, or NULL. A port whose other end is down may still get its MAC (20.10 sets it when the pair
 * is in the bridge already): while there is one, another that shows the MAC now may be an impostor that waits
 * for the predictable MAC of a container that starts. Then its own is to be seen nowhere. Whatever else
 * starts at the same time, and is down for as long as the engine takes, must not keep E from its port.
 */
static const struct link *find_port(const struct search *s, const struct model_endpoint *e)
{
	const struct place *place = &s->places[e->network];
	const struct link *found = NULL;
	size_t n;
	const struct claimant *c = who_shows(s, place->bridge, e->mac, &n);

	for (size_t i = 0; c && i < n; i++) {
		if (!c[i].up)
			continue;
		if (found || c[i].wanted > 1)
			return NULL;
		found = c[i].link;
	}
	return found && place->waits && hides_another(s, e) ? NULL : found;
}

/* ---- what is bound ---- */

/* The binding of the endpoint, from place *AT on: both are in the order of the endpoints' ids, which are asked for in it. */
static struct binding *next_binding(const struct ports *p, const char *endpoint, size_t *at)
{
	while (*at < p->len) {
		struct binding *b = &p->items[*at];
		int order = b->endpoint == endpoint ? 0 : strcmp(b->endpoint, endpoint);

		if (order > 0)
			return NULL;
		++*at;
		if (order == 0)
			return b;
	}
	return NULL;
}

static void set_port(struct search *s, size_t endpoint, const struct link *link)
{
	struct model_endpoint *e = &s->model->endpoints[endpoint];
	struct binding *b = &s->is[endpoint];

	static_assert(sizeof(e->port) == sizeof(link->name), "both are names of interfaces");
	memcpy(e->port, link->name, sizeof(e->port));
	b->port = link->index;
	b->place = (size_t)(link - s->links->items);
	b->hides = false;
	s->taken[b->place] = true;
}

/* The port that was bound, where it is still one of the bridge of E. */
static const struct link *kept_port(const struct search *s, struct binding *b,
				    const struct model_endpoint *e)
{
	const struct link *link = b->port ? links_find_again(s->links, b->port, &b->place) : NULL;

	return link && link->veth && link->master && link->master == s->places[e->network].bridge
		       ? link
		       : NULL;
}

/* Gives the endpoints the ports that they had. */
static void keep_old(struct ports *p, struct search *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->model->nendpoints; i++) {
		struct model_endpoint *e = &s->model->endpoints[i];
		struct binding *was = next_binding(p, e->id, &at), *b = &s->is[i];
		const struct link *link;

		*b = was ? *was : (struct binding) {.hides = !p->begun && has_process(s->model, e)};
		if (was)
			was->block = NULL;
		link = kept_port(s, b, e);
		b->port = 0;
		e->port[0] = '\0';
		if (link)
			set_port(s, i, link);
		else if (e->has_mac)
			s->places[e->network].lacks = true;
	}
}

/*
 * Who had a port that was not bound yet, while this MAC was nobody's, may have taught the bridge that it is there: until
 * the container sends something itself, what others send to it would go that way. A port that went meanwhile is passed
 * over, and one that does not forward yet (-EPERM): its bridge cannot be told.
 */
static int teach(const struct search *s, const struct link *link, const uint8_t *mac)
{
	int r = learning_teach(s->requests, link->index, mac);

	return r == -ENODEV || r == -EINVAL || r == -ENOENT || r == -EPERM ? 0 : r;
}

/* Binds what can be bound. */
static int bind_new(struct search *s, struct error *err)
{
	int first = 0;

	for (size_t i = 0; s->claimants.len > 0 && i < s->model->nendpoints; i++) {
		const struct model_endpoint *e = &s->model->endpoints[i];
		const struct link *link;
		int r;

		if (s->is[i].port || !e->has_mac || !s->places[e->network].bridge)
			continue;
		link = find_port(s, e);
		if (!link)
			continue;
		set_port(s, i, link);
		r = teach(s, link, e->mac);
		if (r < 0 && first == 0)
			first = error_wrap(err, r, "telling the bridge of %s", link->name);
	}
	return first;
}

/* The search's bindings are P's. */
static void remember(struct ports *p, struct search *s)
{
	bool missing = false;

	ports_done(p);
	for (size_t i = 0; i < s->model->nendpoints; i++) {
		const struct model_endpoint *e = &s->model->endpoints[i];
		struct binding *b = &s->is[i];

		missing |= !b->port && s->places[e->network].bridge;
		if (!b->port && !b->hides) {
			binding_done(b);
			continue;
		}
		name_after(b, e);
		s->is[p->len++] = *b;
	}
	p->items = s->is;
	s->is = NULL;
	p->missing = missing;
	p->begun = true;
}

/* Without bindings. */
static struct search search_begin(const struct links *l, struct mnl_socket *requests,
				  struct model *m)
{
	struct search s = {.links = l, .requests = requests, .model = m};

	s.places = find_places(m, l);
	s.taken = mem_new(l->len, sizeof(*s.taken));
	return s;
}

static void search_done(struct search *s)
{
	free(s->places);
	free(s->is);
	free(s->taken);
	free(s->claimants.items);
}

#define CLEANUP_SEARCH __attribute__((cleanup(search_done)))

int ports_bind(struct ports *p, const struct links *l, struct mnl_socket *requests, struct model *m,
	       struct error *err)
{
	CLEANUP_SEARCH struct search s = search_begin(l, requests, m);
	int r, taught;

	s.is = mem_room(m->nendpoints, sizeof(*s.is));
	keep_old(p, &s);
	r = find_claimants(&s, err);
	taught = bind_new(&s, r < 0 ? NULL : err);
	/* What was bound stays so also where the kernel does not answer. */
	remember(p, &s);
	return r < 0 ? r : taught;
}

/* ---- whether it is worth while ---- */

/* Whether an endpoint has another port than it had. Marks the others' as taken. */
static bool lost_any(const struct ports *p, struct search *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->model->nendpoints; i++) {
		const struct model_endpoint *e = &s->model->endpoints[i];
		struct binding *b = next_binding(p, e->id, &at);
		const struct link *link = b ? kept_port(s, b, e) : NULL;

		if (strcmp(link ? link->name : "", e->port) != 0)
			return true;
		if (link)
			s->taken[b->place] = true;
		else if (e->has_mac)
			s->places[e->network].lacks = true;
	}
	return false;
}

static bool is_shown_by_one_up(const struct search *s, const struct model_endpoint *e)
{
	size_t n;
	const struct claimant *c = who_shows(s, s->places[e->network].bridge, e->mac, &n);

	for (size_t i = 0; c && i < n; i++)
		if (c[i].up)
			return true;
	return false;
}

bool ports_differ(const struct ports *p, const struct links *l, struct mnl_socket *requests,
		  struct model *m)
{
	CLEANUP_SEARCH struct search s = search_begin(l, requests, m);

	if (lost_any(p, &s) || find_claimants(&s, NULL) < 0)
		return true;
	for (size_t i = 0; s.claimants.len > 0 && i < m->nendpoints; i++) {
		const struct model_endpoint *e = &m->endpoints[i];

		if (!e->port[0] && e->has_mac && s.places[e->network].bridge &&
		    is_shown_by_one_up(&s, e))
			return true;
	}
	return false;
}

void ports_done(struct ports *p)
{
	for (size_t i = 0; i < p->len; i++)
		binding_done(&p->items[i]);
	free(p->items);
	*p = (struct ports) {0};
}
