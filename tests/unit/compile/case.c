#include "case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "quaywall/docker.h"

/* clang-format off */
#define LABELS(project, service) \
	"{\"com.docker.compose.project\":\"" project "\",\"com.docker.compose.service\":\"" service "\"}"

const char case_shop[] =
	"{\"quaywall_snapshot\":1,"
	"\"networks\":["
	"{\"id\":\"n1\",\"name\":\"shop_front\",\"driver\":\"bridge\",\"bridge\":\"br-1\","
	 "\"subnets\":[\"172.18.0.0/16\",\"fd00:18::/64\"],\"gateways\":[\"172.18.0.1\"]},"
	"{\"id\":\"n2\",\"name\":\"shop_back\",\"driver\":\"bridge\",\"bridge\":\"br-2\","
	 "\"subnets\":[\"172.19.0.0/16\"],\"gateways\":[\"172.19.0.1\"]},"
	"{\"id\":\"n3\",\"name\":\"blog\",\"driver\":\"bridge\",\"bridge\":\"br-3\","
	 "\"subnets\":[\"172.20.0.0/16\"],\"gateways\":[\"172.20.0.1\"]},"
	"{\"id\":\"n4\",\"name\":\"bridge\",\"driver\":\"bridge\",\"bridge\":\"docker0\","
	 "\"subnets\":[\"172.17.0.0/16\"],\"gateways\":[\"172.17.0.1\"]}],"
	"\"containers\":["
	"{\"id\":\"c1\",\"name\":\"w1\",\"labels\":" LABELS("shop", "web") ",\"ports\":["
	 "{\"protocol\":\"tcp\",\"container_port\":8443,\"host_port\":443,\"host_addr\":\"0.0.0.0\"},"
	 "{\"protocol\":\"tcp\",\"container_port\":8443,\"host_port\":443,\"host_addr\":\"::\"},"
	 "{\"protocol\":\"tcp\",\"container_port\":9000,\"host_port\":9000,\"host_addr\":\"127.0.0.1\"}]},"
	"{\"id\":\"c2\",\"name\":\"w2\",\"labels\":" LABELS("shop", "web") "},"
	"{\"id\":\"c3\",\"name\":\"db-1\",\"labels\":" LABELS("shop", "db") "},"
	"{\"id\":\"c4\",\"name\":\"k1\",\"labels\":" LABELS("shop", "worker") "},"
	"{\"id\":\"c5\",\"name\":\"b1\",\"labels\":" LABELS("blog", "web") "},"
	"{\"id\":\"c6\",\"name\":\"grafana\",\"labels\":{\"tier\":\"admin\"}}],"
	"\"endpoints\":["
	"{\"id\":\"e1\",\"network\":\"n1\",\"container\":\"c1\",\"addr4\":\"172.18.0.2\",\"addr6\":\"fd00:18::2\"},"
	"{\"id\":\"e2\",\"network\":\"n2\",\"container\":\"c1\",\"addr4\":\"172.19.0.2\"},"
	"{\"id\":\"e3\",\"network\":\"n1\",\"container\":\"c2\",\"addr4\":\"172.18.0.3\",\"addr6\":\"fd00:18::3\"},"
	"{\"id\":\"e4\",\"network\":\"n2\",\"container\":\"c2\",\"addr4\":\"172.19.0.3\"},"
	"{\"id\":\"e5\",\"network\":\"n2\",\"container\":\"c3\",\"addr4\":\"172.19.0.4\"},"
	"{\"id\":\"e6\",\"network\":\"n2\",\"container\":\"c4\",\"addr4\":\"172.19.0.5\"},"
	"{\"id\":\"e7\",\"network\":\"n3\",\"container\":\"c5\",\"addr4\":\"172.20.0.2\"},"
	"{\"id\":\"e8\",\"network\":\"n4\",\"container\":\"c6\",\"addr4\":\"172.17.0.2\"}]}";
/* clang-format on */

static void load_model(struct test_case *t, const char *snapshot)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	if (!snapshot)
		t->model = compile_invent_model(t->policies, &t->problems);
	else if (docker_snapshot_read(snapshot, strlen(snapshot), &t->model, &err))
		fail_msg("snapshot: %s", error_text(&err));
}

void case_load(struct test_case *t, const char *settings, const char *yaml, const char *snapshot)
{
	*t = (struct test_case) {0};
	t->settings = settings ? settings_parse("s.yaml", settings, strlen(settings), &t->problems)
			       : settings_new();
	t->policies = policy_set_new();
	policy_parse(t->policies, "p.yaml", yaml, strlen(yaml), &t->problems);
	policy_set_check(t->policies, &t->problems);
	if (t->settings && !policy_problems_errors(&t->problems))
		load_model(t, snapshot);
	if (t->model)
		t->compiled = compile_new(t->settings, t->policies, t->model, &t->problems);
	if (!t->compiled || t->problems.len)
		fail_msg("not loaded: %s", case_problems(t));
}

const char *case_problems(struct test_case *t)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	policy_problems_print(&t->problems, &out);
	free(t->text);
	t->text = buf_steal(&out);
	return t->text;
}

void case_done(struct test_case *t)
{
	free(t->text);
	compile_free(t->compiled);
	model_free(t->model);
	policy_set_free(t->policies);
	settings_free(t->settings);
	policy_problems_done(&t->problems);
}
