#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "case.h"
#include "quaywall/mem.h"

/* "NAME|PROJECT|SERVICE|IMAGE|NETWORK|PORT …" of each container. */
static char *describe(const struct model *m)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *e = &m->endpoints[i];
		const struct model_container *k = &m->containers[e->container];
		const char *project = model_container_project(k);
		const char *service = model_container_service(k);

		buf_printf(&out, "%s|%s|%s|%s|%s|", k->name, project ? project : "",
			   service ? service : "", k->image, m->networks[e->network].name);
		for (size_t p = 0; p < k->nports; p += 2)
			buf_printf(&out, "%u ", k->ports[p].host_port);
		buf_str(&out, "\n");
	}
	return buf_steal(&out);
}

static void check(const char *yaml, const char *want)
{
	struct test_case t;
	CLEANUP_FREE char *have = NULL;

	case_load(&t, NULL, yaml, NULL);
	have = describe(t.model);
	assert_string_equal(have, want);
	compile_run_expects(t.compiled, &t.problems);
	assert_string_equal(case_problems(&t), "");
	case_done(&t);
}

static void check_fails(const char *yaml, const char *want)
{
	CLEANUP_POLICY_SET struct policy_set *set = policy_set_new();
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_BUF struct buf out = BUF_INIT;

	policy_parse(set, "p.yaml", yaml, strlen(yaml), &p);
	assert_int_equal(p.len, 0);
	assert_null(compile_invent_model(set, &p));
	policy_problems_print(&p, &out);
	assert_string_equal(buf_text(&out), want);
}

static void test_values(void **state)
{
	(void)state;
	check("policy: a\nfor: {project: shop}\n"
	      "groups: {web: [{service: web}]}\n"
	      "allow: [{from: web, to: {name: db, network: back, image: 'postgres:15'}}]\n"
	      "expect:\n"
	      "  - {from: web, to: {name: db, network: back, image: 'postgres:15'}, verdict: allow}\n"
	      "  - {from: {project: mon, service: prom}, to: {service: web}, port: 80, verdict: "
	      "deny}\n"
	      "  - {from: {project: '*', name: 'a\\*b'}, to: web, port: 80, verdict: deny}\n",
	      "invented-1|shop|web||shop_default|\n"
	      "db|shop||postgres:15|back|\n"
	      "invented-3|mon|prom||mon_default|\n"
	      "a*b||||invented|\n");
}

static void test_labels(void **state)
{
	struct test_case t;
	const struct model_container *k;

	(void)state;
	case_load(&t, NULL,
		  "policy: a\nfor: all\n"
		  "expect: [{from: {label: {z: 1.10, a: true}}, to: host, verdict: allow}]\n",
		  NULL);
	assert_int_equal(t.model->ncontainers, 1);
	k = &t.model->containers[0];
	assert_int_equal(k->nlabels, 2);
	assert_string_equal(model_container_label(k, "z", true), "1.10");
	assert_string_equal(model_container_label(k, "a", true), "true");
	case_done(&t);
}

/* A group has its project from where it is defined; a name of the same text is another condition. */
static void test_scope_of_groups(void **state)
{
	(void)state;
	check("policy: a\nfor: {project: shop}\n"
	      "groups: {web: {service: web}, one: {all: [web], name: w1}}\n"
	      "expect: [{from: one, to: {project: '*', all: [web]}, port: 1, verdict: deny}]\n",
	      "w1|shop|web||shop_default|\n"
	      "invented-2|shop|web||shop_default|\n");
}

static void test_template(void **state)
{
	(void)state;
	check("policy: a\nfor: {project: 'shop-*'}\nallow: [{from: {}, to: {}}]\n"
	      "expect: [{from: {service: web}, to: {service: db}, verdict: allow}]\n",
	      "invented-1|shop-|web||shop-_default|\n"
	      "invented-2|shop-|db||shop-_default|\n");
	check("policy: a\nfor: {project: '*'}\nallow: [{from: {}, to: {}}]\n"
	      "expect: [{from: {service: web}, to: {service: db}, verdict: allow}]\n",
	      "invented-1|example|web||example_default|\n"
	      "invented-2|example|db||example_default|\n");
	check_fails("policy: a\nfor: {project: 'x?'}\n"
		    "expect: [{from: {service: web}, to: {service: db}, verdict: allow}]\n",
		    "p.yaml:2:6: error: this selector needs --snapshot: no project can be invented "
		    "for 'x?'\n");
}

