/*
 * swarm: what keeps a swarm together, and its keys from others. Only a manager is told of it.
 */
#include "internal.h"

#include <string.h>

#include "quaywall/mem.h"

#define DAY	  (24 * 3600)
#define NODES_MAX 1024			 /* that a posture has */
#define VALID	  ((json_int_t)90 * DAY) /* what an engine makes certificates for by default */
#define SHOWN_MAX 8

static const struct check checks[] = {
	{"swarm-autolock", "swarm", CHECK_LOW, "the managers' keys lie open on their disks",
	 "Who gets a disk or a backup of a manager has the swarm's secrets, and can be a manager.",
	 "Docker: Lock your swarm to protect its encryption key"},
	{"swarm-certificate", "swarm", CHECK_HIGH,
	 "this node's certificate has ended, or was not renewed",
	 "Without one the node loses its swarm, and has to leave and join again.",
	 "Docker: Manage swarm security with public key infrastructure"},
	{"swarm-certificate-validity", "swarm", CHECK_LOW,
	 "certificates of nodes are valid for long",
	 "Who stole one is a node of the swarm until it ends.",
	 "Docker: docker swarm update, --cert-expiry"},
	{"swarm-engine-versions", "swarm", CHECK_INFO, "nodes have different engines",
	 "What one of them can, or has mended, another one may not.", NULL},
	{"swarm-manager-tasks", "swarm", CHECK_INFO, "managers run containers, too",
	 "Who gets out of a container there has the swarm, and what it takes can starve the manager.",
	 "Docker: Administer and maintain a swarm, Run manager-only nodes"},
	{"swarm-managers", "swarm", CHECK_MEDIUM, "the number of managers bears no more failures",
	 "More than half must be there: an even number bears no more failures than one less, and one none.",
	 "Docker: Administer and maintain a swarm"},
	{"swarm-node-down", "swarm", CHECK_LOW, "a node is not there",
	 "What is gone for good can come back with a certificate that still holds.", NULL},
	{"swarm-node-state", "swarm", CHECK_MEDIUM, "this node has no part in its swarm",
	 "Services, networks and secrets here are those of an earlier time, or none.", NULL},
	{"swarm-quorum", "swarm", CHECK_HIGH, "managers are not reachable",
	 "Without more than half nothing of the swarm can be changed, and nothing that fails is replaced.",
	 "Docker: Administer and maintain a swarm"},
	{"swarm-root-certificate", "swarm", CHECK_MEDIUM,
	 "the swarm's root certificate has ended, or soon will",
	 "With it end the certificates of all nodes.",
	 "Docker: Manage swarm security with public key infrastructure"},
	{"swarm-root-rotation", "swarm", CHECK_INFO, "a rotation of the root certificate goes on",
	 "Until it is over the old root is trusted as well; a node that is away holds it up.",
	 "Docker: docker swarm ca, --rotate"},
};

struct look {
	const struct check_input *in;
	const json_t *engine, *swarm, *nodes;
	size_t nnodes;
	json_int_t valid; /* seconds that a node's certificate is made for */
	struct check_report *report;
};

static bool is(const json_t *object, const char *key, const char *value)
{
	return !strcmp(posture_text(object, key), value);
}

static bool number(const json_t *object, const char *key, json_int_t *ret)
{
	const json_t *value = json_object_get(object, key);

	*ret = json_integer_value(value);
	return json_is_integer(value);
}

static void tell(const struct look *l, const char *id, enum check_severity severity,
		 const char *subject, const char *evidence, const char *remedy)
{
	check_report_add(l->report, id, severity, subject, evidence, remedy);
}

/* ---- certificates ---- */

static char *when(json_int_t at)
{
	struct buf text = BUF_INIT;

	buf_time(&text, (time_t)at);
	return buf_steal(&text);
}

/* An engine renews its own with between half and a fifth of its time left, and tries again where that fails.
 * One that was made before the swarm was set to a longer time has less left of it. */
