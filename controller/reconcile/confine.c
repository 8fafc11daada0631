/* What the daemon gives up once everything is open, and how it tells what it could not. */
#include "daemon.h"

#include <libgen.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"

/* The settings that were confirmed last: what comes in force again when a trial is over. */
static struct settings *known_settings(const struct daemon *d)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};

	return d->trial.known ? settings_of_file(&d->trial.known->settings, &p) : NULL;
}

/* The folder of the control socket, which is the daemon's own and loses the socket at the end, and that of
 * policies on trial; and to be added to, that of the lines for a log collector. */
void daemon_confine(struct daemon *d)
{
	CLEANUP_FREE char *path = mem_strdup(d->control.path);
	CLEANUP_SETTINGS struct settings *now = world_places(d->options),
					 *known = known_settings(d);
	CLEANUP_FREE char *output = daemon_outlet_folder(now),
			  *before = daemon_outlet_folder(known);
	const char *writable[] = {dirname(path), d->state_folder, NULL};
	const char *appended[] = {output ? output : before, output ? before : NULL, NULL};

	sandbox_enter_for_good(writable, appended, &d->sandbox);
	for (int i = 0; i < SANDBOX_PARTS; i++)
		if (d->sandbox.missing[i])
			log_line(LOG_LEVEL_WARNING, "less confined than it should be", "part",
				 sandbox_part_name(i), "cause", d->sandbox.missing[i], NULL);
}

json_t *daemon_sandbox_json(const struct daemon *d)
{
	json_t *parts = json_object(), *missing = json_array();

	for (int i = 0; i < SANDBOX_PARTS; i++) {
		const char *name = sandbox_part_name(i), *why = d->sandbox.missing[i];

		json_object_set_new(parts, name, json_boolean(!why));
		if (why)
			json_array_append_new(missing, json_pack("{s:s, s:o}", "part", name, "why",
								 reconcile_json_text(why)));
	}
	json_object_set_new(parts, "missing", missing);
	return parts;
}
