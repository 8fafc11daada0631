#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"

#include "fake.h"

#define CONTAINER                                                                                \
	"{\"Id\": \"c1\", \"Name\": \"/web\", \"Image\": \"sha256:1\", \"State\": {\"Status\": " \
	"\"running\", \"ExitCode\": 0}, \"RestartCount\": 3, \"Path\": \"hunter2\", \"Args\": "  \
	"[\"--password=hunter2\"], \"Config\": {\"Image\": \"nginx\", \"User\": 7, \"Env\": "    \
	"[\"SECRET=hunter2\", \"EMPTY=\", \"BARE\", 5], \"Cmd\": [\"hunter2\"], \"Labels\": "    \
	"{\"a\": \"hunter2\"}}, \"HostConfig\": {\"Privileged\": true, \"CapAdd\": null, "       \
	"\"LogConfig\": {\"Type\": \"splunk\", \"Config\": {\"splunk-token\": \"hunter2\", "     \
	"\"max-size\": \"1m\"}}, \"Devices\": [{\"PathOnHost\": \"/dev/net/tun\"}, 3]}, "        \
	"\"Mounts\": [{\"Type\": \"bind\", \"Source\": \"/srv\", \"RW\": true, \"Options\": "    \
	"\"hunter2\"}]}"

static const json_t *part(const json_t *posture, const char *list, size_t i)
{
	return json_array_get(json_object_get(posture, list), i);
}

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static json_t *posture_of(struct fake *f)
{
	struct docker_options o = {.url = fake_url(f)};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *posture = NULL;

	if (docker_posture(&o, &posture, &err) < 0)
		fail_msg("%s", error_text(&err));
	assert_int_equal(json_integer_value(json_object_get(posture, "version")), 1);
	return posture;
}

static struct fake *engine(void)
{
	struct fake *f = fake_new();

	fake_container(f, "c1", "{\"Id\": \"c1\", \"ImageID\": \"sha256:1\"}");
	fake_answer(f, "/containers/c1/json", "200 OK", CONTAINER);
	fake_image(f, "sha256:1",
		   "{\"Id\": \"sha256:1\", \"RepoTags\": [\"nginx:1\"], \"Config\": {\"Env\": "
		   "[\"KEY=hunter2\"], \"ExposedPorts\": {\"80/tcp\": {}}}}");
	return f;
}

/* A list of dummies hides what stands behind them: that it was cut is said. */
static void test_long_lists(void **state)
{
	static const size_t lengths[] = {1024, 1025};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct fake *f = engine();
		CLEANUP_BUF struct buf body = BUF_INIT;
		const json_t *gaps;
		json_t *posture;

		buf_str(&body, "{\"Id\": \"c1\", \"HostConfig\": {\"SecurityOpt\": [\"label=a\"");
		for (size_t n = 1; n < lengths[i]; n++)
			buf_str(&body, ", \"label=a\"");
		buf_str(&body, "]}}");
		fake_answer(f, "/containers/c1/json", "200 OK", buf_text(&body));
		posture = posture_of(f);
		gaps = json_object_get(posture, "gaps");
		assert_int_equal(json_array_size(gaps), i);
		if (i)
			assert_string_equal(text(json_array_get(gaps, 0), "why"),
					    "GET /containers/c1/json: of HostConfig/SecurityOpt "
					    "only the first 1024 are looked at");
		json_decref(posture);
		fake_free(f);
	}
}

/* What is known is taken over in its own type, and nothing else. */
static void test_what_is_taken(void **state)
{
	struct fake *f = engine();
	json_t *posture = posture_of(f);
	const json_t *c = part(posture, "containers", 0), *image = part(posture, "images", 0);
	CLEANUP_FREE char *all = json_dumps(posture, 0);

	(void)state;
	assert_null(strstr(all, "hunter2"));
	assert_string_equal(text(c, "name"), "/web");
	assert_int_equal(json_integer_value(json_object_get(c, "restart_count")), 3);
	assert_true(json_is_true(json_object_get(c, "privileged")));
	assert_null(json_object_get(c, "user"));    /* of another type */
	assert_null(json_object_get(c, "cap_add")); /* null */
	assert_int_equal(json_array_size(json_object_get(c, "env")), 1);
	assert_string_equal(json_string_value(part(c, "env", 0)), "SECRET");
	assert_string_equal(text(part(c, "mounts", 0), "source"), "/srv");
	assert_string_equal(text(part(c, "devices", 0), "host"), "/dev/net/tun");
	assert_string_equal(text(c, "log_max_size"), "1m");
	assert_string_equal(json_string_value(part(image, "env", 0)), "KEY");
	assert_string_equal(json_string_value(part(image, "exposed", 0)), "80/tcp");
	assert_true(json_is_null(json_object_get(posture, "swarm")));
	assert_int_equal(fake_asked(f, "/swarm"), 0);
	assert_int_equal(json_array_size(json_object_get(posture, "gaps")), 0);
	json_decref(posture);
	fake_free(f);
}