static void look_at_certificate(const struct look *l)
{
	json_int_t valid = l->valid < VALID ? l->valid : VALID;
	const char *remedy = "look for 'renew' in the engine's log, and whether it reaches a "
			     "manager; if it has ended: docker swarm leave, and join again";
	json_int_t end;

	if (!number(posture_get(l->in->posture, "host", NULL), "swarm_certificate_expires", &end)) {
		check_report_gap_of(l->report, "swarm", "swarm-certificate",
				    "when this node's certificate ends: the file was not read");
		return;
	}
	bool over = end <= l->in->now;
	CLEANUP_FREE char *at = when(end);
	CLEANUP_FREE char *evidence = mem_printf(
		"swarm/certificates/swarm-node.crt below the engine's folder %s %s%s",
		over ? "ended" : "ends", at,
		over ? "" : ": less than a tenth of the time is left that it is made for");

	if (over || end - l->in->now < valid / 10)
		tell(l, "swarm-certificate", over ? CHECK_HIGH : CHECK_MEDIUM, "host", evidence,
		     remedy);
}

/* One that ends before those that it vouches for. */
static void look_at_root(const struct look *l)
{
	json_int_t end;

	if (!number(l->swarm, "root_expires", &end)) {
		check_report_gap_of(l->report, "swarm", "swarm-root-certificate",
				    "when the root certificate ends: the engine does not tell");
		return;
	}
	bool over = end <= l->in->now;
	CLEANUP_FREE char *at = when(end);
	CLEANUP_FREE char *evidence = mem_printf("TLSInfo.TrustRoot (GET /swarm): %s %s",
						 over ? "it ended" : "it ends", at);

	if (over || end - l->in->now < l->valid)
		tell(l, "swarm-root-certificate", over ? CHECK_CRITICAL : CHECK_MEDIUM, "swarm",
		     evidence, "docker swarm ca --rotate");
}

static void look_at_validity(const struct look *l)
{
	CLEANUP_FREE char *evidence = mem_printf(
		"Spec.CAConfig.NodeCertExpiry (GET /swarm) is %lld days; it is 90 by default",
		(long long)(l->valid / DAY));

	if (l->valid > VALID)
		tell(l, "swarm-certificate-validity",
		     l->valid > (json_int_t)365 * DAY ? CHECK_LOW : CHECK_INFO, "swarm", evidence,
		     "docker swarm update --cert-expiry 2160h");
}

/* ---- what the swarm is set to ---- */

static void look_at_lock(const struct look *l)
{
	const json_t *lock = json_object_get(l->swarm, "autolock");

	if (!json_is_boolean(lock))
		check_report_gap_of(l->report, "swarm", "swarm-autolock",
				    "whether managers are locked: the engine does not tell");
	if (json_is_false(lock))
		tell(l, "swarm-autolock", CHECK_LOW, "swarm",
		     "Spec.EncryptionConfig.AutoLockManagers is false (GET /swarm)",
		     "docker swarm update --autolock=true, and keep the key that it prints");
}

static void look_at_rotation(const struct look *l)
{
	if (json_is_true(json_object_get(l->swarm, "root_rotates")))
		tell(l, "swarm-root-rotation", CHECK_INFO, "swarm",
		     "RootRotationInProgress is true (GET /swarm)",
		     "docker node ls: bring back the nodes that are away, or remove them");
}

/* ---- managers ---- */

static bool is_manager(const json_t *node)
{
	return is(node, "role", "manager");
}

static bool is_away(const json_t *node)
{
	return is(node, "state", "down") || is(node, "state", "disconnected");
}

static const char *name_of(const json_t *node)
{
	const char *name = posture_text(node, "name"), *id = posture_text(node, "id");

	return *name ? name : *id ? id : "without a name";
}

static void add_name(struct buf *out, size_t n, const char *name)
{
	if (n < SHOWN_MAX)
		buf_printf(out, "%s%s", n ? ", " : "", name);
	else if (n == SHOWN_MAX)
		buf_str(out, ", …");
}

