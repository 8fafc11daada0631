#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define FORMS "none, syslog, journal, or a file with its folder, as /var/log/quaywall/flows.json"

/* Where the service managers and collectors of Debian listen. A socket elsewhere is named behind a colon. */
static const struct collector {
	const char *word;
	enum output_to to;
	const char *path;
} collectors[] = {
	{"syslog", OUTPUT_SYSLOG, "/dev/log"},
	{"journal", OUTPUT_JOURNAL, "/run/systemd/journal/socket"},
};

static void set_output(struct settings *s, enum output_to to, char *path)
{
	free(s->output_path);
	s->output_path = path;
	s->output_to = to;
}

/* "syslog", "syslog:/PATH" */
static bool take_collector(struct settings *s, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(collectors); i++) {
		const struct collector *c = &collectors[i];
		size_t len = strlen(c->word);

		if (strncmp(text, c->word, len) || (text[len] && strncmp(text + len, ":/", 2)))
			continue;
		set_output(s, c->to, mem_strdup(text[len] ? text + len + 1 : c->path));
		return true;
	}
	return false;
}

/* A word without a folder is more likely a collector's name with a mistake than a file beside the settings. */
static bool is_file(const char *text)
{
	const char *slash = strrchr(text, '/');

	return slash && slash[1];
}

static void read_to(struct policy_problems *p, const struct node *n, struct settings *s)
{
	char *text CLEANUP_FREE = NULL;
	char word[CLIP_SIZE];

	if (!keys_is_text(p, n, "to", FORMS))
		return;
	text = scalar_words(p, n, "to", 4096);
	if (!text)
		return;
	if (strcmp(text, "none") == 0)
		set_output(s, OUTPUT_NONE, NULL);
	else if (take_collector(s, text))
		return;
	else if (is_file(text))
		set_output(s, OUTPUT_FILE, path_of(text, s->file));
	else
		problem_error(p, &n->where, "\"to\" is \"%s\" (expected " FORMS ")",
			      clip(text, word));
}

void output_read(struct policy_problems *p, const struct node *log, struct settings *s)
{
	static const struct choice whats[] = {{"refused", OUTPUT_REFUSED},
					      {"logged", OUTPUT_LOGGED},
					      {"all", OUTPUT_ALL},
					      {NULL, 0}};
	const struct node *to = keys_get(log, "to"), *what = keys_get(log, "what");
	int value;

	if (to)
		read_to(p, to, s);
	if (what && scalar_choice(p, what, "what", whats, &value))
		s->output_what = (enum output_what)value;
}
