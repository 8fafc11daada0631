/* The daemon's output for log collectors: which lines, where to, and how that goes. */
#include "daemon.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"

static bool is_same(const struct outlet *o, const struct settings *s)
{
	return o->to == s->output_to && (!o->path || !strcmp(o->path, s->output_path));
}

static void close_output(struct outlet *o)
{
	output_close(o->output);
	o->output = NULL;
	daemon_note(&o->path, NULL);
	daemon_note(&o->error, NULL);
	o->to = OUTPUT_NONE;
}

/* In the output's thread. */
static void tell_trouble(const char *why)
{
	log_line(LOG_LEVEL_WARNING, "lines for the log collector are lost", "cause", why, NULL);
}

static void open_output(struct outlet *o, const struct settings *s)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	o->to = s->output_to;
	o->path = mem_strdup(s->output_path);
	if (o->to == OUTPUT_NONE ||
	    output_open(o->to, o->path, tell_trouble, &o->output, &err) == 0)
		return;
	o->error = mem_strdup(error_text(&err));
	tell_trouble(o->error);
}

void daemon_outlet_follow(struct daemon *d)
{
	const struct settings *s = d->world.settings;
	struct outlet *o = &d->outlet;

	if (!s || (is_same(o, s) && !o->error))
		return;
	close_output(o);
	open_output(o, s);
}

void daemon_outlet_reopen(struct daemon *d)
{
	if (d->outlet.output)
		output_reopen(d->outlet.output);
}

void daemon_outlet_done(struct daemon *d)
{
	close_output(&d->outlet);
}

bool daemon_outlet_wants_flows(const struct daemon *d)
{
	return d->outlet.output && d->world.settings->output_what == OUTPUT_ALL;
}

void daemon_outlet_tell(struct daemon *d, enum output_what kind, const json_t *record,
			const char *line)
{
	struct outlet *o = &d->outlet;
	CLEANUP_BUF struct buf formed = BUF_INIT;
	struct utsname names;

	if (kind == OUTPUT_LOGGED && json_is_false(json_object_get(record, "passed")))
		kind = OUTPUT_REFUSED;
	if (!o->output || kind > d->world.settings->output_what)
		return;
	output_form(o->to, record, line, uname(&names) == 0 ? names.nodename : "", &formed);
	output_add(o->output, buf_text(&formed), formed.len);
}

char *daemon_outlet_folder(const struct settings *s)
{
	CLEANUP_FREE char *path = NULL;

	if (!s || s->output_to != OUTPUT_FILE)
		return NULL;
	path = mem_strdup(s->output_path);
	return mem_strdup(dirname(path));
}

json_t *daemon_outlet_json(const struct daemon *d)
{
	static const char *const kinds[] = {[OUTPUT_NONE] = "none",
					    [OUTPUT_FILE] = "file",
					    [OUTPUT_SYSLOG] = "syslog",
					    [OUTPUT_JOURNAL] = "journal"};
	static const char *const whats[] = {
		[OUTPUT_REFUSED] = "refused", [OUTPUT_LOGGED] = "logged", [OUTPUT_ALL] = "all"};
	const struct outlet *o = &d->outlet;
	const struct settings *s = d->world.settings;
	struct output_state state = {0};
	json_t *j;

	if (o->output)
		output_state(o->output, &state);
	j = json_pack("{s:s, s:o, s:s, s:I, s:I, s:o}", "to", kinds[o->to], "path",
		      reconcile_json_text(o->path), "what",
		      whats[s ? s->output_what : OUTPUT_LOGGED], "lines", (json_int_t)state.lines,
		      "lost", (json_int_t)state.lost, "error",
		      reconcile_json_text(state.error ? state.error : o->error));
	free(state.error);
	return j;
}
