#include "jobs.h"

#include <string.h>

#include "quaywall/mem.h"

static bool is_job(const struct job *job, enum job_kind kind, const char *id)
{
	return job->kind == kind && (!id || !strcmp(job->id, id));
}

bool jobs_add(struct jobs *j, enum job_kind kind, const char *id, bool listing)
{
	struct job *job;

	for (size_t i = j->begin; i < j->len; i++) {
		if (is_job(j->items[i], kind, id))
			return false;
	}
	job = mem_new(1, sizeof(*job));
	job->kind = kind;
	job->id = mem_strdup(id);
	job->listing = listing;
	j->items = mem_grow(j->items, &j->cap, j->len + 1, sizeof(*j->items));
	j->items[j->len++] = job;
	return true;
}

struct job *jobs_take(struct jobs *j)
{
	struct job *job;

	if (j->begin == j->len)
		return NULL;
	job = j->items[j->begin++];
	if (j->begin == j->len)
		j->begin = j->len = 0;
	return job;
}

bool jobs_wait(const struct jobs *j)
{
	return j->begin < j->len;
}

size_t jobs_count(const struct jobs *j)
{
	return j->len - j->begin;
}

void jobs_done(struct jobs *j)
{
	while (j->begin < j->len)
		job_free(j->items[j->begin++]);
	free(j->items);
	*j = (struct jobs) {0};
}

void job_free(struct job *job)
{
	if (!job)
		return;
	free(job->id);
	free(job);
}
