#include "quaywall/cli.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "verbs.h"

const struct verb verbs[] = {
	{"run", VERB_RUN, 0, 0, "", "enforce the policies, until told to stop",
	 "The rules stay when it stops; 'quaywall flush' removes them.\n"
	 "SIGHUP reads settings and policies anew, as a change of the files does by itself.\n"
	 "With --confirm, the policies that the last run confirmed return, or nothing if there are\n"
	 "none, unless 'quaywall confirm' comes in time.\n",
	 verb_run},
	{"validate", VERB_VALIDATE, 0, SIZE_MAX, "[FILE...]",
	 "check policies and run their expectations",
	 "The world for the expectations is the snapshot, else the engine, else invented.\n"
	 "Exit code 1: an expectation fails; 2: the files have errors.\n"
	 "JSON: valid, world, world_note, policies, expectations{held, failed}, problems[{file,\n"
	 "line, column, severity, text}], warnings[], canonical (with -v).\n",
	 verb_validate},
	{"plan", VERB_PLAN, 0, 0, "", "show what 'run' would change in the kernel",
	 "Warns where an SSH session to or through a container would end: this one, and what else\n"
	 "conntrack knows of.\n"
	 "Exit code 1: something would change.\n"
	 "JSON: changes, diff (text), warnings[].\n",
	 verb_plan},
	{"status", VERB_STATUS, 0, 0, "", "show what the daemon enforces, and what it cannot",
	 "Exit code 1: what is in force is not what files and engine say.\n"
	 "JSON: version, state, pid, started, engine{}, policies{}, confirm{}, kernel{},\n"
	 "bridge_filter{}, log{}, flows{}, learned{}, sandbox{}, networks[], identities[],\n"
	 "endpoints[], not_governed[{kind, what, why}].\n",
	 verb_status},
	{"explain", VERB_EXPLAIN, 2, 3, "FROM TO [PORT[/PROTO]]",
	 "say whether a flow is allowed, and by which rule",
	 "FROM and TO: a container's name or the beginning of its id, PROJECT/SERVICE, an address,\n"
	 "or host. TO may also be publish:PORT[/PROTO], a published port.\n"
	 "Asks the daemon; with --snapshot or --policies it answers by itself.\n"
	 "Exit code 1: a flow is refused.\n"
	 "JSON: verdict (allow, deny, mixed), flows[{from{}, to{}, ports, published, verdict,\n"
	 "decided_by, egress{}, ingress{}, path{}}].\n",
	 verb_explain},
	{"graph", VERB_GRAPH, 0, 0, "", "show who may reach whom",
	 "Everybody against everybody, as the policies have it. Asks the daemon; with --snapshot or\n"
	 "--policies it answers by itself. svg and html need no other program and no network.\n"
	 "JSON: ends[{name, kind (identity, host, world, published), row, column, containers[],\n"
	 "isolated[], audited[]}], cells[{from, to, row, column (of ends), verdict (allow, ports,\n"
	 "mixed, audit, deny, none), common_network, parts[{verdict, ports[], limited, by[]}],\n"
	 "seen{passed, audited, refused, ports[], refused_ports[], last}}].\n",
	 verb_graph},
	{"check", VERB_CHECK, 0, 0, "", "find what is exposed, and what undermines the policies",
	 "Asks the daemon; with --snapshot or --policies it answers by itself.\n"
	 "Exit code 1: there is a finding of medium severity or more, or what --fail-on says, that the\n"
	 "settings do not suppress.\n"
	 "JSON: version, checked, counts{}, suppressed, findings[{id, group, severity, title, subject,\n"
	 "evidence, why, remedy, suppressed}], not_checked[{group, checks[], why}]; of a daemon\n"
	 "pending; with --list [{id, group, severity, title, why, source}].\n",
	 verb_check},
	{"watch", VERB_WATCH, 0, 0, "", "show what is refused, as it happens, with names and rules",
	 "What the rules log: refused and spoofed packets, those that audit mode lets pass, and what\n"
	 "rules with 'log: true' name; at most log.rate of them (20/second). With --all also the flows\n"
	 "that pass, as conntrack tells of them.\n"
	 "JSON, an object a line: time, verdict (refused, audit, unknown, spoofed, accepted), passed,\n"
	 "state (packet, begins, found, ends), why, from{}, to{}, ports, published, decided_by,\n"
	 "egress{}, ingress{}; of a packet logged_by, in, out, port, mac, fragment, icmp{}, quoted{},\n"
	 "length; of a flow id, sent{}, answered{}; or event (watching, skipped, counted, left-out,\n"
	 "alert, finding) and its own.\n",
	 verb_watch},
	{"learn", VERB_LEARN, 0, 0, "", "write the policy that what was seen would need",
	 "What the daemon has seen between containers, outside and the host, by names: while something\n"
	 "is in audit mode, or for the time of --for, everything that passes; always what is refused.\n"
	 "Kept over restarts. --for waits for the time to be over; the daemon goes on without it, too.\n"
	 "Only root may use --for and --reset.\n"
	 "JSON: since, until, pairs[{from{}, to{} (kind (container, host, outside), project, service,\n"
	 "name, address), protocol, port, port_last, published, allowed, audited, refused,\n"
	 "unanswered, first, last}], left_out, error.\n",
	 verb_learn},
	{"reload", VERB_RELOAD, 0, 0, "", "have the daemon read its files anew",
	 "Exit code 2: the files have errors, and the set in force stays.\n"
	 "With --confirm, everything that changes from now on returns to what it was, unless\n"
	 "'quaywall confirm' comes in time; also if the daemon or the machine is started anew.\n"
	 "JSON: loaded, documents, problems (text), confirm{}, warnings[].\n",
	 verb_reload},
	{"confirm", VERB_CONFIRM, 0, 0, "", "keep the policies that are on trial",
	 "Ends what 'run --confirm' or 'reload --confirm' began. Exit code 1: nothing is on trial.\n"
	 "JSON: confirmed, documents, error.\n",
	 verb_confirm},
	{"flush", VERB_FLUSH, 0, 0, "", "remove everything quaywall made, at once",
	 "A daemon that runs then enforces nothing until 'quaywall reload'.\n"
	 "JSON: flushed.\n",
	 verb_flush},
	{"snapshot", VERB_SNAPSHOT, 0, 0, "", "write the engine's state as one JSON file",
	 "Of environment variables the names alone, and no other secrets. Every offline verb takes it.\n",
	 verb_snapshot},
	{"version", VERB_VERSION, 0, 0, "", "print versions",
	 "JSON: version, docker_api_min, docker_api_max, libnftnl.\n", verb_version},
	{NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};

int verb_fail(int code, const struct error *err)
{
	if (err->text)
		fprintf(stderr, "quaywall: %s\n", error_text(err));
	return code;
}

static void print_overview(struct buf *out)
{
	buf_str(out, "usage: quaywall [OPTION...] VERB [OPTION...] [ARGUMENT...]\n\n"
		     "Network policies for the Docker Engine's containers.\n\nverbs:\n");
	for (const struct verb *v = verbs; v->name; v++)
		buf_printf(out, "  %-10s %s\n", v->name, v->help);
	buf_str(out, "\noptions of every verb:\n");
	arguments_print_options(NULL, out);
	buf_str(out, "\n'quaywall VERB --help' says more. Exit codes: 0 fine; 1 refused, differs "
		     "or does not hold;\n2 wrong usage or input; 3 no engine, daemon or kernel to "
		     "reach.\n");
}

static int print_help(const struct verb *v)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (!v) {
		print_overview(&out);
	} else {
		buf_printf(&out, "usage: quaywall %s [OPTION...]%s%s\n\n%c%s.\n%s\noptions:\n",
			   v->name, *v->operands ? " " : "", v->operands, v->help[0] - 'a' + 'A',
			   v->help + 1, v->details);
		arguments_print_options(v, &out);
	}
	fputs(buf_text(&out), stdout);
	return QUAYWALL_FINE;
}

/* What could not be written is no success: a full disk, a pipe that nobody reads. */
static int finish_output(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "quaywall: standard output: %s\n", strerror(errno));
	return QUAYWALL_UNREACHABLE;
}

int cli_main(int argc, char **argv)
{
	CLEANUP_ARGUMENTS struct arguments a = {.verb = NULL};
	CLEANUP_ERROR struct error err = ERROR_INIT;

	if (arguments_parse(argc, argv, &a, &err) < 0)
		return verb_fail(QUAYWALL_USAGE, &err);
	if (a.help)
		return finish_output(print_help(a.verb));
	return finish_output(a.verb->run(&a));
}
