#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/docker.h"
#include "quaywall/mem.h"

#include "fake.h"

static char *source_path(const char *name)
{
	return mem_printf("%s/tests/unit/docker/%s", getenv("QUAYWALL_SOURCE"), name);
}

static void give_containers(struct fake *f, const json_t *list)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) {
		CLEANUP_FREE char *text = json_dumps(item, 0);

		fake_container(f, json_string_value(json_object_get(item, "Id")), text);
	}
}

/* NAME holds what a real engine answered: {PATH: DOCUMENT}. */
static struct fake *recorded(const char *name)
{
	CLEANUP_FREE char *path = source_path(name);
	json_t *all = json_load_file(path, 0, NULL), *document;
	struct fake *f = fake_new();
	const char *key;

	assert_non_null(all);
	json_object_foreach(all, key, document) {
		CLEANUP_FREE char *text = json_dumps(document, 0);

		if (!strcmp(key, "/containers/json"))
			give_containers(f, document);
		else if (!strncmp(key, "/networks/", 10))
			fake_network(f, key + 10, text);
		else if (!strncmp(key, "/images/", 8))
			fake_image(f, key + 8, text);
		else
			fake_answer(f, key, "200 OK", text);
	}
	json_decref(all);
	return f;
}

static void read_file(const char *name, struct buf *out)
{
	CLEANUP_FREE char *path = source_path(name);
	CLEANUP_FILE FILE *f = fopen(path, "re");
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		buf_str(out, line);
}

/* With QUAYWALL_UPDATE set the file becomes what is wanted; look at the difference then. */
static void update_file(const char *name, const char *text)
{
	CLEANUP_FREE char *path = source_path(name);
	CLEANUP_FILE FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
}

static void test_list(const char *engine, const char *want)
{
	struct fake *f = recorded(engine);
	struct docker_options o = {.url = fake_url(f)};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *m = NULL;
	CLEANUP_BUF struct buf expected = BUF_INIT;
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (docker_list(&o, &m, &err) < 0)
		fail_msg("%s", error_text(&err));
	docker_snapshot_write(m, &text);
	if (getenv("QUAYWALL_UPDATE"))
		update_file(want, buf_text(&text));
	read_file(want, &expected);
	assert_string_equal(buf_text(&text), buf_text(&expected));
	assert_int_equal(fake_asked(f, "/events"), 0);
	fake_free(f);
}

static void test_list_20_10(void **state)
{
	(void)state;
	test_list("engine-20.10.json", "engine-20.10.want");
}

static void test_list_28_5(void **state)
{
	(void)state;
	test_list("engine-28.5.json", "engine-28.5.want");
}

static void test_list_swarm(void **state)
{
	(void)state;
	test_list("engine-swarm.json", "engine-swarm.want");
}

static void refused(struct fake *f, int code, const char *why)
{
	struct docker_options o = {.url = fake_url(f)};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_FREE char *want = mem_printf("%s: %s", o.url, why);
	struct model *m = NULL;

	assert_int_equal(docker_list(&o, &m, &err), code);
	assert_null(m);
	assert_string_equal(error_text(&err), want);
}

static void test_refusals(void **state)
{
	struct fake *f = fake_new();

	(void)state;
	fake_answer(
		f, "/version", "200 OK",
		"{\"Version\": \"30.1\", \"ApiVersion\": \"1.60\", \"MinAPIVersion\": \"1.48\"}");
	refused(f, -ENOTSUP,
		"Docker Engine 30.1 is too new: it speaks the API from version 1.48 on, quaywall up "
		"to 1.47");
	fake_answer(
		f, "/version", "200 OK",
		"{\"Version\": \"5.4.2\", \"ApiVersion\": \"1.41\", \"Components\": [{\"Name\": "
		"\"Podman Engine\"}]}");
	refused(f, -ENOTSUP,
		"this is Podman (Podman Engine 5.4.2): quaywall governs the Docker Engine alone");
	fake_answer(f, "/version", FAKE_AS_USUAL);
	fake_answer(f, "/info", "200 OK",
		    "{\"ID\": \"X\", \"SecurityOptions\": [\"name=seccomp\", \"name=rootless\"]}");
	refused(f, -ENOTSUP,
		"the engine is rootless: its networks live in a namespace of its own, where the "
		"host's firewall sees nothing");
	fake_answer(f, "/info", "403 Forbidden", "<html>no</html>");
	refused(f, -EACCES, "GET /info: HTTP status 403");
	fake_answer(f, "/info", "301 Moved\r\nLocation: http://localhost/other", "");
	refused(f, -EPROTO, "GET /info: HTTP status 301");
	fake_free(f);
}

/* An engine without one network does not exist; to believe it would take every rule away. */
static void test_no_network(void **state)
{
	struct fake *f = fake_new();

	(void)state;
	refused(f, -EPROTO, "GET /networks: no network at all, not even \"host\"");
	fake_free(f);
}

static void test_not_there(void **state)
{
	struct docker_options o = {.url = "unix:///nonexistent/docker.sock"};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model *m = NULL;

	(void)state;
	assert_int_equal(docker_list(&o, &m, &err), -ENOENT);
	assert_string_equal(error_text(&err), "unix:///nonexistent/docker.sock: GET /version: No "
					      "such file or directory");
	o.url = "tcp://127.0.0.1:1";
	assert_int_equal(docker_list(&o, &m, &err), -ECONNREFUSED);
	assert_null(m);
}

/* The daemon may run where a proxy is set for everything else. */
static void test_no_proxy(void **state)
{
	struct fake *f = fake_new();
	struct docker_options o = {.url = fake_url(f)};
	CLEANUP_MODEL struct model *m = NULL;

	(void)state;
	fake_network(f, "n1",
		     "{\"Id\": \"n1\", \"Name\": \"none\", \"Driver\": \"null\", \"Scope\": "
		     "\"local\", \"IPAM\": {}}");
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	assert_int_equal(docker_list(&o, &m, NULL), 0);
	assert_int_equal(m->ncontainers, 0);
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_20_10), cmocka_unit_test(test_list_28_5),
		cmocka_unit_test(test_list_swarm), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_network), cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_no_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
