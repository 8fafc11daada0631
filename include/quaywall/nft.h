/*
 * nft: the door to nf_tables, by libnftnl and libmnl. Knows nothing of policies.
 *
 * A connection belongs to one network namespace, given when it is opened, and deals with one table in
 * each family; there is no global state, so a process can hold several. Every change, of tables of several
 * families too, is one transaction in one sendmsg(2): the kernel takes all of it or nothing. Each message
 * has its own sequence number, so that a refusal names its object.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "quaywall/error.h"
#include "quaywall/ruleset.h"

struct nft;

/* Opens in the namespace of the open file NETNS_FD (-1: the caller's own). The fd stays the caller's. */
int nft_open(int netns_fd, struct nft **ret, struct error *err);
void nft_close(struct nft *n);

/* Takes ownership of tables that this connection creates or changes from now on (flags owner and
 * persist), where the kernel has both flags (6.9 on); *RET says whether. With owner alone a table would
 * vanish with the process, so then neither is used.
 *
 * A table that a dead owner left is adopted by the next nft_apply(), which must therefore be called
 * even if there is no difference. A table without the flags cannot get them; the next nft_apply() then
 * replaces it with all of WANTED, in that one transaction. */
int nft_set_owner(struct nft *n, bool *ret, struct error *err);

/* What becomes of one table. */
struct nft_change {
	const char *table;
	uint8_t family;
	const struct ruleset *wanted; /* NULL: the table goes */
	/* What turns the kernel's table into WANTED's. NULL if it goes, or if nobody knows what the kernel
	 * has: then the table is made anew whole; counters and limits begin anew. */
	const struct ruleset_diff *diff;
};

#define NFT_CHANGES_MAX 8

/* Applies LEN changes, of a table each, in one transaction. What passes (the kernel is out of memory) is
 * retried here; -EBUSY, -ENOENT and -EEXIST (someone else wrote meanwhile, or the kernel's answer was
 * lost, so that nobody knows what is in force) go back to the caller, who dumps and compares anew;
 * -EPERM: another process owns a table. ERR names the object that the kernel refused, with the comment
 * (FILE:LINE) of the rule or element if it has one.
 * During thousands of elements the monitor is off; what others changed then is told by the next
 * nft_monitor_dispatch(), which should follow without waiting for the fd. */
int nft_apply(struct nft *n, const struct nft_change *changes, size_t len, struct error *err);

/* Reads a table into a sorted ruleset; *RET is NULL where there is none. A rule that is not of our
 * making is marked unknown, and so is a base chain of a table that someone made dormant (the next
 * nft_apply() wakes it). Elements of dynamic sets are left out. Consistent: a dump that a writer
 * disturbed is taken again; -EINTR only if that never ends. */
int nft_dump(struct nft *n, const char *table, uint8_t family, struct ruleset **ret,
	     struct error *err);

/* How many packets came to CHAIN by now, as its first counter has it; 0 where there is none, or no such chain. */
int nft_chain_packets(struct nft *n, const char *table, uint8_t family, const char *chain,
		      uint64_t *ret, struct error *err);

/* Deletes the tables of this name in all families, in one transaction; none is fine. -EPERM: owned by
 * another process. */
int nft_delete_tables(struct nft *n, const char *table, struct error *err);

/* The generation number of the namespace's ruleset: it changes with every transaction of anyone. */
int nft_generation(struct nft *n, uint32_t *ret, struct error *err);

/* Notifications. The fd is readable when someone changed nf_tables in this namespace. */
int nft_monitor(struct nft *n, struct error *err); /* subscribes */
int nft_monitor_fd(const struct nft *n);	   /* -1 before nft_monitor() */
/* Reads all that is there. *RET: a process other than this one changed TABLE, of whatever family
 * (lost messages, ENOBUFS, count as such). */
int nft_monitor_dispatch(struct nft *n, const char *table, bool *ret, struct error *err);
/* Whether the next nft_monitor_dispatch() has something to tell that makes no fd readable. */
bool nft_monitor_missed(const struct nft *n);

/* A process that changed a table. */
struct nft_writer {
	uint32_t portid;  /* of its netlink socket; 0: messages were lost, nothing is known */
	uint32_t pid;	  /* 0: not told (yet) */
	char process[16]; /* the kernel's name of its thread (comm(5)), any bytes; "": not told */
};

/* Who made the last change that nft_monitor_dispatch() told of. The kernel names the process behind a
 * transaction in a last message, which may come a moment after the others: with the lock that the next
 * transaction takes, so it is there once an nft_apply() after the change is done. */
void nft_monitor_writer(const struct nft *n, struct nft_writer *ret);

/* ---- counters ---- */

/* An element of a dynamic set whose elements count. */
struct nft_element {
	uint8_t key[RULESET_KEY_MAX]; /* as in struct ruleset_element */
	size_t len;
	uint64_t packets, bytes;
	uint64_t expires; /* ms from now; 0: never */
};

/* Calls EACH for the elements of SET, or for some of them where packets add others meanwhile. None where there is no such
 * set. */
int nft_elements(struct nft *n, const char *table, uint8_t family, const char *set,
		 void (*each)(const struct nft_element *e, void *data), void *data,
		 struct error *err);

/* What one rule counted, or all elements of one set with the same comment. Strings are good while it is told. */
struct nft_count {
	uint8_t family;
	const char *set;	      /* NULL: a rule */
	const char *chain;	      /* of a rule */
	const char *comment;	      /* of a rule perhaps NULL */
	enum ruleset_verdict verdict; /* of a rule; VERDICT_NONE where it has none of its own */
	const char *target;	      /* of VERDICT_JUMP and _GOTO, or NULL */
	uint64_t packets, bytes;
};

/* One reading of all counters, piece by piece, as there may be a hundred thousand of them: by a connection of its own,
 * so that transactions and dumps go on beside it. */
struct nft_counters;

/* Begins a reading of TABLES, which need not stay: of the rules that have a counter, and of the elements with a
 * comment in sets with SET_COUNTER. NETNS_FD as in nft_open(). */
int nft_counters_open(int netns_fd, const struct ruleset *const *tables, size_t len,
		      struct nft_counters **ret, struct error *err);
void nft_counters_close(struct nft_counters *c);   /* at any time */
int nft_counters_fd(const struct nft_counters *c); /* readable: nft_counters_read() */

/* Reads a piece, without waiting, and calls EACH for what is complete with it: a table's rules, a set. Returns 1 where
 * there is more to come, 0 at the end; -EINTR where writers disturb it all the time, or another negative errno. After an
 * error nothing of this reading counts. A set that has gone meanwhile is left out. */
int nft_counters_read(struct nft_counters *c,
		      void (*each)(const struct nft_count *count, void *data), void *data,
		      struct error *err);

static inline void nft_counters_cleanup(struct nft_counters **c)
{
	nft_counters_close(*c);
}

#define CLEANUP_NFT_COUNTERS __attribute__((cleanup(nft_counters_cleanup)))

static inline void nft_cleanup(struct nft **n)
{
	nft_close(*n);
}

#define CLEANUP_NFT __attribute__((cleanup(nft_cleanup)))