static void test_published_ports(void **state)
{
	(void)state;
	/* On the containers of `to`. */
	check("policy: a\nfor: {service: web}\npublish: [{to: {}, port: 443, from: 192.0.2.1}]\n"
	      "expect: [{from: 192.0.2.1, to: {service: web}, publish: 443, verdict: allow}]\n",
	      "invented-1||web||invented|443 \n");
	/* Without `to`: on those that the publish rules name, not on all that the document governs. */
	check("policy: a\nfor: {project: s}\n"
	      "publish: [{to: {service: web}, port: 443, from: 192.0.2.1}]\n"
	      "expect:\n"
	      "  - {from: {service: web}, to: {service: db}, port: 1, verdict: deny}\n"
	      "  - {from: 192.0.2.1, publish: 443, verdict: allow}\n",
	      "invented-1|s|web||s_default|443 \n"
	      "invented-2|s|db||s_default|\n");
	/* No rule names the port: on those that the document governs. */
	check("policy: a\nfor: {project: s}\n"
	      "expect:\n"
	      "  - {from: {service: web}, to: {service: db}, port: 1, verdict: deny}\n"
	      "  - {from: 2001:db8::1, publish: 443, verdict: deny}\n",
	      "invented-1|s|web||s_default|443 \n"
	      "invented-2|s|db||s_default|443 \n");
	/* Nothing governed yet: on one that `for` describes. */
	check("policy: a\nfor: {service: web}\n"
	      "expect: [{from: 192.0.2.1, publish: 443, verdict: deny}]\n",
	      "invented-1||web||invented|443 \n");
}

static void test_not_plain(void **state)
{
	(void)state;
	check_fails("policy: a\nfor: all\n"
		    "expect: [{from: {service: 'w*'}, to: {not: {service: db}}, verdict: deny}]\n",
		    "p.yaml:3:17: error: this selector needs --snapshot: no container can be "
		    "invented for {service: \"w*\"}\n"
		    "p.yaml:3:38: error: this selector needs --snapshot: no container can be "
		    "invented for {not: {service: db}}\n");
	check_fails("policy: a\nfor: all\ngroups: {x: [{service: a}, {service: b}]}\n"
		    "expect: [{from: x, to: host, verdict: deny}]\n",
		    "p.yaml:4:17: error: this selector needs --snapshot: no container can be "
		    "invented for x\n");
	check_fails("policy: a\nfor: {project: shop}\ngroups: {x: {service: a}}\n"
		    "expect: [{from: {project: other, all: [x]}, to: host, verdict: deny}]\n",
		    "p.yaml:4:17: error: this selector needs --snapshot: no container can be "
		    "invented for {project: other, all: [x]}\n");
	check_fails("policy: a\nfor: {service: 'w*'}\n"
		    "expect: [{from: 192.0.2.1, publish: 443, verdict: deny}]\n",
		    "p.yaml:2:6: error: this selector needs --snapshot: no container can be "
		    "invented for {service: \"w*\"}\n");
	check_fails("policy: a\nfor: all\n"
		    "expect: [{from: 192.0.2.1, publish: 1000-2000, verdict: deny}]\n",
		    "p.yaml:3:10: error: so many published ports need --snapshot (expected at most "
		    "1000)\n");
}

static void test_ipv6_only_where_spoken_of(void **state)
{
	struct test_case t;

	(void)state;
	case_load(&t, NULL,
		  "policy: a\nfor: all\nexpect: [{from: {name: a}, to: host, verdict: allow}]\n",
		  NULL);
	assert_false(addr_is_set(&t.model->endpoints[0].addr6));
	case_done(&t);
	case_load(&t, NULL,
		  "policy: a\nfor: all\n"
		  "expect: [{from: {name: a}, to: 2001:db8::1, verdict: deny}]\n",
		  NULL);
	assert_true(addr_is_set(&t.model->endpoints[0].addr6));
	assert_int_equal(compile_run_expects(t.compiled, &t.problems), 1);
	case_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_scope_of_groups),
		cmocka_unit_test(test_template),
		cmocka_unit_test(test_published_ports),
		cmocka_unit_test(test_not_plain),
		cmocka_unit_test(test_ipv6_only_where_spoken_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
