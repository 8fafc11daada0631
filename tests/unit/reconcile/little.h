/*
 * little: a world of a few containers, and policies for it, from text.
 */
#pragma once

#include <string.h>

#include "quaywall/docker.h"
#include "../../../controller/reconcile/world.h"

/* web (publishes 8080) and db on one bridge, lone on another, agent on the host's network, sharer in db's. */
#define LITTLE_HOST                                                                                         \
	"{\"quaywall_snapshot\": 1, \"networks\": ["                                                        \
	" {\"id\": \"n1\", \"name\": \"front\", \"driver\": \"bridge\", \"bridge\": \"br-front\","          \
	"  \"subnets\": [\"172.18.0.0/16\", \"fd00:18::/64\"], \"gateways\": [\"172.18.0.1\"]},"            \
	" {\"id\": \"n2\", \"name\": \"other\", \"driver\": \"bridge\", \"bridge\": \"br-other\","          \
	"  \"subnets\": [\"172.19.0.0/16\"], \"gateways\": [\"172.19.0.1\"]},"                              \
	" {\"id\": \"n3\", \"name\": \"cable\", \"driver\": \"macvlan\"}],"                                 \
	"\"containers\": ["                                                                                 \
	" {\"id\": \"c1\", \"name\": \"db\", \"image\": \"postgres\"},"                                     \
	" {\"id\": \"c2\", \"name\": \"web\", \"image\": \"nginx\", \"ports\": ["                           \
	"  {\"protocol\": \"tcp\", \"container_port\": 80, \"host_port\": 8080,"                            \
	"   \"host_addr\": \"0.0.0.0\"}]},"                                                                 \
	" {\"id\": \"c3\", \"name\": \"lone\", \"image\": \"busybox\","                                     \
	"  \"labels\": {\"com.docker.compose.service\": \"db\"},"                                           \
	"  \"image_labels\": [\"com.docker.compose.service\"]},"                                            \
	" {\"id\": \"c4\", \"name\": \"agent\", \"image\": \"x\", \"network_mode\": \"host\"},"             \
	" {\"id\": \"c5\", \"name\": \"sharer\", \"image\": \"x\", \"network_mode\": \"container:c1\"},"    \
	" {\"id\": \"c6\", \"name\": \"orphan\", \"image\": \"x\", \"network_mode\": \"container:gone\"}]," \
	"\"endpoints\": ["                                                                                  \
	" {\"id\": \"e1\", \"network\": \"n1\", \"container\": \"c1\", \"addr4\": \"172.18.0.2\"},"         \
	" {\"id\": \"e2\", \"network\": \"n1\", \"container\": \"c2\", \"addr4\": \"172.18.0.3\","          \
	"  \"addr6\": \"fd00:18::3\"},"                                                                     \
	" {\"id\": \"e3\", \"network\": \"n2\", \"container\": \"c3\", \"addr4\": \"172.19.0.2\"},"         \
	" {\"id\": \"e4\", \"network\": \"n3\", \"container\": \"c3\", \"addr4\": \"10.1.1.1\"}],"          \
	"\"interfaces\": [{\"name\": \"eth0\", \"addrs\": [\"192.0.2.1/24\"]},"                             \
	" {\"name\": \"wg0\", \"addrs\": [\"10.9.0.1/24\"]}]}"

static inline void little_world(struct world *w, const char *policies)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_BUF struct buf text = BUF_INIT;

	*w = (struct world) {.settings = settings_new(), .policies = policy_set_new()};
	policy_parse(w->policies, "p.yaml", policies, strlen(policies), &p);
	if (docker_snapshot_read(LITTLE_HOST, strlen(LITTLE_HOST), &w->model, &err) < 0)
		fail_msg("%s", error_text(&err));
	world_compile(w, &p);
	policy_problems_print(&p, &text);
	assert_string_equal(buf_text(&text), "");
	assert_non_null(w->compiled);
}