/* A container that is being started does not answer: that is said, and the rest is there. */
static void test_gaps(void **state)
{
	struct fake *f = engine();
	json_t *posture;

	(void)state;
	fake_container(f, "c2", "{\"Id\": \"c2\", \"ImageID\": \"sha256:2\"}");
	fake_answer(f, "/containers/c2/json", FAKE_HANG);
	fake_answer(f, "/images/sha256:2/json", "404 Not Found", "{}");
	posture = posture_of(f);
	assert_int_equal(json_array_size(json_object_get(posture, "containers")), 1);
	assert_int_equal(json_array_size(json_object_get(posture, "images")), 1);
	assert_int_equal(json_array_size(json_object_get(posture, "gaps")), 1);
	assert_string_equal(text(part(posture, "gaps", 0), "part"), "containers");
	assert_non_null(strstr(text(part(posture, "gaps", 0), "why"), "GET /containers/c2/json: "));
	json_decref(posture);
	fake_answer(f, "/containers/json", FAKE_500);
	posture = posture_of(f);
	assert_true(json_is_null(json_object_get(posture, "containers")));
	assert_int_equal(json_array_size(json_object_get(posture, "gaps")), 1);
	json_decref(posture);
	fake_free(f);
}

static void test_swarm(void **state)
{
	struct fake *f = engine();
	json_t *posture, *swarm;

	(void)state;
	fake_answer(
		f, "/info", "200 OK",
		"{\"ID\": \"X\", \"Swarm\": {\"ControlAvailable\": true, \"Error\": \"none leads\"}}");
	fake_answer(f, "/swarm", "200 OK",
		    "{\"ID\": \"s\", \"JoinTokens\": {\"Worker\": \"hunter2\"}, \"Spec\": "
		    "{\"EncryptionConfig\": {\"AutoLockManagers\": false}}, \"TLSInfo\": "
		    "{\"TrustRoot\": \"no certificate\"}}");
	fake_answer(f, "/nodes", "200 OK",
		    "[{\"ID\": \"n\", \"Spec\": {\"Role\": \"manager\"}, \"ManagerStatus\": "
		    "{\"Reachability\": \"reachable\"}}]");
	posture = posture_of(f);
	swarm = json_object_get(posture, "swarm");
	assert_string_equal(text(json_object_get(posture, "engine"), "swarm_error"), "none leads");
	assert_true(json_is_false(json_object_get(swarm, "autolock")));
	assert_null(json_object_get(swarm, "root_expires"));
	assert_string_equal(text(part(swarm, "nodes", 0), "reachability"), "reachable");
	json_decref(posture);
	fake_free(f);
}

/* Long texts and lists are cut, between characters. */
static void test_bounds(void **state)
{
	struct fake *f = engine();
	CLEANUP_BUF struct buf body = BUF_INIT;
	json_t *posture;
	const json_t *c;

	(void)state;
	buf_str(&body, "{\"Id\": \"c1\", \"Name\": \"x");
	for (int i = 0; i < 2000; i++)
		buf_str(&body, "\xc3\xa4");
	buf_str(&body, "\", \"Mounts\": [{}");
	for (int i = 0; i < 2000; i++)
		buf_str(&body, ", {}");
	buf_str(&body, "]}");
	fake_answer(f, "/containers/c1/json", "200 OK", buf_text(&body));
	posture = posture_of(f);
	c = part(posture, "containers", 0);
	assert_int_equal(strlen(text(c, "name")), 1023);
	assert_int_equal(json_array_size(json_object_get(c, "mounts")), 1024);
	json_decref(posture);
	fake_free(f);
}

static void test_not_there(void **state)
{
	struct docker_options o = {.url = "unix:///nonexistent/docker.sock"};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *posture = NULL;

	(void)state;
	assert_int_equal(docker_posture(&o, &posture, &err), -ENOENT);
	assert_null(posture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_taken), cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_gaps),	      cmocka_unit_test(test_swarm),
		cmocka_unit_test(test_bounds),	      cmocka_unit_test(test_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
