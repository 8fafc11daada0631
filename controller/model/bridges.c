#include "quaywall/model.h"

#include <string.h>

static const struct model_interface *find_name(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->ninterfaces; i++)
		if (!strcmp(m->interfaces[i].name, name))
			return &m->interfaces[i];
	return NULL;
}

static const struct model_interface *find_index(const struct model *m, unsigned index)
{
	for (size_t i = 0; i < m->ninterfaces; i++)
		if (m->interfaces[i].index == index)
			return &m->interfaces[i];
	return NULL;
}

const char *model_bridge_renamed(const struct model *m, size_t network, const struct model *before)
{
	const struct model_network *n = &m->networks[network], *was = NULL;
	const struct model_interface *device;

	if (!model_network_is_managed(n) || find_name(m, n->bridge))
		return NULL;
	for (size_t i = 0; i < before->nnetworks; i++)
		if (!strcmp(before->networks[i].id, n->id))
			was = &before->networks[i];
	device = was && model_network_is_managed(was) ? find_name(before, was->bridge) : NULL;
	if (device)
		device = find_index(m, device->index);
	return device && device->bridge ? device->name : NULL;
}
