/*
 * daemon: the state of `run`, and what its parts do to it.
 *
 * run.c starts and ends, inputs.c turns changed inputs into a new world, apply.c brings it into the
 * kernel, drift.c and bridges.c undo what others did to it, flows.c and cut.c end flows that it refuses,
 * confirm.c brings the set before back, seen.c tells what the rules logged, left_out.c how much they did not and
 * accepted.c what they let pass, learning.c keeps both as who talks to whom, outlet.c tells log collectors,
 * alerting.c what is not to be missed, checking.c what the set-up leaves open, counting.c which
 * rules nobody needs, control.c and requests.c serve the control socket, status.c tells.
 * Only these log.
 */
#pragma once

#include <time.h>
#include <jansson.h>

#include "quaywall/docker.h"
#include "quaywall/flow.h"
#include "quaywall/host.h"
#include "quaywall/reconcile.h"
#include "quaywall/sandbox.h"
#include "accepted.h"
#include "alerting.h"
#include "checking.h"
#include "control.h"
#include "counting.h"
#include "cut.h"
#include "kernel.h"
#include "learning.h"
#include "loop.h"
#include "outlet.h"
#include "pace.h"
#include "scrape.h"
#include "seen.h"
#include "trial.h"
#include "watchdir.h"
#include "world.h"

/* Foreign changes of our tables, and how they were undone. */
struct drift {
	unsigned long repairs;
	struct nft_writer by; /* of the last one */
	time_t at;
	uint64_t took_us; /* from reading of it to having undone it */

	uint64_t seen_us;	/* a change is known and not yet looked at; 0: none */
	unsigned long restored; /* of the kernel's count, how many are in `repairs` */
	struct pace pace;
};

struct daemon {
	const struct reconcile_options *options;
	struct loop loop;

	/* edges */
	struct kernel kernel;
	struct host *host;
	struct docker *docker;		/* NULL with a snapshot */
	enum docker_state engine_state; /* as logged last */
	char *engine_trouble;		/* likewise: what of a connected one cannot be read */
	struct flow_table *flows;
	struct watchdir watch;
	char *watched; /* the policy directory that it watches */
	struct control control;
	struct sandbox sandbox;
	struct loop_source on_signal, on_watch, on_docker, on_host, on_monitor, on_filter;

	/* what is wanted */
	struct world world;
	bool skeleton;	  /* its model is made of the host's bridges, not of the engine's answers */
	bool suspended;	  /* flushed by the administrator: nothing is enforced until `reload` */
	bool asked;	  /* the administrator wants the files read now, whatever they say */
	bool ready;	  /* the service manager was told */
	bool looked;	  /* through the flows that exist, since the start */
	bool second_look; /* is due behind the next one */
	bool resumes;	  /* the load that goes on ends a `flush` */
	struct model *waiting;		 /* does not fit the host, perhaps only for this moment */
	struct policy_problems problems; /* of the last load */

	struct seen seen; /* what the rules logged */
	struct accepted accepted;
	struct learning learning;
	struct outlet outlet;
	struct scrape scrape; /* metrics */
	struct alerting alerting;
	struct checking checking;
	struct counting counting;

	/* a set on trial */
	struct trial trial;
	char *state_folder;	     /* where it is kept */
	unsigned trial_asked;	     /* s: the load that goes on is to be on trial; 0: it is not */
	struct loop_source on_trial; /* the end of the trial */
	char *trial_error;	     /* why the confirmed set is not, or not to be, kept */
	char *not_in_force;	     /* why what the files say is not */

	/* when to do again what is not to be done at once */
	struct loop_timer reload_timer;	  /* files changed: debounced */
	struct loop_timer apply_timer;	  /* the kernel refused: with backoff */
	struct loop_timer host_timer;	  /* interfaces changed: debounced */
	struct loop_timer cut_timer;	  /* flows are to be looked through */
	struct loop_timer drift_timer;	  /* somebody changed our table */
	struct loop_timer tell_timer;	  /* and it was not told each time */
	struct loop_timer engine_timer;	  /* the engine has had its chance to answer first */
	struct loop_timer ports_timer;	  /* ports that were not found are looked for again */
	struct loop_timer waiting_timer;  /* `waiting` gets its second look */
	struct loop_timer filter_timer;	  /* br_netfilter's switches are to be looked at again */
	struct loop_timer bridge_timer;	  /* the bridge table, which was refused, is tried again */
	struct loop_timer watchdog_timer; /* the service manager's */
	uint64_t watchdog_ms;
	uint64_t apply_backoff; /* ms; 0 after a success */
	uint64_t cut_rest, burst_began, empty_since;
	unsigned port_tries;

