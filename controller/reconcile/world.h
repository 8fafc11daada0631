/*
 * world: everything that the rules are made from, at one instant, and the result.
 *
 * A new one is made beside the one in force, sharing with it what did not change, and takes its
 * place only when it was found good. So the one in force is never half changed.
 */
#pragma once

#include "quaywall/compile.h"
#include "quaywall/error.h"
#include "quaywall/host.h"
#include "quaywall/model.h"
#include "quaywall/policy.h"
#include "quaywall/reconcile.h"
#include "sources.h"

struct world {
	struct sources *sources; /* what settings and policies were read from */
	struct settings *settings;
	struct policy_set *policies; /* NULL: no set was ever good */
	struct model *model;	     /* NULL: the engine was never listed */
	struct compiled *compiled;   /* NULL while one of the others is */
};

/* Reads settings and policies into W (empty before). Returns 0; -EINVAL with errors in P; another
 * negative errno with ERR where something cannot be read. W is to be dropped in any case. */
int world_load(struct world *w, const struct reconcile_options *options, struct policy_problems *p,
	       struct error *err);

/* The same from sources that were kept, which stay the caller's; W gets a copy. */
int world_load_sources(struct world *w, const struct reconcile_options *options,
		       const struct sources *sources, struct policy_problems *p);

/* The settings, or, where they are wrong, the defaults with the options laid over them: good for
 * finding the engine and the control socket, not for judging anything. The caller frees. */
struct settings *world_places(const struct reconcile_options *options);

/* The folder for what a restart must not forget. The caller frees. */
char *world_state_folder(const struct settings *s);

/* Compiles W, whose three inputs are there. -EINVAL with errors in P. P may be NULL: then what is
 * wrong with this model alone is left out instead. */
int world_compile(struct world *w, struct policy_problems *p);

/* Frees what W does not share with OTHER (NULL: all of it). */
void world_drop(struct world *w, const struct world *other);

/* NEXT takes the place of W, whose unshared parts are freed. */
void world_replace(struct world *w, struct world *next);

/* A model of the bridges that H has and that look like the engine's (docker0, docker_gwbridge,
 * br-<12 hex digits>), with their subnets and no endpoint: what fails closed while the engine is
 * away. */
int world_skeleton(struct host *h, struct model **ret, struct error *err);