/* Of a swarm of one node that is all there can be. */
static void look_at_number(const struct look *l, size_t managers)
{
	CLEANUP_FREE char *evidence =
		mem_printf("%zu of %zu nodes are managers (GET /nodes)", managers, l->nnodes);

	if (managers == 1)
		tell(l, "swarm-managers", l->nnodes > 1 ? CHECK_MEDIUM : CHECK_LOW, "swarm",
		     evidence,
		     "have three: docker node promote NODE, or join with the managers' token");
	else if (managers % 2 == 0)
		tell(l, "swarm-managers", CHECK_MEDIUM, "swarm", evidence,
		     "add one, or take one away: docker node promote NODE, docker node demote NODE");
}

static void look_at_managers(const struct look *l)
{
	CLEANUP_BUF struct buf away = BUF_INIT;
	size_t managers = 0, lost = 0;

	for (size_t i = 0; i < l->nnodes; i++) {
		const json_t *node = json_array_get(l->nodes, i);

		if (!is_manager(node))
			continue;
		managers++;
		if (is(node, "reachability", "unreachable"))
			add_name(&away, lost++, name_of(node));
	}
	if (managers)
		look_at_number(l, managers);
	if (!lost)
		return;
	CLEANUP_FREE char *evidence =
		mem_printf("%zu of %zu managers are not reachable, %zu have to be (GET /nodes): %s",
			   lost, managers, managers / 2 + 1, buf_text(&away));

	tell(l, "swarm-quorum", managers - lost < managers / 2 + 1 ? CHECK_HIGH : CHECK_MEDIUM,
	     "swarm", evidence,
	     "bring them back, or replace them: docker node demote NODE, docker node rm NODE, and "
	     "join another one");
}

/* Where there is no other node that could. */
static void look_at_tasks(const struct look *l)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	size_t busy = 0, workers = 0;

	for (size_t i = 0; i < l->nnodes; i++) {
		const json_t *node = json_array_get(l->nodes, i);

		if (!is_manager(node))
			workers++;
		else if (is(node, "availability", "active"))
			add_name(&names, busy++, name_of(node));
	}
	if (!busy || !workers)
		return;
	CLEANUP_FREE char *evidence =
		mem_printf("availability of managers is active (GET /nodes): %s", buf_text(&names));

	tell(l, "swarm-manager-tasks", CHECK_INFO, "swarm", evidence,
	     "docker node update --availability drain NODE");
}

/* ---- nodes ---- */

/* A host that joined again is a second node of that name. */
static bool has_namesake(const struct look *l, size_t at)
{
	for (size_t i = 0; i < l->nnodes; i++)
		if (i != at && !strcmp(name_of(json_array_get(l->nodes, i)),
				       name_of(json_array_get(l->nodes, at))))
			return true;
	return false;
}

static void look_at_absence(const struct look *l)
{
	for (size_t i = 0; i < l->nnodes; i++) {
		const json_t *node = json_array_get(l->nodes, i);

		/* That is a manager that is not reachable. */
		if (!is_away(node) || is(node, "reachability", "unreachable"))
			continue;
		report_take(l->report, "swarm-node-down",
			    has_namesake(l, i) ? mem_printf("node %s (%s)", name_of(node),
							    posture_text(node, "id"))
					       : mem_printf("node %s", name_of(node)),
			    mem_printf("its state is %s (GET /nodes)", posture_text(node, "state")),
			    mem_strdup("bring it back, or forget it: docker node rm NODE"));
	}
}

static size_t count_engine(const struct look *l, const char *engine, size_t *ret_first)
{
	size_t n = 0;

	for (size_t i = l->nnodes; i-- > 0;) {
		if (!is(json_array_get(l->nodes, i), "engine", engine))
			continue;
		*ret_first = i;
		n++;
	}
	return n;
}

