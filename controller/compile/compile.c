#include "compile-internal.h"

#include "quaywall/mem.h"

struct compiled *compile_new(const struct settings *settings, const struct policy_set *policies,
			     const struct model *model, struct policy_problems *p)
{
	struct compiled *c = mem_new(1, sizeof(*c));
	size_t errors = p ? policy_problems_errors(p) : 0;

	c->settings = settings;
	c->policies = policies;
	c->model = model;
	ends_build(c);
	instances_build(c);
	identities_build(c);
	extra_build(c, p);
	rules_build(c);
	if (p && policy_problems_errors(p) > errors) {
		compile_free(c);
		return NULL;
	}
	return c;
}

void identity_done(struct identity *id)
{
	free(id->name);
	identity_key_done(&id->key);
	free(id->members.items);
	ranges_done(&id->extra);
	for (enum direction dir = DIR_INGRESS; dir <= DIR_EGRESS; dir++) {
		free(id->deny[dir].items);
		free(id->allow[dir].items);
	}
	free(id->publish.items);
}

void compile_free(struct compiled *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->identities.len; i++)
		identity_done(&c->identities.items[i]);
	for (size_t i = 0; c->catalogs && i < c->policies->ndocuments; i++)
		free(c->catalogs[i].items);
	for (size_t i = 0; i < c->projects.len; i++)
		free(c->projects.items[i].name);
	free(c->identities.items);
	free(c->catalogs);
	free(c->projects.items);
	free(c->instances.items);
	for (size_t i = 0; c->selected && i < c->natoms; i++)
		free(c->selected[i].items);
	free(c->selected);
	free(c->owner);
	free(c->owned);
	free(c->next_owned);
	free(c->known);
	free(c->identity_of);
	free(c->addrs.items);
	free(c->published.items);
	ranges_done(&c->subnets);
	ranges_done(&c->containers);
	ranges_done(&c->reach);
	free(c);
}

const struct settings *compile_settings(const struct compiled *c)
{
	return c->settings;
}

const struct policy_set *compile_policies(const struct compiled *c)
{
	return c->policies;
}

const struct model *compile_model(const struct compiled *c)
{
	return c->model;
}

bool compile_enforces(const struct compiled *c)
{
	return c->enforcing;
}

bool compile_needs_bridge_filter(const struct compiled *c)
{
	return c->enforcing || c->auditing;
}
