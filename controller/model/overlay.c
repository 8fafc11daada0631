#include "quaywall/model.h"

#include <string.h>

bool model_network_is_overlay(const struct model_network *n)
{
	return n->driver && !strcmp(n->driver, "overlay");
}

bool model_has_overlay(const struct model *m)
{
	for (size_t i = 0; i < m->nnetworks; i++)
		if (model_network_is_overlay(&m->networks[i]))
			return true;
	return false;
}

const struct model_network *model_network_of_vni(const struct model *m, uint32_t vni)
{
	for (size_t i = 0; i < m->nnetworks; i++)
		for (size_t v = 0; v < m->networks[i].nvnis; v++)
			if (m->networks[i].vnis[v] == vni)
				return &m->networks[i];
	return NULL;
}
