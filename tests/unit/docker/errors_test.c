/* Runs tests/errors/engine.txt: wrong documents, each with the exact message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/docker.h"
#include "quaywall/mem.h"

#include "../../../controller/docker/documents.h"
#include "../../../controller/docker/events.h"
#include "../../../controller/docker/version.h"

/* Each reads TEXT, drops what comes out and returns what the reader returned. */

static int try_version(const char *text, size_t len, bool libpod, struct error *err)
{
	struct version v = {0};
	int r = version_read(text, len, libpod, &v, err);

	version_done(&v);
	return r;
}

static int try_info(const char *text, size_t len, struct error *err)
{
	CLEANUP_FREE char *id = NULL;

	return version_read_info(text, len, &id, err);
}

static int try_network_ids(const char *text, size_t len, struct error *err)
{
	char **ids = NULL;
	size_t n = 0;
	int r = documents_network_ids("GET /networks", text, len, &ids, &n, err);

	documents_free_ids(ids, n);
	return r;
}

static int try_image(const char *text, size_t len, struct error *err)
{
	struct model_label *labels = NULL;
	size_t n;

	return documents_image("GET /images/abc/json", "abc", text, len, &labels, &n, err);
}

static int try_event(const char *text, size_t len, struct error *err)
{
	struct event e = {0};
	int r = event_read(text, len, &e, err);

	event_done(&e);
	return r;
}

static int try_document(const char *kind, const char *text, struct error *err)
{
	CLEANUP_MODEL struct model *m = NULL;
	size_t len = strlen(text);

	if (!strcmp(kind, "version") || !strcmp(kind, "podman"))
		return try_version(text, len, *kind == 'p', err);
	if (!strcmp(kind, "info"))
		return try_info(text, len, err);
	if (!strcmp(kind, "containers"))
		return documents_containers("GET /containers/json", text, len, &m, err);
	if (!strcmp(kind, "networks"))
		return try_network_ids(text, len, err);
	if (!strcmp(kind, "network"))
		return documents_network("GET /networks/abc", text, len, &m, err);
	if (!strcmp(kind, "image"))
		return try_image(text, len, err);
	if (!strcmp(kind, "event"))
		return try_event(text, len, err);
	if (!strcmp(kind, "snapshot"))
		return docker_snapshot_read(text, len, &m, err);
	fail_msg("unknown kind \"%s\"", kind);
	return 0;
}

static bool holds(const char *kind, const char *text, const char *message, unsigned line)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = try_document(kind, text, &err);

	if (r < 0 && !strcmp(error_text(&err), message))
		return true;
	print_error("engine.txt:%u: %s\n    wanted %s\n", line,
		    r < 0 ? error_text(&err) : "no error", message);
	return false;
}

/* Splits "KIND DOCUMENT" at the space. */
static char *split(char *line)
{
	char *space = strchr(line, ' ');

	if (!space)
		return line + strlen(line);
	*space = '\0';
	return space + 1;
}

static void test_table(void **state)
{
	CLEANUP_FREE char *path =
		mem_printf("%s/tests/errors/engine.txt", getenv("QUAYWALL_SOURCE"));
	CLEANUP_FILE FILE *f = fopen(path, "re");
	unsigned number = 0, cases = 0, failed = 0;
	char line[4096], document[4096] = "";

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '=') {
			char *text = split(document);

			cases++;
			failed += !holds(document, text, line + 2, number);
		} else if (line[0] && line[0] != '#') {
			snprintf(document, sizeof(document), "%s", line);
		}
	}
	assert_int_equal(failed, 0);
	assert_true(cases >= 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
