/*
 * policy: YAML documents and settings as plain data, with the place of everything in its file.
 *
 * The language is shared/policy-language.md of the project, kept for users in README.md. This room
 * reads and checks it; what a selector selects is not known here (that takes a model, see compile.h).
 * All errors of one run are found, in the order of files and lines, and a set with any error is no set.
 *
 * Where the language page is silent, this room does what users of Compose expect:
 *  - anchors, aliases and merge keys (`<<`) work, within bounds; keys that begin with `x-` at the top of a
 *    policy document are left alone (Compose's extension fields);
 *  - `ports`, `port`, `isolate`, `addresses` and `except` take one item as well as a list;
 *  - in `expect`, `interface: NAME` stands in the entry (for the one end that is an address) or with the
 *    address, as {cidr: ADDRESS, interface: NAME};
 *  - `docker:` may be {url: tcp://HOST:PORT, tls: {ca, cert, key}} instead of having `tls:` beside it, and
 *    relative paths in the settings begin at the settings file's folder;
 *  - `log: {rate: 0}` logs nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "quaywall/addr.h"
#include "quaywall/buf.h"
#include "quaywall/error.h"

/* A place in a file, from 1. FILE belongs to the set or the settings that the place was read from;
 * it is the name without the policy directory: "shop.yaml". LINE 0: no place (a default). */
struct policy_where {
	const char *file;
	unsigned line, column;
};

/* ---- problems ---- */

enum policy_severity { POLICY_ERROR, POLICY_WARNING };

struct policy_problem {
	struct policy_where where; /* file owned by the list here, unlike elsewhere */
	enum policy_severity severity;
	char *text; /* what is wrong (what was expected) */
};

struct policy_problems {
	struct policy_problem *items;
	size_t len, cap;
};

