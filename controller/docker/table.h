/*
 * table: the engine's objects of one kind by their id, and when what is held of each was asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/model.h"

/* One of the engine's objects. */
struct entry {
	char *id;
	uint64_t asked;
	/* Networks: it and its endpoints, all of them shared; an endpoint's `container` is where that was in the table when
	 * it was looked for last. Containers: shared. NULL: gone, or of another kind. */
	struct model *piece;
	struct model_container *container;
	size_t place;	  /* containers: where it stands in the model made last */
	bool image_known; /* containers: their image's labels are, which are kept while it is used */
	bool known;	  /* images: their labels are */
	bool bound;	  /* containers: their bindings are known, or were asked for */
	struct model_label *labels; /* images */
	size_t nlabels;
};

/* Sorted by id. Entries that are gone stay as long as what was asked for before may still be answered, and what was
 * asked before they were swept cannot make a new one: an answer that was on its way meanwhile does not bring the
 * object back. */
struct table {
	struct entry *items;
	size_t len, cap;
	uint64_t floor; /* the last table_sweep_gone()'s ASKED */
};

void entry_done(struct entry *e);

void table_done(struct table *t);
struct entry *table_find(const struct table *t, const char *id); /* NULL: there is none */
/* The same for one that was at *PLACE, or beside it, when it was looked for last; *PLACE is where it is now. */
struct entry *table_find_again(const struct table *t, const char *id, size_t *place);
/* That of ID, made if there is none. */
struct entry *table_add(struct table *t, const char *id);

/* ID is gone, as was asked for at ASKED. Whether it was there. */
bool table_drop(struct table *t, const char *id, uint64_t asked);

/* Removes the entries that GOES says so of. */
void table_sweep(struct table *t, bool (*goes)(const struct entry *e, const void *data),
		 const void *data);
/* Nothing that was asked for before ASKED is of use any more: a full listing of then ended, or all was answered. */
void table_sweep_gone(struct table *t, uint64_t asked);
