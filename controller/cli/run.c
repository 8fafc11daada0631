#include "verbs.h"

#include "quaywall/log.h"

int verb_run(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct reconcile_options options = arguments_options(a);
	int code;

	if (a->debug)
		log_set_level(LOG_LEVEL_DEBUG);
	code = a->once ? (int)reconcile_once(&options, &err) : (int)reconcile_run(&options, &err);
	return code ? verb_fail(code, &err) : code;
}
