#include "posture.h"

#include <string.h>

#include "quaywall/certificate.h"
#include "quaywall/mem.h"

enum kind {
	TEXT,
	BOOL,
	NUMBER,
	TEXTS,	  /* a list of texts */
	KEYS,	  /* an object's keys */
	VARIABLES /* a list of NAME=VALUE: the names of those that have a value */
};

struct field {
	const char *to;
	const char *from; /* members, divided by '/' */
	enum kind kind;
};

/* ---- one value ---- */

static const json_t *member(const json_t *object, const char *path)
{
	while (object && *path) {
		size_t len = strcspn(path, "/");
		CLEANUP_FREE char *key = mem_strndup(path, len);

		object = json_object_get(object, key);
		path += len + (path[len] == '/');
	}
	return object;
}

static json_t *take_bytes(const char *text, size_t len)
{
	if (len > POSTURE_TEXT_MAX) {
		len = POSTURE_TEXT_MAX;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	return json_stringn_nocheck(text, len);
}

static json_t *take_text(const json_t *value)
{
	return take_bytes(json_string_value(value), json_string_length(value));
}

static json_t *take_texts(const json_t *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(list) && i < POSTURE_LIST_MAX; i++)
		if (json_is_string(json_array_get(list, i)))
			json_array_append_new(out, take_text(json_array_get(list, i)));
	return out;
}

static json_t *take_keys(const json_t *object)
{
	json_t *out = json_array();
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		if (json_array_size(out) < POSTURE_LIST_MAX)
			json_array_append_new(out, take_bytes(key, strlen(key)));
	}
	return out;
}

/* A variable without a value holds no secret, and one without '=' has its value from elsewhere. */
static json_t *take_variables(const json_t *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(list) && i < POSTURE_LIST_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		const char *end = text ? strchr(text, '=') : NULL;

		if (end && end[1])
			json_array_append_new(out, take_bytes(text, (size_t)(end - text)));
	}
	return out;
}

/* NULL: there is none, or it is of another type. */
static json_t *take(const json_t *value, enum kind kind)
{
	switch (kind) {
	case TEXT:
		return json_is_string(value) ? take_text(value) : NULL;
	case BOOL:
		return json_is_boolean(value) ? json_boolean(json_is_true(value)) : NULL;
	case NUMBER:
		return json_is_integer(value) ? json_integer(json_integer_value(value)) : NULL;
	case TEXTS:
		return json_is_array(value) ? take_texts(value) : NULL;
	case KEYS:
		return json_is_object(value) ? take_keys(value) : NULL;
	case VARIABLES:
		return json_is_array(value) ? take_variables(value) : NULL;
	}
	return NULL;
}

static void take_fields(json_t *out, const json_t *from, const struct field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *value = take(member(from, fields[i].from), fields[i].kind);

		if (value)
			json_object_set_new(out, fields[i].to, value);
	}
}

/* LIST, each item by FIELDS. */
static json_t *take_objects(const json_t *list, const struct field *fields, size_t n)
{
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(list) && i < POSTURE_LIST_MAX; i++) {
		json_t *item = json_object();

		take_fields(item, json_array_get(list, i), fields, n);
		json_array_append_new(out, item);
	}
	return out;
}

/* ---- the engine ---- */

static const struct field version_fields[] = {
	{"version", "Version", TEXT},
	{"api_version", "ApiVersion", TEXT},
	{"min_api", "MinAPIVersion", TEXT},
	{"kernel", "KernelVersion", TEXT},
	{"os", "Os", TEXT},
	{"arch", "Arch", TEXT},
};

static const struct field component_fields[] = {
	{"name", "Name", TEXT},
	{"version", "Version", TEXT},
};

