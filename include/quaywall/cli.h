/*
 * cli: the verbs, their arguments and what they print.
 *
 * Results go to standard output, everything else to standard error. With --json the output is one
 * JSON document. Colours are used on a terminal only, and not where NO_COLOR is set.
 */
#pragma once

/* Runs the verb that ARGV names. Returns the program's exit code (enum reconcile_exit). */
int cli_main(int argc, char **argv);
