#include "quaywall/docker.h"

#include <errno.h>
#include <string.h>

static const struct model_interface *find_interface(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->ninterfaces; i++) {
		if (!strcmp(m->interfaces[i].name, name))
			return &m->interfaces[i];
	}
	return NULL;
}

static bool has_endpoint(const struct model *m, size_t network)
{
	for (size_t i = 0; i < m->nendpoints; i++) {
		if (m->endpoints[i].network == network)
			return true;
	}
	return false;
}

static int refuse(const struct model_network *n, const char *what, struct error *err)
{
	return error_set(err, -ENOTSUP,
			 "the engine's networks are not in this network namespace: the device %s "
			 "of network \"%s\" %s (is it another engine's socket, or a rootless one?)",
			 n->bridge, n->name, what);
}

/* A swarm-scoped bridge network exists on a node once a task needs it; and a device that someone
 * deleted under an unused network is that network's trouble alone. So a device must be there where the
 * network has an endpoint, and at least one must be there at all. */
int docker_check_here(const struct model *m, struct error *err)
{
	const struct model_network *missing = NULL;
	size_t here = 0;

	for (size_t i = 0; i < m->nnetworks; i++) {
		const struct model_network *n = &m->networks[i];
		const struct model_interface *device;

		if (!model_network_is_managed(n) || strcmp(n->scope, "local"))
			continue;
		device = find_interface(m, n->bridge);
		if (device && !device->bridge)
			return refuse(n, "is no bridge", err);
		if (!device && has_endpoint(m, i))
			return refuse(n, "is not here", err);
		if (device)
			here++;
		else
			missing = n;
	}
	if (missing && here == 0)
		return refuse(missing, "is not here", err);
	return 0;
}
