/*
 * expects: tests for the policy. Each rule has one for what was seen; and a few say what was not: who does not reach
 * whom. Which of them hold in the model check.c finds out.
 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define NOBODY	      "203.0.113.9" /* for documentation (RFC 5737): nobody has it */
#define DENIES_MAX    3		    /* of one kind, in a document */
#define PUBLISHED_MAX 64	    /* ports of one rule, each with its own test */

static struct plan_ports copy_ports(const struct plan_ports *ports)
{
	struct plan_ports copy = {.items = NULL};

	for (size_t i = 0; i < ports->len; i++)
		MEM_PUSH(&copy, ports->items[i]);
	return copy;
}

/* ---- what was seen ---- */

/* Whoever publishes one of the ports of a test is to publish all of them, and replicas differ: one for each port, and to
 * nobody by name, as not every container of a service need publish it. */
static void expect_published(struct plan_document *d, const struct plan_rule *r)
{
	size_t made = 0;

	for (size_t i = 0; i < r->ports.len; i++) {
		struct policy_ports ports = r->ports.items[i];

		for (uint32_t at = ports.first; at <= ports.last && made < PUBLISHED_MAX;
		     at++, made++) {
			struct plan_expect e = {.published = true, .allow = true};
			struct policy_ports one = {ports.protocol, (uint16_t)at, (uint16_t)at};

			e.from = mem_strdup(r->from_outside ? r->tested : r->from);
			MEM_PUSH(&e.ports, one);
			MEM_PUSH(&d->expects, e);
		}
	}
}

static void expect_rule(struct plan_document *d, const struct plan_rule *r)
{
	struct plan_expect e = {.allow = true};

	if (!r->is_test || ((r->from_outside || r->to_outside) && !r->tested))
		return;
	if (r->action == POLICY_PUBLISH) {
		expect_published(d, r);
		return;
	}
	e.from = mem_strdup(r->from_outside ? r->tested : r->from);
	e.to = mem_strdup(r->to_outside ? r->tested : r->to);
	e.ports = copy_ports(&r->ports);
	MEM_PUSH(&d->expects, e);
}

/* ---- what was not ---- */

static bool talks(const struct plan *p, const struct learn_end *from, const struct learn_end *to)
{
	for (size_t i = 0; i < p->pairs.len; i++)
		if (plan_compare_ends(&p->pairs.items[i]->from, from) == 0 &&
		    plan_compare_ends(&p->pairs.items[i]->to, to) == 0)
			return true;
	return false;
}

/* What a container asks of END; NULL: nothing. */
static const struct learn_pair *asked_of(const struct plan *p, const struct learn_end *end)
{
	for (size_t i = 0; i < p->pairs.len; i++)
		if (p->pairs.items[i]->from.kind == LEARN_CONTAINER &&
		    plan_compare_ends(&p->pairs.items[i]->to, end) == 0)
			return p->pairs.items[i];
	return NULL;
}

static const struct learn_end *who_does_not(const struct plan *p, const struct plan_document *d,
					    const struct learn_end *to)
{
	for (size_t i = 0; i < d->groups.len; i++)
		if (plan_compare_ends(d->groups.items[i].end, to) != 0 &&
		    !talks(p, d->groups.items[i].end, to))
			return d->groups.items[i].end;
	return NULL;
}

static void deny_between(const struct plan *p, struct plan_document *d)
{
	size_t made = 0;

	for (size_t i = 0; i < d->groups.len && made < DENIES_MAX; i++) {
		const struct learn_end *to = d->groups.items[i].end;
		const struct learn_pair *asked = asked_of(p, to);
		const struct learn_end *from = asked ? who_does_not(p, d, to) : NULL;
		struct plan_expect e = {.allow = false};

		if (!from)
			continue;
		e.from = plan_name_peer(d, from);
		e.to = plan_name_peer(d, to);
		plan_ports_add(&e.ports, asked);
		MEM_PUSH(&d->expects, e);
		made++;
	}
}

/* The first that has nothing to do with outside, that way. */
static const struct learn_end *who_stays_inside(const struct plan *p, const struct plan_document *d,
						bool in)
{
	for (size_t i = 0; i < d->groups.len; i++) {
		const struct learn_end *end = d->groups.items[i].end;
		bool found = false;

		for (size_t k = 0; k < p->pairs.len && !found; k++) {
			const struct learn_pair *pair = p->pairs.items[k];

			found = in ? pair->from.kind == LEARN_OUTSIDE && !pair->published_port &&
						plan_compare_ends(&pair->to, end) == 0
				   : pair->to.kind == LEARN_OUTSIDE &&
						plan_compare_ends(&pair->from, end) == 0;
		}
		if (!found)
			return end;
	}
	return NULL;
}

static void deny_outside(const struct plan *p, struct plan_document *d, bool in)
{
	const struct learn_end *end = who_stays_inside(p, d, in);
	struct plan_expect e = {.allow = false};
	char *name = end ? plan_name_peer(d, end) : NULL;

	if (!name)
		return;
	e.from = in ? mem_strdup(NOBODY) : name;
	e.to = in ? name : mem_strdup(NOBODY);
	MEM_PUSH(&d->expects, e);
}

static void deny_published(struct plan_document *d)
{
	for (size_t i = 0; i < d->rules.len; i++) {
		const struct plan_rule *r = &d->rules.items[i];
		struct plan_expect e = {.published = true, .allow = false};

		if (r->action != POLICY_PUBLISH || strcmp(r->from, "any") == 0)
			continue;
		e.from = mem_strdup(NOBODY);
		e.ports = copy_ports(&r->ports);
		MEM_PUSH(&d->expects, e);
		return;
	}
}

void plan_expects_make(const struct plan *p, struct plan_document *d)
{
	for (size_t i = 0; i < d->rules.len; i++)
		expect_rule(d, &d->rules.items[i]);
	deny_between(p, d);
	deny_outside(p, d, false);
	deny_outside(p, d, true);
	deny_published(d);
}