	/* for `status` */
	time_t started, loaded, applied_at;
	struct drift drift;
	unsigned long flows_cut;
	unsigned long failures; /* transactions that the kernel refused */
	char *load_error;	/* why the last load was refused as a whole, besides problems */
	char *apply_error;	/* why the kernel does not hold what is wanted */
	char *model_error;	/* why the engine's last answer is not in force */
	char *cut_error;
	bool filter_missing[2]; /* br_netfilter is needed and not to be had: IPv4, IPv6 */
	bool filter_was_on[2];
	unsigned long filter_repairs; /* how often others switched it off */
	struct pace filter_pace;
	char *filter_error;
	char *learning_error; /* why bridges still learn from what no hook sees */
};

/* ---- run.c ---- */

/* Closes and frees everything but the daemon itself. */
void daemon_done(struct daemon *d);

/* ---- inputs.c ---- */

/* Reads settings and policies, and brings them in force if they are good. Returns whether they are.
 */
bool daemon_load(struct daemon *d);
/* The same because somebody asks for it, which ends a `flush`; on trial for TRIAL_S seconds unless 0. */
bool daemon_reload(struct daemon *d, unsigned trial_s);
/* Watches where the files are now. To be called before they are read, so that no change is missed. */
void daemon_follow_files(struct daemon *d);
void daemon_watch_ready(void *data, short revents);
void daemon_reload_due(void *data);

/* The model that W is to be compiled with: the engine's last one, or the skeleton of now; none where there is
 * neither. */
int daemon_choose_model(struct daemon *d, struct world *w, struct error *err);
/* Applies NEXT, as compiled, and puts it in force. On failure it is dropped. */
int daemon_adopt(struct daemon *d, struct world *next, struct error *err);
/* Puts NEXT in force, also where the kernel refuses what follows from it: that is tried again. */
void daemon_put_in_force(struct daemon *d, struct world *next);

/* Takes ownership of M, the engine's newest listing. */
void daemon_take_model(struct daemon *d, struct model *m);
void daemon_docker_ready(void *data, short revents);
void daemon_engine_due(void *data);
void daemon_waiting_due(void *data);
void daemon_host_ready(void *data, short revents);
void daemon_host_due(void *data);

/* ---- ports.c ---- */

/* A model was taken: its ports that are missing are looked for again. */
void daemon_ports_wanted(struct daemon *d);
/* Links changed. */
void daemon_ports_moved(struct daemon *d);
void daemon_ports_due(void *data);
/* Adds to LIST, of what is not governed, the endpoints that have none. */
void daemon_ports_tell(const struct daemon *d, json_t *list);

/* ---- apply.c ---- */

/* Brings the rulesets of W into the kernel, unless suspended. On failure the kernel's tables are what
 * they were; that of the bridge table alone is no failure, but told. */
int daemon_apply(struct daemon *d, const struct world *w, struct error *err);
/* The same for a model that is not in force yet: what flows endpoints had that are not in it any more is ended,
 * before an address of theirs is another's. (handover.c) */
int daemon_apply_model(struct daemon *d, const struct world *next, struct error *err);
/* Ends all flows of addresses that are nobody's any more. (handover.c) */
void daemon_end_flows(struct daemon *d, struct ranges *gone);
/* Puts M in force, as the model in the world's place, where it is only a step from that one: see compile_follow(). Takes
 * ownership of it then; false: it is not, and M is still the caller's. */
bool daemon_step(struct daemon *d, struct model *m);
/* Tries again later what the kernel refused now. */
void daemon_apply_failed(struct daemon *d, const struct error *err);
void daemon_apply_due(void *data);
void daemon_bridge_due(void *data); /* tries the bridge table again, where the kernel refused it */
/* Tells the service manager, once the rules stand. */
void daemon_ready(struct daemon *d);
int daemon_flush(struct daemon *d, struct error *err);

/* ---- flows.c ---- */

/* To be called behind a transaction that brought W into the kernel. */
void daemon_schedule_cut(struct daemon *d, const struct world *w,
			 const struct kernel_change *change);
/* Has the flows looked through as soon as may be, and once more behind that. */
void daemon_cut_soon(struct daemon *d);
void daemon_cut_due(void *data);

/* ---- seen.c ---- */