static const struct field info_fields[] = {
	{"id", "ID", TEXT},
	{"name", "Name", TEXT},
	{"system", "OperatingSystem", TEXT},
	{"root", "DockerRootDir", TEXT},
	{"storage_driver", "Driver", TEXT},
	{"logging_driver", "LoggingDriver", TEXT},
	{"cgroup_driver", "CgroupDriver", TEXT},
	{"cgroup_version", "CgroupVersion", TEXT},
	{"security_options", "SecurityOptions", TEXTS},
	{"live_restore", "LiveRestoreEnabled", BOOL},
	{"experimental", "ExperimentalBuild", BOOL},
	{"authorization_plugins", "Plugins/Authorization", TEXTS},
	{"network_plugins", "Plugins/Network", TEXTS},
	{"insecure_networks", "RegistryConfig/InsecureRegistryCIDRs", TEXTS},
	{"mirrors", "RegistryConfig/Mirrors", TEXTS},
	{"default_runtime", "DefaultRuntime", TEXT},
	{"runtimes", "Runtimes", KEYS},
	{"firewall", "FirewallBackend/Driver", TEXT},
	{"warnings", "Warnings", TEXTS},
	{"ip_forward", "IPv4Forwarding", BOOL},
	{"bridge_filter4", "BridgeNfIptables", BOOL},
	{"bridge_filter6", "BridgeNfIp6tables", BOOL},
	{"swarm_state", "Swarm/LocalNodeState", TEXT},
	{"swarm_node", "Swarm/NodeID", TEXT},
	{"swarm_manager", "Swarm/ControlAvailable", BOOL},
	{"swarm_error", "Swarm/Error", TEXT},
};

/* Registries that are spoken to without TLS, or without looking at their certificate. */
static json_t *insecure_registries(const json_t *info)
{
	const json_t *all = member(info, "RegistryConfig/IndexConfigs");
	json_t *out = json_array(), *index;
	const char *name;

	json_object_foreach((json_t *)all, name, index) {
		if (json_is_false(json_object_get(index, "Secure")) &&
		    json_array_size(out) < POSTURE_LIST_MAX)
			json_array_append_new(out, take_bytes(name, strlen(name)));
	}
	return out;
}

json_t *posture_engine(const json_t *version, const json_t *info)
{
	json_t *out = json_object();

	take_fields(out, version, version_fields, ARRAY_SIZE(version_fields));
	json_object_set_new(out, "components",
			    take_objects(json_object_get(version, "Components"), component_fields,
					 ARRAY_SIZE(component_fields)));
	take_fields(out, info, info_fields, ARRAY_SIZE(info_fields));
	json_object_set_new(out, "insecure_registries", insecure_registries(info));
	return out;
}

/* ---- containers ---- */

static const struct field container_fields[] = {
	{"id", "Id", TEXT},
	{"name", "Name", TEXT},
	{"created", "Created", TEXT},
	{"state", "State/Status", TEXT},
	{"started", "State/StartedAt", TEXT},
	{"finished", "State/FinishedAt", TEXT},
	{"exit_code", "State/ExitCode", NUMBER},
	{"oom_killed", "State/OOMKilled", BOOL},
	{"restart_count", "RestartCount", NUMBER},
	{"image", "Config/Image", TEXT},
	{"image_id", "Image", TEXT},
	{"user", "Config/User", TEXT},
	{"env", "Config/Env", VARIABLES},
	{"apparmor", "AppArmorProfile", TEXT},
	{"privileged", "HostConfig/Privileged", BOOL},
	{"cap_add", "HostConfig/CapAdd", TEXTS},
	{"cap_drop", "HostConfig/CapDrop", TEXTS},
	{"security_opt", "HostConfig/SecurityOpt", TEXTS},
	{"read_only", "HostConfig/ReadonlyRootfs", BOOL},
	{"network_mode", "HostConfig/NetworkMode", TEXT},
	{"pid_mode", "HostConfig/PidMode", TEXT},
	{"ipc_mode", "HostConfig/IpcMode", TEXT},
	{"uts_mode", "HostConfig/UTSMode", TEXT},
	{"userns_mode", "HostConfig/UsernsMode", TEXT},
	{"cgroupns_mode", "HostConfig/CgroupnsMode", TEXT},
	{"memory", "HostConfig/Memory", NUMBER},
	{"nano_cpus", "HostConfig/NanoCpus", NUMBER},
	{"cpu_quota", "HostConfig/CpuQuota", NUMBER},
	{"cpuset", "HostConfig/CpusetCpus", TEXT},
	{"pids_limit", "HostConfig/PidsLimit", NUMBER},
	{"oom_kill_disable", "HostConfig/OomKillDisable", BOOL},
	{"restart", "HostConfig/RestartPolicy/Name", TEXT},
	{"restart_max", "HostConfig/RestartPolicy/MaximumRetryCount", NUMBER},
	{"log_driver", "HostConfig/LogConfig/Type", TEXT},
	{"log_max_size", "HostConfig/LogConfig/Config/max-size", TEXT},
	{"log_max_file", "HostConfig/LogConfig/Config/max-file", TEXT},
	{"publish_all", "HostConfig/PublishAllPorts", BOOL},
	{"runtime", "HostConfig/Runtime", TEXT},
	{"masked_paths", "HostConfig/MaskedPaths", TEXTS},
	{"readonly_paths", "HostConfig/ReadonlyPaths", TEXTS},
	{"device_rules", "HostConfig/DeviceCgroupRules", TEXTS},
};

