#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "case.h"
#include "quaywall/mem.h"

static bool one_peer_selects(struct test_case *t, size_t endpoint)
{
	const struct policy_rule *rule = &t->policies->documents[0].rules[0];

	for (size_t i = 0; i < rule->nfrom; i++) {
		if (compile_selects(t->compiled, compile_instance(t->compiled, 0),
				    rule->from[i].selector, endpoint))
			return true;
	}
	return false;
}

/* The containers of case_shop that the `from` of the first rule selects, as "w1 w2 db-1". */
static char *selected(struct test_case *t)
{
	struct buf names = BUF_INIT;
	size_t last = MODEL_NONE;

	for (size_t e = 0; e < t->model->nendpoints; e++) {
		size_t container = t->model->endpoints[e].container;

		if (container == last || !one_peer_selects(t, e))
			continue;
		buf_printf(&names, "%s%s", names.len ? " " : "",
			   t->model->containers[container].name);
		last = container;
	}
	return buf_steal(&names);
}

static void check_in(const char *snapshot, const char *governs, const char *selector,
		     const char *want)
{
	CLEANUP_FREE char *yaml = mem_printf("policy: p\nfor: %s\ngroups: {web: {service: web}, "
					     "all: {project: \"*\"}}\n"
					     "allow: [{from: %s, to: any}]\n",
					     governs, selector);
	CLEANUP_FREE char *got = NULL;
	struct test_case t;

	case_load(&t, NULL, yaml, snapshot);
	got = selected(&t);
	assert_string_equal(got, want);
	case_done(&t);
}

static void check(const char *selector, const char *want)
{
	check_in(case_shop, "{project: shop}", selector, want);
}

static void test_a_document_of_a_project_stays_in_it(void **state)
{
	(void)state;
	check("{service: web}", "w1 w2");
	check("{}", "w1 w2 db-1 k1");
	check("web", "w1 w2");
	check("[{service: web}, {service: db}]", "w1 w2 db-1");
}

static void test_naming_a_project_leaves_it(void **state)
{
	(void)state;
	check("{project: blog, service: web}", "b1");
	check("{project: \"*\", service: web}", "w1 w2 b1");
	check("{project: \"*\", name: grafana}", "grafana");
	check("all", "w1 w2 db-1 k1 b1 grafana");
	check("{all: [{project: blog}], service: web}", "b1");
	check("[{project: blog}, {service: db}]", "db-1 b1");
}

static void test_each_alternative_by_itself(void **state)
{
	(void)state;
	check("{any: [{project: blog}, {service: db}]}", "db-1 b1");
	check("{service: web, any: [{project: blog}, {name: w2}]}", "w2 b1");
	check("{project: blog, any: [{service: web}, {service: db}]}", "b1");
}

static void test_not_gets_no_project(void **state)
{
	(void)state;
	check("{not: {service: web}}", "db-1 k1");
	check("{not: {project: shop}}", "");
	check("{project: \"*\", not: {project: shop}}", "b1 grafana");
}

static void test_without_a_project_everything_is_meant(void **state)
{
	(void)state;
	check_in(case_shop, "all", "{service: web}", "w1 w2 b1");
	check_in(case_shop, "[{project: shop}]", "{service: web}", "w1 w2 b1");
	check_in(case_shop, "{service: web}", "{}", "w1 w2 db-1 k1 b1 grafana");
}

static void test_fields(void **state)
{
	(void)state;
	check("{name: \"w*\"}", "w1 w2");
	check("{name: \"w[!1]\"}", "w2");
	check("{network: shop_front}", "w1 w2");
	check_in(case_shop, "all", "{label: {tier: true}}", "grafana");
	check_in(case_shop, "all", "{label: {tier: adm*}}", "grafana");
	check_in(case_shop, "all", "{label: {tier: other}}", "");
}

/* One container: image IMAGE, labels LABELS, and what its image carries itself. */
static char *one_container(const char *image, const char *labels, const char *image_labels)
{
	return mem_printf("{\"quaywall_snapshot\":1,\"networks\":[{\"id\":\"n\",\"name\":\"n\","
			  "\"driver\":\"bridge\",\"bridge\":\"br\",\"subnets\":[\"10.0.0.0/24\"]}],"
			  "\"containers\":[{\"id\":\"c\",\"name\":\"one\",\"image\":\"%s\","
			  "\"labels\":%s,\"image_labels\":%s}],\"endpoints\":[{\"id\":\"e\","
			  "\"network\":\"n\",\"container\":\"c\",\"addr4\":\"10.0.0.2\"}]}",
			  image, labels, image_labels);
}

static void check_image(const char *image, const char *pattern, const char *want)
{
	CLEANUP_FREE char *snapshot = one_container(image, "{}", "[]");
	CLEANUP_FREE char *selector = mem_printf("{image: \"%s\"}", pattern);

	check_in(snapshot, "all", selector, want);
}

static void test_image_in_its_full_form(void **state)
{
	(void)state;
	check_image("nginx", "nginx", "one");
	check_image("nginx:latest", "nginx", "one");
	check_image("docker.io/library/nginx:latest", "nginx", "one");
	check_image("nginx", "docker.io/library/nginx:latest", "one");
	check_image("nginx:1.25", "nginx", "");
	check_image("nginx:1.25", "nginx:*", "one");
	check_image("team/app", "docker.io/team/app:*", "one");
	check_image("reg.example:5000/app:1", "reg.example:5000/*", "one");
	check_image("localhost/app", "localhost/app:latest", "one");
	check_image("localhost/app", "docker.io/localhost/app:latest", "");
}

static void test_an_image_cannot_claim_a_project(void **state)
{
	static const char labels[] = "{\"com.docker.compose.project\":\"shop\","
				     "\"com.docker.compose.service\":\"db\",\"tier\":\"x\"}";
	CLEANUP_FREE char *honest = one_container("i", labels, "[]");
	CLEANUP_FREE char *forged = one_container(
		"i", labels,
		"[\"com.docker.compose.project\",\"com.docker.compose.service\",\"tier\"]");

	(void)state;
	check_in(honest, "all", "{project: shop, service: db}", "one");
	check_in(forged, "all", "{project: shop, service: db}", "");
	check_in(forged, "all", "{label: {com.docker.compose.project: shop}}", "");
	check_in(forged, "all", "{label: {tier: x}}", "one");
}

static void test_a_template_holds_for_each_project(void **state)
{
	struct test_case t;

	(void)state;
	case_load(&t, NULL, "policy: p\nfor: {project: \"*\"}\nallow: [{from: {}, to: {}}]\n",
		  case_shop);
	assert_int_equal(compile_instances(t.compiled), 2);
	assert_string_equal(compile_instance(t.compiled, 0)->scope, "blog");
	assert_string_equal(compile_instance(t.compiled, 1)->scope, "shop");
	/* e7 is blog's, e1 shop's */
	assert_true(compile_governs(t.compiled, compile_instance(t.compiled, 0), 6));
	assert_false(compile_governs(t.compiled, compile_instance(t.compiled, 0), 0));
	assert_true(compile_governs(t.compiled, compile_instance(t.compiled, 1), 0));
	case_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_document_of_a_project_stays_in_it),
		cmocka_unit_test(test_naming_a_project_leaves_it),
		cmocka_unit_test(test_each_alternative_by_itself),
		cmocka_unit_test(test_not_gets_no_project),
		cmocka_unit_test(test_without_a_project_everything_is_meant),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_image_in_its_full_form),
		cmocka_unit_test(test_an_image_cannot_claim_a_project),
		cmocka_unit_test(test_a_template_holds_for_each_project),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
