/*
 * The verbs that ask the daemon to change something.
 */
#include "verbs.h"

#include <stdio.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/nft.h"
#include "call.h"
#include "output.h"
#include "session.h"

static void print_trial(const json_t *trial)
{
	bool nothing = strcmp(output_text(trial, "before"), "nothing") == 0;

	if (strcmp(output_text(trial, "state"), "pending") != 0)
		return;
	printf("on trial until %s (%s s): then %s, unless 'quaywall confirm' comes before\n",
	       output_text(trial, "until"), output_text(trial, "seconds_left"),
	       nothing ? "nothing is enforced" : "the policies before return");
	if (!json_is_true(json_object_get(trial, "changed")))
		puts("note: the files were in force already; only what changes from now on returns");
}

static void print_reload(const json_t *answer, int code)
{
	fputs(output_text(answer, "problems"), stderr);
	session_print(json_object_get(answer, "warnings"));
	if (code != QUAYWALL_FINE) {
		fputs("quaywall: the files have errors, the set in force stays\n", stderr);
		return;
	}
	printf("%s polic%s in force\n", output_text(answer, "documents"),
	       json_integer_value(json_object_get(answer, "documents")) == 1 ? "y" : "ies");
	print_trial(json_object_get(answer, "confirm"));
}

int verb_reload(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_FREE char *session = session_connection();
	CLEANUP_JSON json_t *request =
		json_pack("{s:s, s:s?}", "verb", "reload", "session", session);
	CLEANUP_JSON json_t *answer = NULL;
	int code;

	if (a->confirm_s)
		json_object_set_new(request, "confirm", json_integer(a->confirm_s));
	code = call_daemon(a, request, &answer, NULL, &err);
	if (!answer)
		return verb_fail(code, &err);
	if (a->json)
		output_json(answer);
	else
		print_reload(answer, code);
	return code;
}

int verb_confirm(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *request = json_pack("{s:s}", "verb", "confirm");
	CLEANUP_JSON json_t *answer = NULL;
	int code = call_daemon(a, request, &answer, NULL, &err);

	if (!answer)
		return verb_fail(code, &err);
	if (a->json) {
		output_json(answer);
		return code;
	}
	printf("confirmed: %s polic%s in force\n", output_text(answer, "documents"),
	       json_integer_value(json_object_get(answer, "documents")) == 1 ? "y" : "ies");
	if (*output_text(answer, "error"))
		fprintf(stderr, "quaywall: a later 'run --confirm' will not know them: %s\n",
			output_text(answer, "error"));
	return code;
}

/* Without a daemon the tables are nobody's, or another program's: the kernel says which. */
static int flush_kernel(struct error *err)
{
	CLEANUP_NFT struct nft *n = NULL;
	int r = nft_open(-1, &n, err);

	if (r == 0)
		r = nft_delete_tables(n, QUAYWALL_TABLE, err);
	return r;
}

int verb_flush(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *request = json_pack("{s:s}", "verb", "flush");
	CLEANUP_JSON json_t *answer = NULL;
	bool away = false;
	int code = call_daemon(a, request, &answer, &away, &err);

	if (away) {
		error_done(&err);
		if (flush_kernel(&err) < 0)
			return verb_fail(QUAYWALL_UNREACHABLE, &err);
		answer = json_pack("{s:b}", "flushed", 1);
		code = QUAYWALL_FINE;
	}
	if (!answer)
		return verb_fail(code, &err);
	if (a->json)
		output_json(answer);
	else if (away)
		puts("flushed");
	else
		puts("flushed; the daemon enforces nothing until 'quaywall reload'");
	return code;
}
