#include "posture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "quaywall/host.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"
#include "quaywall/utf8.h"

#define RESOLV_CONF_MAX 65536

void posture_gap(json_t *doc, const char *part, const char *why)
{
	json_array_append_new(json_object_get(doc, "gaps"),
			      json_pack("{s:s, s:s}", "part", part, "why", why));
}

json_t *posture_string(const char *text)
{
	CLEANUP_BUF struct buf clean = BUF_INIT;

	utf8_clean(text, &clean);
	return json_string(buf_text(&clean));
}

static void add_kernel(json_t *doc)
{
	struct utsname name;

	if (uname(&name) < 0)
		return;
	json_object_set_new(doc, "kernel", posture_string(name.release));
	json_object_set_new(doc, "machine", posture_string(name.machine));
}

static bool is_loopback_server(const char *line)
{
	static const char key[] = "nameserver";

	if (strncmp(line, key, sizeof(key) - 1) != 0)
		return false;
	line += sizeof(key) - 1;
	return strspn(line, " \t") > 0 && !strncmp(line + strspn(line, " \t"), "127.", 4);
}

static void add_resolver(json_t *doc)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	bool found = false;
	int r = posture_read("/etc/resolv.conf", RESOLV_CONF_MAX, &text);

	if (r < 0) {
		posture_gap(doc, "resolver", strerror(-r));
		return;
	}
	for (const char *line = buf_text(&text); line && !found; line = strchr(line, '\n')) {
		line += *line == '\n';
		found = is_loopback_server(line);
	}
	json_object_set_new(doc, "loopback_resolver", json_boolean(found));
}

/* ---- what is opened before ---- */

struct host_diag {
	struct mnl_socket *sockets, *xfrm;
	struct error why; /* there are no `sockets` */
};

struct host_diag *host_diag_open(void)
{
	struct host_diag *d = mem_new(1, sizeof(*d));

	netlink_open(NETLINK_SOCK_DIAG, -1, 0, &d->sockets, &d->why);
	/* Why not is of no interest before there is something to encrypt; then the checks say so. */
	netlink_open(NETLINK_XFRM, -1, 0, &d->xfrm, NULL);
	return d;
}

void host_diag_close(struct host_diag *d)
{
	if (!d)
		return;
	netlink_cleanup(&d->sockets);
	netlink_cleanup(&d->xfrm);
	error_done(&d->why);
	free(d);
}

/* ---- all of it ---- */

json_t *host_posture(const char *docker, struct host_diag *diag)
{
	struct host_diag *own = diag ? NULL : host_diag_open();
	const struct host_diag *d = diag ? diag : own;
	json_t *doc = json_object();

	json_object_set_new(doc, "gaps", json_array());
	add_kernel(doc);
	add_resolver(doc);
	posture_network(doc, d->sockets, error_text(&d->why));
	posture_cgroups(doc);
	posture_tables(doc);
	posture_overlay(doc, d->xfrm);
	posture_programs(doc);
	posture_socket(doc, docker);
	host_diag_close(own);
	return doc;
}