static void look_at_engines(const struct look *l)
{
	CLEANUP_BUF struct buf list = BUF_INIT;
	size_t kinds = 0;

	for (size_t i = 0; i < l->nnodes; i++) {
		const char *engine = posture_text(json_array_get(l->nodes, i), "engine");
		size_t first = i, n = count_engine(l, engine, &first);
		CLEANUP_FREE char *text =
			mem_printf("%s (%zu node%s)", engine, n, n > 1 ? "s" : "");

		if (*engine && first == i)
			add_name(&list, kinds++, text);
	}
	if (kinds > 1)
		tell(l, "swarm-engine-versions", CHECK_INFO, "swarm", buf_text(&list),
		     "upgrade the older ones, one after another");
}

/* ---- this node ---- */

/* "error", "locked", "pending" */
static void look_at_state(const struct look *l, const char *state)
{
	const char *error = posture_text(l->engine, "swarm_error");
	CLEANUP_FREE char *evidence = mem_printf("Swarm.LocalNodeState is %s (GET /info)%s%s",
						 state, *error ? ": " : "", error);

	tell(l, "swarm-node-state", CHECK_MEDIUM, "host", evidence,
	     !strcmp(state, "locked")
		     ? "docker swarm unlock"
		     : "look at the engine's log for why; it may have to leave and "
		       "join again");
}

/* A manager that has no leader tells nothing of the swarm. */
static bool is_headless(const struct look *l)
{
	const char *error = posture_text(l->engine, "swarm_error");

	if (!strstr(error, "does not have a leader"))
		return false;
	CLEANUP_FREE char *evidence = mem_printf("Swarm.Error (GET /info): %s", error);

	tell(l, "swarm-quorum", CHECK_HIGH, "swarm", evidence,
	     "bring managers back; if they are gone for good: docker swarm init --force-new-cluster "
	     "on one that is left");
	return true;
}

/* ---- all ---- */

static void look_at_nodes(struct look *l)
{
	l->nodes = json_object_get(l->swarm, "nodes");
	l->nnodes = json_array_size(l->nodes);
	if (!l->nnodes)
		check_report_gap(l->report, "swarm", "the nodes: the engine tells of none");
	if (l->nnodes > NODES_MAX) {
		check_report_gap(l->report, "swarm", "there are more nodes than are looked at");
		l->nnodes = NODES_MAX;
	}
	look_at_managers(l);
	look_at_tasks(l);
	look_at_absence(l);
	look_at_engines(l);
}

static void look_at_swarm(struct look *l)
{
	json_int_t ns;

	if (number(l->swarm, "node_cert_ns", &ns) && ns > 0)
		l->valid = ns / 1000000000;
	else
		check_report_gap_of(l->report, "swarm", "swarm-certificate-validity",
				    "how long certificates are valid: the engine does not tell");
	look_at_validity(l);
	look_at_lock(l);
	look_at_root(l);
	look_at_rotation(l);
	look_at_nodes(l);
}

static void look_at_member(struct look *l)
{
	const json_t *manager = json_object_get(l->engine, "swarm_manager");

	if (!json_is_boolean(manager))
		check_report_gap(l->report, "swarm",
				 "whether this node is a manager: the engine does not tell");
	else if (json_is_false(manager))
		check_report_gap(l->report, "swarm",
				 "what the swarm is set to, and its nodes: this node is a worker, "
				 "and only managers tell");
	else if (!is_headless(l) && posture_has(l->in->posture, "swarm", "swarm", l->report))
		look_at_swarm(l);
	look_at_certificate(l);
}

static void run(const struct check_input *in, struct check_report *ret)
{
	struct look l = {
		.in = in,
		.engine = posture_get(in->posture, "engine", NULL),
		.swarm = posture_get(in->posture, "swarm", NULL),
		.valid = VALID,
		.report = ret,
	};
	const char *state = posture_text(l.engine, "swarm_state");

	if (!posture_has(in->posture, "engine", "swarm", ret))
		return;
	if (!*state)
		check_report_gap(ret, "swarm",
				 "whether the host is in a swarm: the engine does not tell");
	else if (!strcmp(state, "active"))
		look_at_member(&l);
	else if (strcmp(state, "inactive") != 0)
		look_at_state(&l, state);
}

const struct check_group swarm_group = {"swarm", checks, ARRAY_SIZE(checks), run};
