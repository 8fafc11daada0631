#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "build.h"
#include "quaywall/buf.h"

#define COMPOSE_PROJECT "com.docker.compose.project"
#define COMPOSE_SERVICE "com.docker.compose.service"
#define COMPOSE_NUMBER	"com.docker.compose.container-number"
#define STACK		"com.docker.stack.namespace"
#define SWARM_SERVICE	"com.docker.swarm.service.name"

/* A model of one container with the labels of the KEYS and VALUES in turn; a key that begins with '!'
 * is one that the image carries too. */
static struct model *one(const char *name, const char *const *pairs)
{
	struct model *m = model_new();

	build_container(m, "0123456789abcdef", name);
	for (; pairs[0]; pairs += 2)
		build_label(m->containers, pairs[0] + (pairs[0][0] == '!'), pairs[1],
			    pairs[0][0] == '!');
	model_sort(m);
	return m;
}

static void test_label(void **state)
{
	CLEANUP_MODEL struct model *m =
		one("x", (const char *[]) {"b", "2", "!c", "3", "a", "1", NULL});

	(void)state;
	assert_string_equal(model_container_label(m->containers, "a", true), "1");
	assert_string_equal(model_container_label(m->containers, "b", false), "2");
	assert_string_equal(model_container_label(m->containers, "c", false), "3");
	assert_null(model_container_label(m->containers, "c", true));
	assert_null(model_container_label(m->containers, "d", false));
}

static const struct {
	const char *name;
	const char *const pairs[9];
	const char *project, *service, *title;
} rows[] = {
	{"plain", {NULL}, NULL, NULL, "plain"},
	{"", {NULL}, NULL, NULL, "0123456789ab"},
	{"shop-db-1",
	 {COMPOSE_PROJECT, "shop", COMPOSE_SERVICE, "db", NULL},
	 "shop",
	 "db",
	 "shop/db (shop-db-1)"},
	/* Compose writes both into the images that it builds, but a container's number into none. */
	{"shop-db-1",
	 {"!" COMPOSE_PROJECT, "shop", "!" COMPOSE_SERVICE, "db", COMPOSE_NUMBER, "1", NULL},
	 "shop",
	 "db",
	 "shop/db (shop-db-1)"},
	{"evil",
	 {"!" COMPOSE_PROJECT, "shop", "!" COMPOSE_SERVICE, "db", "!" COMPOSE_NUMBER, "1", NULL},
	 NULL,
	 NULL,
	 "evil"},
	/* An image that claims to be someone else's database. */
	{"evil",
	 {"!" COMPOSE_PROJECT, "shop", "!" COMPOSE_SERVICE, "db", NULL},
	 NULL,
	 NULL,
	 "evil"},
	{"half", {COMPOSE_PROJECT, "own", "!" COMPOSE_SERVICE, "db", NULL}, "own", NULL, "half"},
	{"shop_web.1.x",
	 {STACK, "shop", SWARM_SERVICE, "shop_web", NULL},
	 "shop",
	 "web",
	 "shop/web (shop_web.1.x)"},
	{"other.1.x", {SWARM_SERVICE, "other", NULL}, NULL, "other", "other.1.x"},
	/* A service whose name only begins like the stack's. */
	{"s",
	 {STACK, "shop", SWARM_SERVICE, "shopping", NULL},
	 "shop",
	 "shopping",
	 "shop/shopping (s)"},
	{"s", {STACK, "shop", SWARM_SERVICE, "shop_", NULL}, "shop", "shop_", "shop/shop_ (s)"},
	/* The stack's name from the image does not count, neither as prefix. */
	{"s", {"!" STACK, "shop", SWARM_SERVICE, "shop_web", NULL}, NULL, "shop_web", "s"},
	/* Compose's labels come first. */
	{"s",
	 {COMPOSE_PROJECT, "a", COMPOSE_SERVICE, "b", STACK, "c", SWARM_SERVICE, "c_d"},
	 "a",
	 "b",
	 "a/b (s)"},
	{"s", {"!" COMPOSE_PROJECT, "a", STACK, "c", NULL}, "c", NULL, "s"},
	{"s", {COMPOSE_PROJECT, "", COMPOSE_SERVICE, "", NULL}, NULL, NULL, "s"},
};

static void assert_text(const char *text, const char *want)
{
	if (!want)
		assert_null(text);
	else
		assert_string_equal(text, want);
}

static void test_project_service_title(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP_MODEL struct model *m = one(rows[i].name, rows[i].pairs);
		CLEANUP_BUF struct buf title = BUF_INIT;

		assert_text(model_container_project(m->containers), rows[i].project);
		assert_text(model_container_service(m->containers), rows[i].service);
		model_container_title(m->containers, &title);
		assert_string_equal(buf_text(&title), rows[i].title);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_label),
		cmocka_unit_test(test_project_service_title),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