/* Reads the group that the settings in force name, or none. */
void daemon_seen_follow(struct daemon *d);
void daemon_seen_due(void *data);
void daemon_seen_done(struct daemon *d);
json_t *daemon_seen_json(const struct daemon *d); /* whether the group is read, and what came */
/* Of the control socket: `watch` begins. */
unsigned daemon_seen_stream(void *data, const json_t *request, struct buf *beginning);
/* What a stream is told of where its lines come from: the event `watching`. The caller owns it. */
json_t *daemon_seen_watching(struct daemon *d, bool all);
/* RECORD, of KIND, goes to whoever watches, and is kept. */
void daemon_seen_tell(struct daemon *d, unsigned kind, const json_t *record);

/* ---- accepted.c ---- */

/* Follows the flows that pass, as long as somebody has a use for them. */
void daemon_accepted_follow(struct daemon *d);
/* Somebody is about to watch them. The answer is for him: {"error": why they are not followed, or null}. */
json_t *daemon_accepted_watched(struct daemon *d);
void daemon_accepted_due(void *data);
void daemon_accepted_repair(void *data);
void daemon_accepted_say(void *data);
void daemon_accepted_done(struct daemon *d);
json_t *daemon_accepted_json(const struct daemon *d);

uint64_t daemon_seen_lost(const struct daemon *d); /* packets that the log could not deliver */

/* ---- learning.c ---- */

/* Reads what the last run kept; the state folder is known. */
void daemon_learn_open(struct daemon *d);
void daemon_learn_done(struct daemon *d);
/* A flow of the world in force that was judged, and begins. */
void daemon_learn_flow(struct daemon *d, const struct flow *f, enum flow_verdict verdict);
/* One that was learned has ended, and nobody had answered. */
void daemon_learn_unanswered(struct daemon *d, const struct flow *f);
/* A packet that a rule logged, if it is such a flow's that daemon_learn_flow() is not told of by conntrack. */
struct record_interfaces;
void daemon_learn_logged(struct daemon *d, const struct flow_packet *p,
			 const struct record_interfaces *names);
/* Whether flows that pass are to be followed. */
bool daemon_learn_wants_flows(const struct daemon *d);
bool daemon_learn_is_over(
	const struct daemon *d); /* `learn --for` has run, and its time has passed */
/* Has them followed for so long, instead of what was asked before. */
void daemon_learn_for(struct daemon *d, unsigned seconds);
void daemon_learn_forget(struct daemon *d);
void daemon_learn_due(void *data);
void daemon_learn_tick(struct daemon *d); /* from time to time: whether flows are followed */
void daemon_learn_over(void *data);
json_t *daemon_learn_json(const struct daemon *d);
json_t *daemon_learn_answer(const struct daemon *d); /* all of it, for the policy to be written */

/* ---- left_out.c ---- */

/* The log is read from now on. */
void daemon_left_out_begin(struct daemon *d);
void daemon_left_out_end(struct daemon *d);
/* A packet came by it. */
void daemon_left_out_packet(struct daemon *d, const struct flow_packet *p);
void daemon_left_out_due(void *data);

/* ---- alerting.c ---- */

/* As the settings in force say. */
void daemon_alert_follow(struct daemon *d);
void daemon_alert_done(struct daemon *d);
/* A packet that a rule logged, and its record. */
void daemon_alert_packet(struct daemon *d, const struct flow_packet *p,
			 const struct record_interfaces *names, const json_t *record);
/* A flow passed such as never did before. */
void daemon_alert_new_flow(struct daemon *d, const struct flow *f);
/* Whether flows that pass are to be followed. */
bool daemon_alert_wants_flows(const struct daemon *d);
uint64_t daemon_alert_suppressed(const struct daemon *d);
json_t *daemon_alert_json(const struct daemon *d);

/* ---- checking.c ---- */

/* Opens what the checks ask the kernel by, before daemon_confine(). */
void daemon_check_open(struct daemon *d);
/* What is in force is not what it was: the checks are made again, in a moment. */
void daemon_check_soon(struct daemon *d);
void daemon_check_due(void *data);
void daemon_check_done(struct daemon *d);
/* Appends what `check` answers: as JSON, in one line. */
void daemon_check_answer(struct daemon *d, struct buf *out);
json_t *daemon_check_json(const struct daemon *d);

/* ---- counting.c ---- */

