#include "arguments.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "duration.h"

#define AT(field) offsetof(struct arguments, field)

static const struct option {
	const char *name;   /* with its dashes */
	const char *letter; /* "-v", or NULL */
	const char *value;  /* what the help calls its value; NULL: a switch */
	size_t at;	    /* where it goes: a const char * with a value, else a bool */
	unsigned verbs;	    /* that take it */
	const char *help;
} options[] = {
	{"--config", NULL, "FILE", AT(config), VERB_ANY,
	 "settings (default " RECONCILE_CONFIG ", which may be absent)"},
	{"--policies", NULL, "DIR", AT(policies), VERB_ANY, "the folder of policies"},
	{"--docker", NULL, "URL", AT(docker), VERB_ANY,
	 "the engine: unix:///PATH or tcp://HOST:PORT"},
	{"--control", NULL, "PATH", AT(control), VERB_ANY, "the daemon's control socket"},
	{"--json", NULL, NULL, AT(json), VERB_ANY, "print one JSON document"},
	{"--help", "-h", NULL, AT(help), VERB_ANY, "print this"},
	{"--snapshot", NULL, "FILE", AT(snapshot),
	 VERB_RUN | VERB_VALIDATE | VERB_PLAN | VERB_EXPLAIN | VERB_GRAPH | VERB_CHECK,
	 "a recorded snapshot takes the engine's place"},
	{"--once", NULL, NULL, AT(once), VERB_RUN, "apply and leave"},
	{"--confirm", NULL, "TIME", AT(confirm), VERB_RUN | VERB_RELOAD,
	 "return to the policies before, unless 'quaywall confirm' comes within TIME (120s, 2m, 1h30m)"},
	{"--debug", NULL, NULL, AT(debug), VERB_RUN,
	 "log every transaction, and findings of severity info"},
	{"--verbose", "-v", NULL, AT(verbose), VERB_VALIDATE | VERB_CHECK,
	 "validate: print the policies as they are understood; check: evidence and reasons"},
	{"--output", "-o", "FILE", AT(output), VERB_SNAPSHOT | VERB_LEARN | VERB_CHECK,
	 "write to FILE (mode 0600) instead of standard output"},
	{"--format", NULL, "FORMAT", AT(format), VERB_GRAPH | VERB_CHECK,
	 "text (the default) or json; graph: dot, svg, html; check: sarif, junit"},
	{"--list", NULL, NULL, AT(list), VERB_CHECK, "print which checks there are, and leave"},
	{"--only", NULL, "CHECKS", AT(only), VERB_CHECK, "only these: ids and groups, by commas"},
	{"--skip", NULL, "CHECKS", AT(skip), VERB_CHECK, "all but these"},
	{"--fail-on", NULL, "SEVERITY", AT(fail_on), VERB_CHECK,
	 "the least for exit code 1: info, low, medium (the default), high, critical, or never"},
	{"--traffic", NULL, "FILE", AT(traffic), VERB_GRAPH,
	 "what was seen, as 'quaywall learn --json' wrote it, instead of what the daemon knows"},
	{"--last", "-n", "N", AT(last), VERB_WATCH, "print the last N that were seen, and leave"},
	{"--follow", "-f", NULL, AT(follow), VERB_WATCH, "with --last: stay"},
	{"--all", "-a", NULL, AT(all), VERB_WATCH, "flows that pass, too, as they begin and end"},
	{"--refused", NULL, NULL, AT(refused), VERB_WATCH | VERB_LEARN,
	 "only what did not pass; learn: allow that, too, and what nobody answered"},
	{"--from", NULL, "END", AT(from), VERB_GRAPH | VERB_WATCH,
	 "only from: PROJECT/SERVICE or container (globs), host, world; watch: address, CIDR"},
	{"--to", NULL, "END", AT(to), VERB_GRAPH | VERB_WATCH, "only to"},
	{"--port", NULL, "PORT[/PROTO]", AT(port), VERB_WATCH,
	 "only to this port, the container's or the published one"},
	{"--policy", NULL, "NAME", AT(policy), VERB_WATCH, "only what this policy decided"},
	{"--for", NULL, "TIME", AT(time), VERB_LEARN,
	 "follow everything that passes for so long (10m, 8h), and then write the policy"},
	{"--project", NULL, "NAME", AT(project), VERB_LEARN, "only this project's policy"},
	{"--reset", NULL, NULL, AT(reset), VERB_LEARN,
	 "forget what was learned; with --for, before"},
};

struct parse {
	struct arguments *a;
	struct error *err;
	size_t cap;	       /* of operands */
	const char *given[48]; /* per option: how it was written, for the message */
};

static_assert(ARRAY_SIZE(options) <= 48, "struct parse has too little room");

/* The option that TEXT ("--config=FILE" too) names, or NULL. */
static const struct option *find_option(const char *text)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];

		if (strlen(o->name) == len && !strncmp(text, o->name, len))
			return o;
		if (o->letter && !strcmp(text, o->letter))
			return o;
	}
	return NULL;
}

static int set_option(struct parse *p, const struct option *o, const char *value)
{
	size_t i = (size_t)(o - options);
	char *field = (char *)p->a + o->at;

	if (p->given[i] && o->value)
		return error_set(p->err, -EINVAL, "option '%s' is given twice", o->name);
	p->given[i] = o->name;
	if (!o->value) {
		*(bool *)(void *)field = true;
		return 0;
	}
	if (!value)
		return error_set(p->err, -EINVAL, "option '%s' needs a value (%s)", o->name,
				 o->value);
	if (!*value)
		return error_set(p->err, -EINVAL, "option '%s' has an empty value (expected %s)",
				 o->name, o->value);
	*(const char **)(void *)field = value;
	return 0;
}