static const struct field mount_fields[] = {
	{"type", "Type", TEXT},
	{"source", "Source", TEXT},
	{"destination", "Destination", TEXT},
	{"rw", "RW", BOOL},
	{"propagation", "Propagation", TEXT},
};

static const struct field device_fields[] = {
	{"host", "PathOnHost", TEXT},
	{"container", "PathInContainer", TEXT},
	{"rights", "CgroupPermissions", TEXT},
};

json_t *posture_container(const json_t *inspected)
{
	json_t *out = json_object();

	take_fields(out, inspected, container_fields, ARRAY_SIZE(container_fields));
	json_object_set_new(out, "mounts",
			    take_objects(json_object_get(inspected, "Mounts"), mount_fields,
					 ARRAY_SIZE(mount_fields)));
	json_object_set_new(out, "devices",
			    take_objects(member(inspected, "HostConfig/Devices"), device_fields,
					 ARRAY_SIZE(device_fields)));
	return out;
}

const char *posture_cut(const json_t *inspected)
{
	static const char *const others[] = {"Mounts", "HostConfig/Devices"};

	for (size_t i = 0; i < ARRAY_SIZE(container_fields); i++) {
		const struct field *f = &container_fields[i];

		if ((f->kind == TEXTS || f->kind == VARIABLES) &&
		    json_array_size(member(inspected, f->from)) > POSTURE_LIST_MAX)
			return f->from;
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (json_array_size(member(inspected, others[i])) > POSTURE_LIST_MAX)
			return others[i];
	return NULL;
}

/* ---- images ---- */

static const struct field image_fields[] = {
	{"id", "Id", TEXT},
	{"tags", "RepoTags", TEXTS},
	{"digests", "RepoDigests", TEXTS},
	{"created", "Created", TEXT},
	{"user", "Config/User", TEXT},
	{"env", "Config/Env", VARIABLES},
	{"exposed", "Config/ExposedPorts", KEYS},
};

json_t *posture_image(const json_t *inspected)
{
	json_t *out = json_object();

	take_fields(out, inspected, image_fields, ARRAY_SIZE(image_fields));
	return out;
}

/* ---- swarm ---- */

/* Neither the tokens to join with nor the keys. */
static const struct field swarm_fields[] = {
	{"id", "ID", TEXT},
	{"autolock", "Spec/EncryptionConfig/AutoLockManagers", BOOL},
	{"node_cert_ns", "Spec/CAConfig/NodeCertExpiry", NUMBER},
	{"root_rotates", "RootRotationInProgress", BOOL},
	{"data_path_port", "DataPathPort", NUMBER},
};

static const struct field node_fields[] = {
	{"id", "ID", TEXT},
	{"name", "Description/Hostname", TEXT},
	{"role", "Spec/Role", TEXT},
	{"availability", "Spec/Availability", TEXT},
	{"state", "Status/State", TEXT},
	{"address", "Status/Addr", TEXT},
	{"engine", "Description/Engine/EngineVersion", TEXT},
	{"leader", "ManagerStatus/Leader", BOOL},
	{"reachability", "ManagerStatus/Reachability", TEXT},
};

json_t *posture_swarm(const json_t *swarm, const json_t *nodes)
{
	json_t *out = json_object();
	const char *root = json_string_value(member(swarm, "TLSInfo/TrustRoot"));
	int64_t expiry;

	take_fields(out, swarm, swarm_fields, ARRAY_SIZE(swarm_fields));
	if (root && certificate_expiry(root, strlen(root), &expiry) == 0)
		json_object_set_new(out, "root_expires", json_integer(expiry));
	json_object_set_new(out, "nodes",
			    take_objects(nodes, node_fields, ARRAY_SIZE(node_fields)));
	return out;
}
