/*
 * learn: who talked to whom, and the policy that it would take.
 *
 * Flows are kept by names and not by addresses or identities: a container is its Compose or Swarm project and service,
 * else its name, so that what is known outlives containers, policies and restarts. An end outside keeps its
 * address. Bounded, whatever is sent: where the same ends use many ports these become one range, where many addresses
 * outside do the same the rest of them is kept as one, and what does not fit any more is counted. Between containers, and
 * with the host, ports that nobody answered are the first to become one. Pure but for the clock, which callers give.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <jansson.h>

#include "quaywall/addr.h"
#include "quaywall/buf.h"
#include "quaywall/compile.h"
#include "quaywall/error.h"
#include "quaywall/model.h"

#define LEARN_NAME_MAX	255 /* bytes of a project's, service's or container's name */
#define LEARN_PORTS_MAX 128 /* between the same ends: more become a range */
#define LEARN_ADDRS_MAX \
	64 /* outside, that do the same: more are kept as their private block, or as one */

enum learn_end_kind {
	LEARN_CONTAINER, /* `project` and `service`; where it has not both, `name` and what there is of a project */
	LEARN_HOST,
	LEARN_OUTSIDE, /* `addr`; where more do the same than are kept apart, `block` or family 0 */
};

struct learn_end {
	enum learn_end_kind kind;
	char *project, *service; /* or NULL */
	char *name;		 /* or NULL */
	struct addr addr;
	bool block; /* stands for others of the private block that begins with `addr` */
};

/* Flows of one kind: the same ends, protocol, and port of the server. At least one end is a container. */
struct learn_pair {
	struct learn_end from, to;
	uint8_t protocol; /* IPPROTO_*; ICMPv6 is IPPROTO_ICMP */
	/* Of the container, or of the host, outside; 0 but for TCP, UDP and SCTP. */
	uint16_t port;
	bool range;		 /* more ports than are kept apart: from `port` to `port_last` */
	uint16_t port_last;	 /* else the same as `port` */
	uint16_t published_port; /* from outside by this port of the host; 0: not so */
	uint64_t allowed, audited,
		refused; /* flows: by the rules' leave, by audit's, and not (packets) */
	uint64_t
		unanswered; /* of the flows: TCP's that ended without an answer, so nobody served */
	time_t first, last;
};

struct learn_table;

/* At most MAX pairs, a quarter of them such as were only ever refused, and a quarter of one container. */
struct learn_table *learn_table_new(size_t max);
void learn_table_free(struct learn_table *t);

size_t learn_table_len(const struct learn_table *t);
/* In no order that stays. Good until the table is changed. */
const struct learn_pair *learn_table_pair(const struct learn_table *t, size_t i);
uint64_t learn_table_left_out(const struct learn_table *t); /* flows of pairs that found no place */

/* One flow that was judged: its ends are those of C's model. An end that nobody known holds, or whose container has no
 * name, makes nothing, and so does what a container sends to itself. *RET_NEW (may be NULL): the pair was not there
 * before, or was only ever refused and is not now. False where it found no place, or makes nothing. */
bool learn_table_add(struct learn_table *t, const struct compiled *c, const struct flow *f,
		     enum flow_verdict verdict, time_t at, bool *ret_new);

/* A flow that was added has ended, and nobody had answered. */
void learn_table_unanswered(struct learn_table *t, const struct compiled *c, const struct flow *f);
/* Whether something of the pair passed, and was answered as far as is known. */
bool learn_pair_passed(const struct learn_pair *p);

/* The table as a document of the state folder, in the order of learn_pair_compare(), and back: what makes no sense there
 * is an error (-EBADMSG), never a crash, and *RET is untouched then. For the keys of a pair see the README, `learn`. */
json_t *learn_table_json(const struct learn_table *t);
int learn_table_read(const json_t *document, size_t max, struct learn_table **ret,
		     struct error *err);

/* The same without its frame, {"pairs": [...], "left_out": N}, and in the table's own order: N pairs from FROM on, with the
 * commas between them. Returns from where to go on; at the end it is the table's length. For who must not take long: what
 * comes in between two calls is behind them. */
size_t learn_table_print(const struct learn_table *t, size_t from, size_t n, struct buf *out);

/* The end that C is, by strings that stay C's. False where it has no name. */
bool learn_end_of(const struct model_container *c, struct learn_end *ret);

/* By names, protocol and port: an order that does not depend on when what was seen. */
int learn_pair_compare(const struct learn_pair *a, const struct learn_pair *b);

/* ---- the policy ---- */

struct learn_wish {
	const char *project;	  /* the document of this project alone; NULL: all */
	bool refused;		  /* what was only ever refused is to be allowed, too */
	const char *const *names; /* of documents in force: not to be given again */
	size_t nnames;
};

/* Writes the policy documents that let pass what T has seen pass, as YAML for people to read: one for each project, and
 * one for the containers without. SETTINGS and M say what is there now: what rules are needed, which addresses are the
 * host's and containers', and which tests can be held against something. The same input gives the same text.
 * -EINVAL with ERR where what was written does not hold, which is our mistake, or T has more than a document may. */
int learn_policy_write(const struct learn_table *t, const struct settings *settings,
		       const struct model *m, const struct learn_wish *wish, struct buf *out,
		       struct error *err);

static inline void learn_table_cleanup(struct learn_table **t)
{
	learn_table_free(*t);
}

#define CLEANUP_LEARN_TABLE __attribute__((cleanup(learn_table_cleanup)))
