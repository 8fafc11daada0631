#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../../controller/docker/jobs.h"

static void take(struct jobs *j, enum job_kind kind, const char *id)
{
	struct job *job = jobs_take(j);

	assert_non_null(job);
	assert_int_equal(job->kind, kind);
	if (id)
		assert_string_equal(job->id, id);
	job_free(job);
}

static void test_queue(void **state)
{
	struct jobs j = {0};

	(void)state;
	assert_false(jobs_wait(&j));
	assert_null(jobs_take(&j));
	assert_true(jobs_add(&j, JOB_NETWORK, "n1", false));
	assert_true(jobs_add(&j, JOB_CONTAINER, "n1", false)); /* another kind */
	assert_true(jobs_add(&j, JOB_NETWORK_LIST, NULL, true));
	assert_false(jobs_add(&j, JOB_NETWORK, "n1", false));
	assert_false(jobs_add(&j, JOB_NETWORK_LIST, NULL, true));
	take(&j, JOB_NETWORK, "n1");
	/* Its request is under way and may be answered with what was: so it can be queued again. */
	assert_true(jobs_add(&j, JOB_NETWORK, "n1", false));
	take(&j, JOB_CONTAINER, "n1");
	take(&j, JOB_NETWORK_LIST, NULL);
	assert_true(jobs_wait(&j));
	take(&j, JOB_NETWORK, "n1");
	assert_false(jobs_wait(&j));
	jobs_add(&j, JOB_IMAGE, "left over", false);
	jobs_done(&j);
	jobs_done(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
