/*
 * bypass: the parts of the group. Each adds its findings and gaps to RET.
 */
#pragma once

#include "internal.h"

/* A container that is looked at. */
struct bypass_look {
	const struct check_input *in;
	const struct model *m;
	struct check_report *ret;
	const json_t **all; /* what the posture has of each, by the model's index */
	bool remaps; /* the engine gives containers a user namespace, where root is nobody on the host */
	size_t c;	      /* the model's index */
	const json_t *set_up; /* all[c] */
};

char *bypass_title(const struct bypass_look *l); /* the caller frees it */

/* What makes its root the host's, unless root is not root there. Takes over the evidence. */
void bypass_tell_host(const struct bypass_look *l, const char *id, char *evidence,
		      const char *remedy);

void bypass_devices(const struct bypass_look *l);
void bypass_mounts(const struct bypass_look *l);

void bypass_containers(const struct check_input *in, struct check_report *ret);
void bypass_networks(const struct check_input *in, struct check_report *ret);
void bypass_host(const struct check_input *in, struct check_report *ret);
void bypass_tools(const struct check_input *in, struct check_report *ret);

/* The checks that one part of a posture is needed for. */
#define BYPASS_OF_CONTAINERS \
	"capability-host,capability-net-admin,container-privileged,device-host,device-tunnel,engine-socket,host-pid,raw-sockets"
#define BYPASS_OF_TABLES   "iptables-legacy,tool-flowtable,tool-rules"
#define BYPASS_OF_PROGRAMS "engine-firewall-off,engine-other"
#define BYPASS_OF_SWITCHES "bridge-filter-off,forwarding-off,route-localnet"
#define BYPASS_OF_HOST	   BYPASS_OF_SWITCHES "," BYPASS_OF_TABLES "," BYPASS_OF_PROGRAMS
