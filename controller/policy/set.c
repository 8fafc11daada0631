#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

struct policy_set *policy_set_new(void)
{
	return mem_new(1, sizeof(struct policy_set));
}

void policy_set_free(struct policy_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->ndocuments; i++)
		document_done(&set->documents[i]);
	for (size_t i = 0; i < set->nfiles; i++)
		free(set->files[i]);
	free(set->documents);
	free(set->files);
	free(set);
}

/* The set's own copy of a file's name: every `where` points at it. */
static const char *add_file(struct policy_set *set, const char *file)
{
	set->files = array_grow(set->files, set->nfiles, sizeof(char *));
	set->files[set->nfiles] = mem_strdup(file);
	return set->files[set->nfiles++];
}

void policy_parse(struct policy_set *set, const char *file, const char *text, size_t len,
		  struct policy_problems *p)
{
	struct yaml_documents documents CLEANUP_YAML = {0};
	size_t before = p->len;

	yaml_read(add_file(set, file), text, len, p, &documents);
	for (size_t i = 0; i < documents.len; i++)
		document_read(set, documents.items[i], p);
	problems_sort(p, before);
}

static int compare_names(const void *a, const void *b)
{
	const struct policy_document *x = *(const struct policy_document *const *)a,
				     *y = *(const struct policy_document *const *)b;
	int c = strcmp(x->name, y->name);
	return c ? c : (x > y) - (x < y); /* in the order of files and lines */
}

/* Marks in FIRST, at the index of each document whose name another had before, that other one. */
static void find_duplicates(const struct policy_set *set, const struct policy_document **first)
{
	const struct policy_document **named CLEANUP_FREE =
		mem_new(set->ndocuments, sizeof(*named));
	size_t len = 0;

	for (size_t i = 0; i < set->ndocuments; i++)
		if (set->documents[i].name)
			named[len++] = &set->documents[i];
	qsort(named, len, sizeof(*named), compare_names);
	for (size_t i = 1, same = 0; i < len; i++) {
		if (strcmp(named[same]->name, named[i]->name) == 0)
			first[named[i] - set->documents] = named[same];
		else
			same = i;
	}
}

void policy_set_check(const struct policy_set *set, struct policy_problems *p)
{
	const struct policy_document **first CLEANUP_FREE =
		mem_new(set->ndocuments, sizeof(*first));
	size_t before = p->len;

	find_duplicates(set, first);
	for (size_t i = 0; i < set->ndocuments; i++) {
		const struct policy_document *doc = &set->documents[i];
		if (first[i])
			problem_error(p, &doc->where,
				      "duplicate policy \"%s\" (it stands in %s:%u already)",
				      doc->name, first[i]->where.file, first[i]->where.line);
	}
	if (p->len > before)
		problems_sort_files(p, set);
}
