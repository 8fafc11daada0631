#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define STATE_FOLDER "/var/lib/quaywall"

static void lay_over(char **setting, const char *option)
{
	if (!option)
		return;
	free(*setting);
	*setting = mem_strdup(option);
}

static void lay_options(struct settings *s, const struct reconcile_options *options)
{
	lay_over(&s->policies, options->policies);
	lay_over(&s->docker, options->docker);
	lay_over(&s->control, options->control);
}

static int load_settings(const struct reconcile_options *options, struct policy_problems *p,
			 struct settings **ret, struct policy_file *keep, struct error *err)
{
	const char *path = options->config ? options->config : RECONCILE_CONFIG;
	int r = settings_load_keeping(path, options->config != NULL, p, ret, keep, err);

	if (r < 0)
		return r;
	lay_options(*ret, options);
	return 0;
}

int reconcile_load_settings(const struct reconcile_options *options, struct policy_problems *p,
			    struct settings **ret, struct error *err)
{
	struct policy_file file = {.name = NULL};
	int r = load_settings(options, p, ret, &file, err);

	policy_file_done(&file);
	return r;
}

struct settings *world_places(const struct reconcile_options *options)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	struct settings *s = NULL;

	if (reconcile_load_settings(options, &p, &s, NULL) == 0)
		return s;
	s = settings_new();
	lay_options(s, options);
	return s;
}

int world_load(struct world *w, const struct reconcile_options *options, struct policy_problems *p,
	       struct error *err)
{
	int files, r;

	w->sources = sources_new();
	r = load_settings(options, p, &w->settings, &w->sources->settings, err);
	/* Where the settings are wrong, the policies are still read from where they would be, so
	 * that one run names every error. */
	if (r < 0 && r != -EINVAL)
		return r;
	CLEANUP_SETTINGS struct settings *defaults = w->settings ? NULL : settings_new();
	const char *dir = options->policies ? options->policies
					    : (w->settings ? w->settings : defaults)->policies;

	files = policy_load_keeping(dir, p, &w->policies, &w->sources->policies, err);
	return files < 0 ? files : r;
}

int world_load_sources(struct world *w, const struct reconcile_options *options,
		       const struct sources *sources, struct policy_problems *p)
{
	w->sources = sources_copy(sources);
	w->settings = settings_of_file(&sources->settings, p);
	if (!w->settings)
		return -EINVAL;
	lay_options(w->settings, options);
	return policy_files_parse(&sources->policies, p, &w->policies);
}

char *world_state_folder(const struct settings *s)
{
	CLEANUP_SETTINGS struct settings *defaults = settings_new();

	if (s->state)
		return mem_strdup(s->state);
	/* Not below /run: an unconfirmed set must not come in force by a reboot. A second daemon, told apart by
	 * its control socket, has its own. */
	if (strcmp(s->control, defaults->control) == 0)
		return mem_strdup(STATE_FOLDER);
	return mem_printf("%s.state", s->control);
}

int world_compile(struct world *w, struct policy_problems *p)
{
	w->compiled = compile_new(w->settings, w->policies, w->model, p);
	return w->compiled ? 0 : -EINVAL;
}

void world_drop(struct world *w, const struct world *other)
{
	static const struct world none;

	if (!other)
		other = &none;
	/* The result first: it points into the inputs. */
	if (w->compiled != other->compiled)
		compile_free(w->compiled);
	if (w->model != other->model)
		model_free(w->model);
	if (w->policies != other->policies)
		policy_set_free(w->policies);
	if (w->settings != other->settings)
		settings_free(w->settings);
	if (w->sources != other->sources)
		sources_free(w->sources);
	*w = none;
}

void world_replace(struct world *w, struct world *next)
{
	struct world old = *w;

	*w = *next;
	world_drop(&old, w);
	*next = (struct world) {.settings = NULL};
}

/* docker0, docker_gwbridge, and br- with 12 hex digits. Networks with a bridge name of their own
 * cannot be told from other people's bridges. */
static bool looks_like_engine(const char *name)
{
	if (!strcmp(name, "docker0") || !strcmp(name, "docker_gwbridge"))
		return true;
	return !strncmp(name, "br-", 3) && strlen(name) == 15 &&
	       strspn(name + 3, "0123456789abcdef") == 12;
}

static void add_network(struct model *m, const struct model_interface *i)
{
	struct model_network n = {
		.id = mem_strdup(i->name),
		.name = mem_strdup(i->name),
		.driver = mem_strdup("bridge"),
		.scope = mem_strdup("local"),
		.bridge = mem_strdup(i->name),
		.icc = true,
		.subnets = mem_new(i->naddrs, sizeof(struct prefix)),
		.gateways = mem_new(i->naddrs, sizeof(struct addr)),
	};

	for (size_t a = 0; a < i->naddrs; a++) {
		if (addr_is_link_local(&i->addrs[a].addr))
			continue;
		n.subnets[n.nsubnets++] = prefix_mask(&i->addrs[a]);
		n.gateways[n.ngateways++] = i->addrs[a].addr;
	}
	m->networks[m->nnetworks++] = n;
}

int world_skeleton(struct host *h, struct model **ret, struct error *err)
{
	CLEANUP_MODEL struct model *m = model_new();
	int r = host_read_interfaces(h, m, err);

	if (r < 0)
		return r;
	free(m->networks);
	m->networks = mem_new(m->ninterfaces, sizeof(*m->networks));
	for (size_t i = 0; i < m->ninterfaces; i++)
		if (m->interfaces[i].bridge && looks_like_engine(m->interfaces[i].name))
			add_network(m, &m->interfaces[i]);
	model_sort(m);
	*ret = m;
	m = NULL;
	return 0;
}
