/*
 * logging: whether what containers say is kept, and whether it can fill the disk. The engine puts its own options into each
 * container when that is made, so the container's are what counts; that the engine has none is told once.
 */
#include "internal.h"

#include <string.h>

#include "quaywall/mem.h"

#define SOURCE "Docker: Configure logging drivers"
#define ROTATE "\"log-opts\": {\"max-size\": \"10m\", \"max-file\": \"3\"}"

static const struct check checks[] = {
	{"logging-none", "logging", CHECK_LOW, "nothing keeps what a container says",
	 "After an incident nobody can see what it did.", SOURCE},
	{"logging-unbounded", "logging", CHECK_LOW, "a container's log grows without end",
	 "Who makes it talk fills the host's disk, and then nothing works.", SOURCE},
};

enum rotation { ROTATES, GROWS, UNKNOWN };

struct look {
	const struct check_input *in;
	struct check_report *report;
	const char *driver;	 /* the engine's; "": not known */
	enum rotation json_file; /* what it makes of that driver by default */
	size_t unknown;
};

static bool is_set(const json_t *size)
{
	const char *text = json_string_value(size);

	return text && *text && strcmp(text, "-1") != 0;
}

static void look_at_engine(struct look *l)
{
	bool read;
	const json_t *size = posture_engine_option(l->in->posture, "log-max-size", &read);

	l->driver = posture_text(posture_get(l->in->posture, "engine", NULL), "logging_driver");
	l->json_file = UNKNOWN;
	if (read)
		l->json_file = is_set(size) ? ROTATES : GROWS;
	if (!strcmp(l->driver, "none"))
		check_report_add(l->report, "logging-none", CHECK_MEDIUM, "host",
				 "LoggingDriver of /info is none: that of every container that "
				 "does not ask for another",
				 "set \"log-driver\": \"local\" in the engine's daemon.json");
	if (strcmp(l->driver, "json-file") != 0)
		return;
	if (l->json_file == GROWS)
		check_report_add(l->report, "logging-unbounded", CHECK_LOW, "host",
				 "LoggingDriver of /info is json-file, and the engine's options "
				 "have no max-size",
				 "set \"log-driver\": \"local\", which rotates, or " ROTATE
				 " in the engine's daemon.json, and make the containers anew");
	if (l->json_file == UNKNOWN)
		check_report_gap(l->report, "logging",
				 "whether json-file, the engine's default, rotates: the engine's "
				 "options were not read");
}

static void look_at_driver(struct look *l, const json_t *container, const char *driver)
{
	bool is_default = !strcmp(driver, l->driver);

	if (!strcmp(driver, "none") && !is_default)
		report_take(l->report, "logging-none", posture_title(l->in, container),
			    mem_strdup("HostConfig.LogConfig.Type is none"),
			    mem_strdup("start it without --log-driver none"));
	if (strcmp(driver, "json-file") != 0 ||
	    is_set(json_object_get(container, "log_max_size")) ||
	    (is_default && l->json_file == GROWS))
		return;
	report_take(l->report, "logging-unbounded", posture_title(l->in, container),
		    mem_printf("HostConfig.LogConfig has json-file without max-size%s",
			       is_default && l->json_file == ROTATES
				       ? ": it was made before the engine had one"
				       : ""),
		    mem_strdup("make it anew, with --log-opt max-size=10m --log-opt max-file=3 or "
			       "--log-driver local"));
}

static void look_at(struct look *l, const json_t *container)
{
	const char *driver = posture_text(container, "log_driver");

	if (*driver)
		look_at_driver(l, container, driver);
	else
		l->unknown++;
}

static void run(const struct check_input *in, struct check_report *ret)
{
	struct look l = {.in = in, .report = ret};
	const json_t *c;
	size_t at = 0;

	if (!posture_has(in->posture, "containers", "logging", ret))
		return;
	look_at_engine(&l);
	while ((c = posture_next_container(in->posture, &at)))
		look_at(&l, c);
	if (l.unknown || !*l.driver)
		check_report_gap(ret, "logging",
				 "the log driver of the engine or of some container is not in the "
				 "posture");
}

const struct check_group logging_group = {"logging", checks, ARRAY_SIZE(checks), run};
