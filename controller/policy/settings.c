#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "settings.h"

struct settings *settings_new(void)
{
	struct settings *s = mem_new(1, sizeof(*s));

	*s = (struct settings) {
		.docker = mem_strdup("unix:///var/run/docker.sock"),
		.policies = mem_strdup("/etc/quaywall/policies"),
		.control = mem_strdup("/run/quaywall/control.sock"),
		.mode = POLICY_ENFORCE,
		.containers = DEFAULT_ALLOW,
		.unknown = DEFAULT_DENY,
		.publish = DEFAULT_ALLOW,
		.containers_to_host = DEFAULT_ALLOW,
		.host_to_containers = DEFAULT_ALLOW,
		.refuse_containers = REFUSE_REJECT,
		.refuse_world = REFUSE_DROP,
		.antispoof = true,
		.counters = true,
		.watch = true,
		.plaintext = PLAINTEXT_ALERT,
		.log_rate = 20,
		.log_unit = POLICY_SECOND,
		.log_burst = 100,
		.log_group = 86,
		.output_what = OUTPUT_LOGGED,
		.alert_scan = {20, POLICY_MINUTE},
		.alert_flood = {300, POLICY_MINUTE},
		.alert_spoofing = true,
		.unused_days = 30,
		.image_days = 180,
	};
	return s;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	free(s->docker);
	free(s->tls_ca);
	free(s->tls_cert);
	free(s->tls_key);
	free(s->policies);
	free(s->control);
	free(s->state);
	free(s->output_path);
	free(s->webhook);
	free(s->metrics);
	suppressions_free(s);
	registries_free(s);
	free(s->file);
	free(s);
}

/* `preset` comes first, so that a setting beside it wins. */
static void read_preset(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const struct choice choices[] = {{"strict", 1}, {NULL, 0}};
	const struct node *n = keys_get(root, "preset");
	int value;

	if (!n || !scalar_choice(p, n, "preset", choices, &value))
		return;
	s->containers = s->unknown = s->publish = DEFAULT_DENY;
	s->containers_to_host = s->host_to_containers = DEFAULT_DENY;
	s->plaintext = PLAINTEXT_DENY_ENCRYPTED;
	s->deny_strangers = true;
	s->defaults_where = keys_node(root, "preset")->where;
}

static const struct choice allow_deny[] = {
	{"allow", DEFAULT_ALLOW}, {"deny", DEFAULT_DENY}, {NULL, 0}};
static const struct choice unknown_choices[] = {
	{"deny", DEFAULT_DENY}, {"audit", DEFAULT_AUDIT}, {"allow", DEFAULT_ALLOW}, {NULL, 0}};
static const struct choice publish_choices[] = {
	{"allow", DEFAULT_ALLOW}, {"deny", DEFAULT_DENY}, {"local", DEFAULT_LOCAL}, {NULL, 0}};

static void read_default(struct policy_problems *p, const struct node *map, const char *key,
			 const struct choice *choices, enum policy_default *ret)
{
	const struct node *n = keys_get(map, key);
	int value;

	if (n && scalar_choice(p, n, key, choices, &value))
		*ret = (enum policy_default)value;
}

static void read_defaults(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const char *const known[] = {"mode",    "containers",	     "unknown",
					    "publish", "containers_to_host", "host_to_containers",
					    NULL};
	static const struct choice modes[] = {
		{"enforce", POLICY_ENFORCE}, {"audit", POLICY_AUDIT}, {NULL, 0}};
	const struct node *n = keys_get(root, "defaults");
	int mode;

	if (!n || !keys_is_mapping(p, n, "defaults", "KEY: VALUE, …"))
		return;
	keys_check(p, n, known);
	s->defaults_where = keys_node(root, "defaults")->where;
	if (keys_get(n, "mode") && scalar_choice(p, keys_get(n, "mode"), "mode", modes, &mode))
		s->mode = (enum policy_mode)mode;
	read_default(p, n, "containers", allow_deny, &s->containers);
	read_default(p, n, "unknown", unknown_choices, &s->unknown);
	read_default(p, n, "publish", publish_choices, &s->publish);
	read_default(p, n, "containers_to_host", allow_deny, &s->containers_to_host);
	read_default(p, n, "host_to_containers", allow_deny, &s->host_to_containers);
}

static void read_refusal(struct policy_problems *p, const struct node *map, const char *key,
			 enum policy_refusal *ret)
{
	static const struct choice choices[] = {
		{"reject", REFUSE_REJECT}, {"drop", REFUSE_DROP}, {NULL, 0}};
	const struct node *n = keys_get(map, key);
	int value;

	if (n && scalar_choice(p, n, key, choices, &value))
		*ret = (enum policy_refusal)value;
}

static void read_refuse(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const char *const known[] = {"containers", "world", NULL};
	const struct node *n = keys_get(root, "refuse");

	if (!n || !keys_is_mapping(p, n, "refuse", "{containers: reject, world: drop}"))
		return;
	keys_check(p, n, known);
	read_refusal(p, n, "containers", &s->refuse_containers);
	read_refusal(p, n, "world", &s->refuse_world);
}