void policy_problem_add(struct policy_problems *p, enum policy_severity severity,
			const struct policy_where *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
size_t policy_problems_errors(const struct policy_problems *p); /* how many are errors */
/* A line each: "FILE:LINE:COLUMN: error: TEXT"; without place: "FILE: error: TEXT". */
void policy_problems_print(const struct policy_problems *p, struct buf *out);
void policy_problems_done(struct policy_problems *p);

#define CLEANUP_PROBLEMS __attribute__((cleanup(policy_problems_done)))

/* ---- selectors ---- */

enum selector_kind {
	SELECTOR_ALL,	  /* every child matches; without children: every container */
	SELECTOR_ANY,	  /* one child matches */
	SELECTOR_NOT,	  /* its one child does not */
	SELECTOR_NAME,	  /* pattern */
	SELECTOR_PROJECT, /* pattern */
	SELECTOR_SERVICE, /* pattern */
	SELECTOR_IMAGE,	  /* pattern */
	SELECTOR_NETWORK, /* pattern */
	SELECTOR_LABEL,	  /* key, and pattern or NULL for 'has it' */
	SELECTOR_GROUP,	  /* group */
};

/* A mapping is SELECTOR_ALL over its keys (a key `any` is a SELECTOR_ANY child, `all` a SELECTOR_ALL,
 * `not` a SELECTOR_NOT, each entry of `label` a SELECTOR_LABEL), a list is SELECTOR_ANY, a string
 * SELECTOR_GROUP. The project that a document's scope adds is not written into the tree. */
struct selector {
	enum selector_kind kind;
	struct policy_where where;
	char *key;     /* SELECTOR_LABEL */
	char *pattern; /* fnmatch(3) without flags; checked: no open bracket, no last backslash */
	size_t group;  /* SELECTOR_GROUP: index into the document's groups */
	struct selector **children; /* owned */
	size_t nchildren;
};

/* ---- rules ---- */

enum policy_peer_kind {
	PEER_SELECTOR,
	PEER_ANY,
	PEER_CONTAINERS,
	PEER_WORLD,
	PEER_HOST,
	PEER_CIDR,	/* an address, a CIDR, or {cidr, except} */
	PEER_INTERFACE, /* {interface: NAME} */
};

struct policy_peer {
	enum policy_peer_kind kind;
	struct policy_where where;
	struct selector *selector; /* PEER_SELECTOR; owned */
	struct prefix cidr;	   /* PEER_CIDR; masked */
	struct prefix *except;	   /* PEER_CIDR; each inside cidr */
	size_t nexcept;
	char *interface; /* PEER_INTERFACE; a glob */
};

/* Ports of one protocol. `tcp` alone is 0-65535; `icmp` is IPPROTO_ICMP with 0-65535 and stands for
 * ICMP and ICMPv6, echo included. */
struct policy_ports {
	uint8_t protocol; /* IPPROTO_TCP, _UDP, _SCTP or _ICMP */
	uint16_t first, last;
};

enum policy_unit { POLICY_SECOND = 1, POLICY_MINUTE = 60, POLICY_HOUR = 3600, POLICY_DAY = 86400 };

struct policy_limit {
	bool set;
	struct policy_where where;
	uint32_t new_rate; /* new flows per unit; 0: no rate limit */
	enum policy_unit new_unit;
	uint32_t burst;	      /* in flows; the default is 5, as in nft(8) */
	bool per_source;      /* counted for each source address, else for all together */
	uint32_t connections; /* flows at one time; 0: no limit */
};

enum policy_action { POLICY_ALLOW, POLICY_DENY, POLICY_PUBLISH };

struct policy_rule {
	enum policy_action action;
	struct policy_where where; /* of the rule's mapping */
	char *name;		   /* or NULL */
	bool log;
	struct policy_peer *from, *to; /* alternatives */
	size_t nfrom, nto;
	/* Alternatives; none: every protocol and port. POLICY_PUBLISH: at least one, of the host's
	 * published ports. */
	struct policy_ports *ports;
	size_t nports;
	struct policy_limit limit;
};

/* ---- documents ---- */

enum policy_mode { POLICY_MODE_DEFAULT, POLICY_ENFORCE, POLICY_AUDIT };

#define POLICY_INGRESS 1u
#define POLICY_EGRESS  2u

struct policy_group {
	char *name;
	struct policy_where where;
	struct selector *selector; /* may hold SELECTOR_GROUP of the same document; no circles */
};

/* One end of an `expect` entry. */
struct policy_end {
	bool set;
	struct policy_peer peer; /* PEER_SELECTOR, PEER_HOST, or PEER_CIDR for its first address */
	char *interface;	 /* an address from outside by this interface; or NULL */
};

struct policy_expect {
	struct policy_where where;
	struct policy_end from, to;
	bool by_published_port;	    /* `publish: PORT`; ports then has that port */
	struct policy_ports *ports; /* each must have the verdict; none: every protocol and port */
	size_t nports;
	bool allow; /* the expected verdict: allow, else deny */
};

struct policy_document {
	char *name;
	struct policy_where where;
	struct selector *governs; /* `for`; NULL for `all` */
	char *scope;	  /* the project named at the top of `for`: a name, or the pattern of
				   * a template; NULL for none */
	bool is_template; /* scope has a wildcard: one instance for each project it matches */
	unsigned isolate; /* POLICY_INGRESS | POLICY_EGRESS */
	enum policy_mode mode;
	struct prefix *addresses;	      /* `addresses:` */
	struct policy_where *addresses_where; /* as many */
	size_t naddresses;
	struct policy_group *groups;
	size_t ngroups;
	struct policy_rule *rules; /* of all three kinds, in the order of their lines */
	size_t nrules;
	struct policy_expect *expects;
	size_t nexpects;
};

struct policy_set {
	struct policy_document *documents; /* in the order of files and lines */
	size_t ndocuments;
	char **files; /* names that `where` points at */
	size_t nfiles;
};

struct policy_set *policy_set_new(void);
void policy_set_free(struct policy_set *set);

/* Reads one file's TEXT (LEN bytes, any content) as policy documents and appends them to SET. FILE is
 * the name to be reported. Problems go to P; the documents of a file with errors may be half-built
 * and SET is then good for nothing but being freed. */
void policy_parse(struct policy_set *set, const char *file, const char *text, size_t len,
		  struct policy_problems *p);

/* Checks what takes the whole set: unique policy names. To be called once all files are parsed. */
void policy_set_check(const struct policy_set *set, struct policy_problems *p);

/* Reads every *.yaml and *.yml of DIR in byte order of names (dot-files skipped, symlinks followed),
 * parses and checks. A DIR that is not there is an empty set and a warning. Returns 0 and a set where
 * there is no error, -EINVAL with errors in P, another negative errno where DIR cannot be read. */
int policy_load(const char *dir, struct policy_problems *p, struct policy_set **ret,
		struct error *err);

/* The same for files named one by one (a folder stands for its *.yaml and *.yml). */
int policy_load_files(char *const *paths, size_t n, struct policy_problems *p,
		      struct policy_set **ret, struct error *err);

/* ---- files as they were read ---- */

/* One file's content, so that the same set can be had again when the file has changed. Good sets hold no NUL. */
struct policy_file {
	char *name; /* as `where` has it; NULL: no file */
	char *text;
	size_t len;
};

struct policy_files {
	struct policy_file *items; /* in the order of their names */
	size_t len, cap;
};

void policy_file_done(struct policy_file *f);
void policy_files_done(struct policy_files *files);

/* As policy_load(); KEEP (empty before) gets what was read, to be done in any case. */
int policy_load_keeping(const char *dir, struct policy_problems *p, struct policy_set **ret,
			struct policy_files *keep, struct error *err);

/* The set of files that were kept. 0, or -EINVAL with errors in P. */
int policy_files_parse(const struct policy_files *files, struct policy_problems *p,
		       struct policy_set **ret);

/* The set as canonical YAML, which parses to the same set: what `validate -v` prints. Selectors are
 * printed as resolved: with the project that the scope gives them, groups spelled out. */
void policy_set_print(const struct policy_set *set, struct buf *out);

/* "any", "host", "10.0.0.0/8 except 10.1.0.0/16", "{service: web}" … for messages. */
void policy_peer_print(const struct policy_document *doc, const struct policy_peer *peer,
		       struct buf *out);
void policy_selector_print(const struct policy_document *doc, const struct selector *s,
			   struct buf *out);
void policy_ports_print(const struct policy_ports *ports, struct buf *out); /* "8000-8100/tcp" */
/* "{from: web, to: db, ports: [5432/tcp]}": who, whom and at which ports, without name, log and limit; groups by their names. */
void policy_rule_print(const struct policy_document *doc, const struct policy_rule *rule,
		       struct buf *out);
/* Tells the rules of a document apart by what they say: stays when lines move, or the rule gets another name, log or limit. */
uint64_t policy_rule_key(const struct policy_document *doc, const struct policy_rule *rule);

/* NAME as YAML, and as a pattern that matches that name alone. What is no UTF-8 becomes '?'. */
void policy_name_print(const char *name, struct buf *out);
/* Whether a group may be called so: no word of the language, nothing that looks like an address. */
bool policy_may_name_group(const char *text);

/* Reads "5432", "53/udp", "53/tcp+udp", "8000-8100", "tcp", "icmp" …, appending to *RET. Returns 0 or
 * -EINVAL with what is wrong in ERR (a port of 0, a range that runs backwards, an unknown protocol). */
int policy_ports_parse(const char *text, struct policy_ports **ret, size_t *ret_len,
		       struct error *err);

/* ---- settings ---- */

enum policy_default { DEFAULT_ALLOW, DEFAULT_DENY, DEFAULT_LOCAL, DEFAULT_AUDIT };
enum policy_refusal { REFUSE_REJECT, REFUSE_DROP };
enum settings_flows { FLOWS_AUTO, FLOWS_ALWAYS, FLOWS_NEVER };
enum overlay_plaintext { PLAINTEXT_ALERT, PLAINTEXT_DENY_ENCRYPTED, PLAINTEXT_DENY };
/* Where lines of what is seen go besides, and which: each takes in the ones before. */
enum output_to { OUTPUT_NONE, OUTPUT_FILE, OUTPUT_SYSLOG, OUTPUT_JOURNAL };
enum output_what { OUTPUT_REFUSED, OUTPUT_LOGGED, OUTPUT_ALL };

/* COUNT within UNIT raises an alert; 0: never. */
struct settings_alert {
	uint32_t count;
	enum policy_unit unit;
};

/* Findings of `check` that are known and accepted. */
struct settings_suppression {
	struct policy_where where;
	char *id;      /* of the check; which there are is not known here */
	char *subject; /* a glob, as a selector's; NULL: every one */
	char *reason;
	time_t until; /* from then on it holds no more */
};

#define POLICY_REGISTRY_MAX 255 /* bytes of a glob of `registries` */

struct settings {
	char *docker;				/* unix:///var/run/docker.sock or tcp://HOST:PORT */
	char *tls_ca, *tls_cert, *tls_key;	/* NULL without TLS */
	char *policies;				/* the policy directory */
	char *control;				/* the control socket */
	char *state;				/* a folder; NULL: by the control socket */
	enum policy_mode mode;			/* POLICY_ENFORCE or POLICY_AUDIT */
	enum policy_default containers;		/* ALLOW, DENY */
	enum policy_default unknown;		/* DENY, AUDIT, ALLOW */
	enum policy_default publish;		/* ALLOW, DENY, LOCAL */
	enum policy_default containers_to_host; /* ALLOW, DENY */
	enum policy_default host_to_containers; /* ALLOW, DENY */
	enum policy_refusal refuse_containers, refuse_world;
	bool antispoof;
	bool counters; /* a counter in every element */
	bool watch;    /* changed files are taken up by themselves */
	enum overlay_plaintext plaintext;
	bool deny_strangers;
	uint32_t log_rate; /* packets a unit; 0: no log */
	enum policy_unit log_unit;
	uint32_t log_burst;
	uint16_t log_group; /* NFLOG group, 86 */
	enum output_to output_to;
	char *output_path; /* the file or the collector's socket; NULL: OUTPUT_NONE */
	enum output_what output_what;
	struct settings_alert alert_scan, alert_flood;
	bool alert_spoofing, alert_new_flows;
	char *webhook;		   /* a secret; NULL: none */
	enum settings_flows flows; /* when flows that pass are followed; auto: if somebody asks */
	char *metrics;		   /* NULL: off */
	uint32_t unused_days;	   /* a rule without a hit for so long is a finding; 0: none is */
	struct settings_suppression *suppressions;
	size_t nsuppressions;
	/* Where images may be from: globs over "docker.io/library/nginx" or a folder of that, of which a `*` does not
	 * pass a '/'. None: from anywhere. */
	char **registries;
	size_t nregistries;
	uint32_t image_days; /* an image that is older is a finding; 0: none is */
	char *file; /* where they were read from, for messages and the files' names; or NULL */
	struct policy_where defaults_where; /* of `defaults:`, or of `preset:`; line 0 if absent */
};

/* The settings of a host without a settings file. */
struct settings *settings_new(void);
void settings_free(struct settings *s);

/* Reads TEXT as settings. Returns NULL where P gained errors. */
struct settings *settings_parse(const char *file, const char *text, size_t len,
				struct policy_problems *p);

/* Reads PATH; one that is not there gives the defaults, unless REQUIRED. Returns as policy_load(). */
int settings_load(const char *path, bool required, struct policy_problems *p, struct settings **ret,
		  struct error *err);

/* The same; KEEP (empty before) gets the file as it was read, and stays empty where there is none. */
int settings_load_keeping(const char *path, bool required, struct policy_problems *p,
			  struct settings **ret, struct policy_file *keep, struct error *err);

/* The settings of a file that was kept; of one without a name, the defaults. NULL with errors in P. */
struct settings *settings_of_file(const struct policy_file *file, struct policy_problems *p);

static inline void policy_cleanup_set(struct policy_set **set)
{
	policy_set_free(*set);
}

static inline void policy_cleanup_settings(struct settings **s)
{
	settings_free(*s);
}

#define CLEANUP_POLICY_SET __attribute__((cleanup(policy_cleanup_set)))
#define CLEANUP_SETTINGS   __attribute__((cleanup(policy_cleanup_settings)))