/* Reads what the last run kept; the state folder is known. */
void daemon_count_open(struct daemon *d);
void daemon_count_done(struct daemon *d);
/* Counters were read. */
void daemon_count_take(struct daemon *d);
void daemon_count_due(void *data);
void daemon_count_write_due(void *data);

/* ---- outlet.c ---- */

/* Opens what the settings in force name, where it is not open already. */
void daemon_outlet_follow(struct daemon *d);
void daemon_outlet_reopen(struct daemon *d); /* its file may have been moved away */
void daemon_outlet_done(struct daemon *d);
/* LINE is RECORD's text. KIND: the narrowest setting `log.what` that it belongs to; OUTPUT_LOGGED, too, where a rule
 * refused. */
void daemon_outlet_tell(struct daemon *d, enum output_what kind, const json_t *record,
			const char *line);
/* Whether flows that pass are to be told to a collector. */
bool daemon_outlet_wants_flows(const struct daemon *d);
/* The folder that the file is in; NULL: no file. To be freed. */
char *daemon_outlet_folder(const struct settings *s);
json_t *daemon_outlet_json(const struct daemon *d);

/* ---- scrape.c, scrape_text.c ---- */

/* Listens where the settings say, before daemon_confine(). */
void daemon_scrape_open(struct daemon *d);
/* Other settings are in force, or other rules. */
void daemon_scrape_follow(struct daemon *d);
json_t *daemon_scrape_json(const struct daemon *d);
void daemon_scrape_text(struct daemon *d, struct buf *out); /* all metrics */
void daemon_scrape_read(struct daemon *d); /* the kernel's counters, where that may be now */
void daemon_scrape_done(struct daemon *d);

/* ---- confine.c ---- */

/* Once the kernel's side and the control socket are open, and before there is a second thread. */
void daemon_confine(struct daemon *d);
json_t *daemon_sandbox_json(const struct daemon *d); /* what of it is in force */

/* ---- drift.c ---- */

/* Another program may have changed our tables: looks, soon, and undoes it. */
void daemon_drift_soon(struct daemon *d);
/* At the start, while nobody has said what is wanted. */
void daemon_keep(struct daemon *d);
void daemon_monitor_ready(void *data, short revents);
void daemon_drift_due(void *data);
void daemon_tell_due(void *data);

/* ---- bridges.c ---- */

/* Gives the networks of M whose bridges others have renamed the names that these have now. */
void daemon_follow_bridges(struct daemon *d, struct model *m);
/* Whether a bridge that the rules name has another name by now. */
bool daemon_lost_bridge(const struct daemon *d);
/* Sees to it that packets of one bridge pass the rules, where a policy needs it. */
void daemon_bridge_filter(struct daemon *d);
void daemon_filter_ready(void *data, short revents);
void daemon_filter_due(void *data);

/* ---- confirm.c ---- */

/* Reads what the last run kept. The folder for it, D->state_folder, stays to be written to. */
int daemon_trial_open(struct daemon *d, struct error *err);
/* At the start: puts the set that was confirmed last in force, if it is to be that and not what the files say.
 * Returns whether it was. */
bool daemon_trial_resume(struct daemon *d);
/* daemon_adopt() of what was read from the files, on trial if that was asked for: nothing changes where the trial
 * could not be kept. */
int daemon_trial_adopt(struct daemon *d, struct world *next, struct error *err);
/* What was read from the files is in force. */
void daemon_trial_loaded(struct daemon *d);
/* Whether a change of the files is to be taken up by itself; else says what keeps it from it. */
bool daemon_takes_changes(struct daemon *d);
/* QUAYWALL_FINDINGS: nothing is on trial. */
enum reconcile_exit daemon_confirm(struct daemon *d, struct error *err);
void daemon_trial_done(struct daemon *d);

/* ---- status.c, requests.c ---- */

json_t *daemon_status(struct daemon *d);
const char *daemon_state(const struct daemon *d);  /* its `state` */
json_t *daemon_not_governed(struct daemon *d);	   /* its `not_governed` */
json_t *daemon_trial_json(const struct daemon *d); /* what is on trial */
/* Whether what is in force is what the files and the engine say. */
bool daemon_is_fine(struct daemon *d);
/* Answers one request of UID: {"exit": …, "result" | "error": …}. */
json_t *daemon_request(void *data, const json_t *request, uid_t uid);
/* Appends the whole answer, where it is at hand. */
bool daemon_request_prepared(void *data, const json_t *request, struct buf *answer);

/* Replaces an error text; NULL clears it. */
void daemon_note(char **text, const char *now);