static void read_overlay_keys(struct policy_problems *p, const struct node *n, struct settings *s)
{
	static const char *const known[] = {"plaintext", "strangers", NULL};
	static const struct choice plaintext[] = {{"alert", PLAINTEXT_ALERT},
						  {"deny-encrypted", PLAINTEXT_DENY_ENCRYPTED},
						  {"deny", PLAINTEXT_DENY},
						  {NULL, 0}};
	static const struct choice strangers[] = {{"alert", 0}, {"deny", 1}, {NULL, 0}};
	const struct node *clear = keys_get(n, "plaintext"), *other = keys_get(n, "strangers");
	int value;

	keys_check(p, n, known);
	if (clear && scalar_choice(p, clear, "plaintext", plaintext, &value))
		s->plaintext = (enum overlay_plaintext)value;
	if (other && scalar_choice(p, other, "strangers", strangers, &value))
		s->deny_strangers = value;
}

static void read_overlay(struct policy_problems *p, const struct node *root, struct settings *s)
{
	const struct node *n = keys_get(root, "overlay");

	if (n && keys_is_mapping(p, n, "overlay", "{plaintext: alert, strangers: alert}"))
		read_overlay_keys(p, n, s);
}

static void read_log(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const char *const known[] = {"rate", "burst", "group", "to", "what", NULL};
	const struct node *n = keys_get(root, "log");
	uint32_t group;

	if (!n || !keys_is_mapping(p, n, "log", "{rate: 20/second, burst: 100, group: 86}"))
		return;
	keys_check(p, n, known);
	if (keys_get(n, "rate"))
		scalar_rate(p, keys_get(n, "rate"), "rate", true, &s->log_rate, &s->log_unit);
	if (keys_get(n, "burst"))
		scalar_number(p, keys_get(n, "burst"), "burst", 1, UINT32_MAX, &s->log_burst);
	if (keys_get(n, "group") &&
	    scalar_number(p, keys_get(n, "group"), "group", 0, UINT16_MAX, &group))
		s->log_group = (uint16_t)group;
	output_read(p, n, s);
}

static void read_metrics(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const char *const known[] = {"listen", NULL};
	const struct node *n = keys_get(root, "metrics");

	if (!n || !keys_is_mapping(p, n, "metrics", "{listen: \"127.0.0.1:9469\"}"))
		return;
	keys_check(p, n, known);
	const struct node *listen = keys_require(p, n, "listen", "ADDRESS:PORT or unix:PATH");
	if (!listen)
		return;
	free(s->metrics);
	s->metrics = listen_read(p, listen);
}

static const struct choice flows_choices[] = {
	{"auto", FLOWS_AUTO}, {"always", FLOWS_ALWAYS}, {"never", FLOWS_NEVER}, {NULL, 0}};

static void read_switches(struct policy_problems *p, const struct node *root, struct settings *s)
{
	const struct node *antispoof = keys_get(root, "antispoof"),
			  *counters = keys_get(root, "counters"), *watch = keys_get(root, "watch"),
			  *flows = keys_get(root, "flows");
	int when;

	if (flows && scalar_choice(p, flows, "flows", flows_choices, &when))
		s->flows = (enum settings_flows)when;
	if (antispoof)
		scalar_bool(p, antispoof, "antispoof", &s->antispoof);
	if (counters)
		scalar_bool(p, counters, "counters", &s->counters);
	if (watch)
		scalar_bool(p, watch, "watch", &s->watch);
}

static void read_root(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const char *const known[] = {
		"docker", "tls",      "policies", "control",   "state",	   "watch",
		"preset", "defaults", "refuse",	  "antispoof", "counters", "overlay",
		"flows",  "log",      "alert",	  "metrics",   "check",	   NULL};

	if (root->kind != NODE_MAPPING) {
		problem_error(p, &root->where, "the settings are %s (expected KEY: VALUE, …)",
			      node_kind_name(root));
		return;
	}
	keys_check(p, root, known);
	docker_read(p, root, s);
	path_read(p, root, "policies", s->file, &s->policies);
	path_read(p, root, "control", s->file, &s->control);
	path_read(p, root, "state", s->file, &s->state);
	read_preset(p, root, s);
	read_defaults(p, root, s);
	read_refuse(p, root, s);
	read_switches(p, root, s);
	read_overlay(p, root, s);
	read_log(p, root, s);
	alert_read(p, root, s);
	read_metrics(p, root, s);
	check_read(p, root, s);
}

struct settings *settings_parse(const char *file, const char *text, size_t len,
				struct policy_problems *p)
{
	struct yaml_documents documents CLEANUP_YAML = {0};
	size_t before = p->len, errors = policy_problems_errors(p);
	struct settings *s = settings_new();

	s->file = mem_strdup(file);
	yaml_read(s->file, text, len, p, &documents);
	if (documents.len > 0)
		read_root(p, documents.items[0], s);
	for (size_t i = 1; i < documents.len; i++)
		problem_error(p, &documents.items[i]->where,
			      "a second document (expected one in the settings)");
	problems_sort(p, before);
	if (policy_problems_errors(p) == errors)
		return s;
	settings_free(s);
	return NULL;
}