/* The option ARGV[*I], with its value, which may be the next one. */
static int take_option(struct parse *p, char **argv, int *i)
{
	const char *text = argv[*i];
	const struct option *o = find_option(text);
	const char *value = text[1] == '-' ? strchr(text, '=') : NULL;

	if (!o)
		return error_set(p->err, -EINVAL, "unknown option '%.*s' (try 'quaywall --help')",
				 (int)strcspn(text, "="), text);
	if (value && !o->value)
		return error_set(p->err, -EINVAL, "option '%s' takes no value", o->name);
	if (value)
		return set_option(p, o, value + 1);
	if (o->value && argv[*i + 1])
		return set_option(p, o, argv[++*i]);
	return set_option(p, o, NULL);
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

static int take_word(struct parse *p, const char *word)
{
	if (p->a->verb) {
		p->a->operands = mem_grow(p->a->operands, &p->cap, p->a->noperands + 1,
					  sizeof(*p->a->operands));
		p->a->operands[p->a->noperands++] = word;
		return 0;
	}
	p->a->verb = find_verb(word);
	if (!p->a->verb)
		return error_set(p->err, -EINVAL, "unknown verb '%s' (try 'quaywall --help')",
				 word);
	return 0;
}

static int check_confirm(const struct parse *p)
{
	const char *text = p->a->confirm;

	if (!text)
		return 0;
	if (duration_parse(text, RECONCILE_CONFIRM_MAX, &p->a->confirm_s) < 0)
		return error_set(p->err, -EINVAL,
				 "option '--confirm': '%s' is no time (expected 120s, 2m, 1h30m or "
				 "the like, at most 168h)",
				 text);
	if (p->a->once)
		return error_set(p->err, -EINVAL,
				 "'--once' leaves nobody who could return: not with '--confirm'");
	return 0;
}

static int check_time(const struct parse *p)
{
	const char *text = p->a->time;

	if (text && duration_parse(text, RECONCILE_LEARN_MAX, &p->a->time_s) < 0)
		return error_set(p->err, -EINVAL,
				 "option '--for': '%s' is no time (expected 90s, 10m, 8h or the "
				 "like, at most 720h)",
				 text);
	return 0;
}

static int check_last(const struct parse *p)
{
	const char *text = p->a->last;
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return 0;
	if (len > 6 || strspn(text, "0123456789") != len || !strtoul(text, NULL, 10))
		return error_set(p->err, -EINVAL,
				 "option '--last': '%s' is no number (expected 1 to 999999)", text);
	p->a->last_n = (unsigned)strtoul(text, NULL, 10);
	return 0;
}

static int check_options(const struct parse *p)
{
	const struct verb *v = p->a->verb;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (p->given[i] && !(options[i].verbs & v->bit))
			return error_set(p->err, -EINVAL, "'%s' does not take option '%s'", v->name,
					 options[i].name);
	if (v->bit == VERB_RUN && p->a->json)
		return error_set(p->err, -EINVAL, "'run' does not take option '--json'");
	if (p->a->follow && !p->a->last)
		return error_set(p->err, -EINVAL,
				 "'--follow' goes with '--last': 'watch' alone stays");
	if (p->a->all && p->a->refused)
		return error_set(p->err, -EINVAL, "'--all' is the opposite of '--refused'");
	if (check_confirm(p) < 0 || check_time(p) < 0)
		return -EINVAL;
	return check_last(p);
}

static int check_operands(const struct parse *p)
{
	const struct verb *v = p->a->verb;
	size_t n = p->a->noperands;

	if (n < v->least)
		return error_set(p->err, -EINVAL, "'%s' needs %s", v->name, v->operands);
	if (n > v->most && !v->most)
		return error_set(p->err, -EINVAL, "'%s' takes no argument, '%s' is one too many",
				 v->name, p->a->operands[0]);
	if (n > v->most)
		return error_set(p->err, -EINVAL, "'%s' takes %s, '%s' is one too many", v->name,
				 v->operands, p->a->operands[v->most]);
	return 0;
}

int arguments_parse(int argc, char **argv, struct arguments *ret, struct error *err)
{
	struct parse p = {.a = ret, .err = err};
	bool words_only = false; /* behind "--" */
	int r = 0;

	*ret = (struct arguments) {.verb = NULL};
	for (int i = 1; i < argc && r == 0; i++) {
		if (!words_only && !strcmp(argv[i], "--"))
			words_only = true;
		else if (!words_only && argv[i][0] == '-' && argv[i][1])
			r = take_option(&p, argv, &i);
		else
			r = take_word(&p, argv[i]);
	}
	if (r < 0 || ret->help)
		return r;
	if (!ret->verb)
		return error_set(err, -EINVAL, "no verb is given (try 'quaywall --help')");
	r = check_options(&p);
	return r < 0 ? r : check_operands(&p);
}

void arguments_done(struct arguments *a)
{
	free(a->operands);
	*a = (struct arguments) {.verb = NULL};
}

void arguments_print_options(const struct verb *verb, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		CLEANUP_FREE char *left =
			mem_printf("%s%s%s%s%s", o->letter ? o->letter : "", o->letter ? ", " : "",
				   o->name, o->value ? " " : "", o->value ? o->value : "");

		if (verb ? !(o->verbs & verb->bit) : o->verbs != VERB_ANY)
			continue;
		buf_printf(out, "  %-20s %s\n", left, o->help);
	}
}

struct reconcile_options arguments_options(const struct arguments *a)
{
	return (struct reconcile_options) {
		.config = a->config,
		.policies = a->policies,
		.docker = a->docker,
		.control = a->control,
		.snapshot = a->snapshot,
		.confirm = a->confirm_s,
	};
}
