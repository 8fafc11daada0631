#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "case.h"
#include "quaywall/mem.h"

/* Lints YAML over case_shop and compares all that is said. */
static void check(const char *yaml, const char *want)
{
	struct test_case t;

	case_load(&t, NULL, yaml, case_shop);
	compile_lint(t.compiled, &t.problems);
	assert_string_equal(case_problems(&t), want);
	assert_int_equal(policy_problems_errors(&t.problems), 0);
	case_done(&t);
}

static void check_rules(const char *rules, const char *want)
{
	CLEANUP_FREE char *yaml = mem_printf("policy: shop\nfor: {project: shop}\n%s", rules);

	check(yaml, want);
}

static void test_nothing_to_say(void **state)
{
	(void)state;
	check_rules("groups: {web: {service: web}}\n"
		    "allow:\n"
		    "  - {from: web, to: {service: db}, ports: [5432]}\n"
		    "  - {from: web, to: {service: db}, ports: [5433]}\n"
		    "  - {from: {project: \"*\", name: grafana}, to: web}\n"
		    "publish: [{to: web, port: 443, from: [10.0.0.0/8, {interface: wg0}]}]\n",
		    "");
}

static void test_selects_nothing(void **state)
{
	(void)state;
	check_rules("groups: {api: {service: api}}\n"
		    "allow: [{from: api, to: [{service: typo}, {service: db}]}]\n",
		    "p.yaml:3:10: warning: group 'api' selects no running container\n"
		    "p.yaml:4:26: warning: {service: typo} selects no running "
		    "container\n");
	/* Once is enough. */
	check("policy: a\nfor: {service: typo}\nallow: [{from: {service: x}, to: {service: typo}}]\n",
	      "p.yaml:2:6: warning: a governs no running container\n");
	check("policy: a\nfor: {project: \"x-*\"}\nallow: [{from: {service: typo}, to: {}}]\n",
	      "p.yaml:2:6: warning: no project matches 'x-*', so the template holds for none\n");
}

/* A selector of a template needs to select something in one project only. */
static void test_template(void **state)
{
	(void)state;
	check("policy: t\nfor: {project: \"*\"}\n"
	      "allow: [{from: {service: worker}, to: {service: db}}]\n",
	      "");
}

static void test_shadowed(void **state)
{
	(void)state;
	check_rules(
		"allow:\n"
		"  - {from: {service: web}, to: any, ports: [80-90, 91-99]}\n"
		"  - {from: {service: web, name: w1}, to: {service: db}, ports: [85-95]}\n",
		"p.yaml:5:5: warning: the rule says nothing new: the one in line 4 covers it\n");
	check_rules(
		"allow:\n"
		"  - {from: {}, to: [10.0.0.0/9, 10.128.0.0/9]}\n"
		"  - {from: {service: web}, to: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}\n",
		"p.yaml:5:5: warning: the rule says nothing new: the one in line 4 covers it\n");
	check_rules(
		"publish:\n"
		"  - {to: {}, port: 443, from: world}\n"
		"  - {to: {service: web}, port: 443, from: [{interface: wg0}, 192.0.2.1]}\n",
		"p.yaml:5:5: warning: the rule says nothing new: the one in line 4 covers it\n");
}

static void test_not_shadowed(void **state)
{
	(void)state;
	/* Other ports, other protocol, every protocol. */
	check_rules("allow:\n"
		    "  - {from: {}, to: {}, ports: [80, tcp]}\n"
		    "  - {from: {}, to: {}, ports: [53/udp]}\n"
		    "  - {from: {}, to: {}}\n",
		    "");
	/* Another project than the scope's. */
	check_rules("allow:\n"
		    "  - {from: {}, to: {service: db}}\n"
		    "  - {from: {project: blog}, to: {service: db}}\n"
		    "  - {from: {project: blog, not: {project: x}}, to: {service: web}}\n",
		    "");
	/* Beyond the limit; with a log; of another action. */
	check_rules("allow:\n"
		    "  - {from: {}, to: {service: db}, limit: {new: 5/second}}\n"
		    "  - {from: {}, to: {service: db}}\n"
		    "deny:\n"
		    "  - {from: {}, to: {service: db}}\n"
		    "  - {from: {}, to: {service: db}, log: true}\n",
		    "");
	check_rules("allow:\n"
		    "  - {from: {}, to: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}\n"
		    "  - {from: {}, to: 10.0.0.0/8}\n"
		    "  - {from: {}, to: [10.1.0.0/16, world]}\n",
		    "");
}

static void test_publishes_what_nobody_publishes(void **state)
{
	(void)state;
	check_rules("publish:\n"
		    "  - {to: {service: web}, port: 443/tcp+udp, from: any}\n"
		    "  - {to: {service: db}, port: 443, from: any}\n",
		    "p.yaml:4:5: warning: no container of this rule's `to` publishes 443/udp\n"
		    "p.yaml:5:5: warning: no container of this rule's `to` publishes 443/tcp\n");
}

static void test_source_of_publish(void **state)
{
	(void)state;
	check_rules("publish:\n"
		    "  - {to: {service: web}, port: 443, from: [172.19.0.4, 172.18.0.1, "
		    "172.20.0.0/24, 172.16.0.0/12]}\n",
		    "p.yaml:4:44: warning: `from` of publish speaks of outside, but this is the "
		    "address of shop/db (db-1): it never matches\n"
		    "p.yaml:4:56: warning: `from` of publish speaks of outside, but this is the "
		    "host's own address: it never matches\n"
		    "p.yaml:4:68: warning: `from` of publish speaks of outside, but this is in the "
		    "network blog of this host's containers: it never matches\n");
}

static void test_except_leaves_nothing(void **state)
{
	(void)state;
	check_rules("allow:\n"
		    "  - {from: {}, to: {cidr: 10.0.0.0/8, except: [10.0.0.0/9, 10.128.0.0/9]}}\n",
		    "p.yaml:4:20: warning: `except` leaves nothing of the block\n");
}

/* In an invented world hardly anything exists, which says nothing. */
static void test_invented_world(void **state)
{
	struct test_case t;

	(void)state;
	case_load(&t, NULL,
		  "policy: a\nfor: {project: a}\ngroups: {g: {service: x}}\n"
		  "allow:\n  - {from: {service: y}, to: any}\n  - {from: {service: y}, to: host}\n"
		  "publish: [{to: g, port: 443, from: any}]\n",
		  NULL);
	compile_lint(t.compiled, &t.problems);
	assert_string_equal(
		case_problems(&t),
		"p.yaml:6:5: warning: the rule says nothing new: the one in line 5 covers it\n");
	case_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_say),
		cmocka_unit_test(test_selects_nothing),
		cmocka_unit_test(test_template),
		cmocka_unit_test(test_shadowed),
		cmocka_unit_test(test_not_shadowed),
		cmocka_unit_test(test_publishes_what_nobody_publishes),
		cmocka_unit_test(test_source_of_publish),
		cmocka_unit_test(test_except_leaves_nothing),
		cmocka_unit_test(test_invented_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
