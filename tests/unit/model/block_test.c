#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "build.h"

#define COPIES 2000 /* of each thread */

static struct model *one_of_each(void)
{
	struct model *m = model_new();
	size_t net = build_network(m, "n1", "br-1");
	size_t web = build_container(m, "c1", "web");

	build_label(&m->containers[web], "b", "2", true);
	build_label(&m->containers[web], "a", "1", false);
	build_port(&m->containers[web], IPPROTO_UDP, 53, "0.0.0.0");
	build_port(&m->containers[web], IPPROTO_TCP, 8080, "::");
	build_endpoint(m, "e1", net, web);
	m->networks[net].vnis = mem_new(3, sizeof(uint32_t));
	m->networks[net].nvnis = 3;
	memcpy(m->networks[net].vnis, (uint32_t[]) {2, 1, 2}, 3 * sizeof(uint32_t));
	return m;
}

static void test_copies_share(void **state)
{
	CLEANUP_MODEL struct model *m = one_of_each();
	CLEANUP_MODEL struct model *first = model_copy(m), *second = model_copy(first);

	(void)state;
	/* What is an object's own is never another's. */
	assert_ptr_not_equal(first->containers[0].id, m->containers[0].id);
	assert_ptr_equal(first->containers[0].id, second->containers[0].id);
	assert_ptr_equal(first->containers[0].labels, second->containers[0].labels);
	assert_ptr_equal(first->networks[0].id, second->networks[0].id);
	assert_ptr_equal(first->endpoints[0].id, second->endpoints[0].id);
	/* Of an endpoint each model has its own relations. */
	second->endpoints[0].container = MODEL_NONE;
	memcpy(second->endpoints[0].port, "veth0", sizeof("veth0"));
	assert_int_equal(first->endpoints[0].container, 0);
	assert_string_equal(first->endpoints[0].port, "");
}

static void test_a_block_outlives_who_made_it(void **state)
{
	struct model *m = one_of_each(), *first = model_copy(m);
	CLEANUP_MODEL struct model *second = model_copy(first);

	(void)state;
	/* The address sanitizer would see what went too early, or never. */
	model_free(m);
	model_free(first);
	assert_string_equal(second->containers[0].network_mode, "default");
	assert_string_equal(second->networks[0].name, "net-n1");
	assert_null(second->networks[0].gateway_mode4);
	assert_null(second->networks[0].subnets);
	assert_string_equal(second->endpoints[0].name, "e1");
}

static void test_a_block_is_sorted(void **state)
{
	CLEANUP_MODEL struct model *m = one_of_each();
	CLEANUP_MODEL struct model *copy = model_copy(m);
	const struct model_container *c = &copy->containers[0];

	(void)state;
	assert_string_equal(c->labels[0].key, "a");
	assert_string_equal(c->labels[1].value, "2");
	assert_true(c->labels[1].from_image);
	assert_int_equal(c->ports[0].protocol, IPPROTO_TCP);
	assert_int_equal(copy->networks[0].nvnis, 2);
	assert_int_equal(copy->networks[0].vnis[1], 2);
}

/* As the header says: a copy without the block, which points to what is new. */
static void test_changing_makes_another(void **state)
{
	CLEANUP_MODEL struct model *m = one_of_each();
	CLEANUP_MODEL struct model *copy = model_copy(m);
	struct model_container other = copy->containers[0], shared;
	char name[] = "db";

	(void)state;
	other.block = NULL;
	other.name = name;
	shared = model_container_share(&other);
	assert_ptr_not_equal(shared.id, copy->containers[0].id);
	assert_string_equal(shared.name, "db");
	assert_string_equal(shared.image, "image");
	assert_string_equal(copy->containers[0].name, "web");
	model_container_done(&shared);
}

static void *copy_and_free(void *data)
{
	for (size_t i = 0; i < COPIES; i++) {
		CLEANUP_MODEL struct model *copy = model_copy(data);
		CLEANUP_MODEL struct model *again = model_copy(copy);

		if (strcmp(again->containers[0].labels[0].value, "1"))
			return data;
	}
	return NULL;
}

/* Each with a model of its own, of the same blocks; the first that is freed is not the last. */
static void test_three_threads(void **state)
{
	CLEANUP_MODEL struct model *m = one_of_each();
	struct model *models[3] = {model_copy(m)};
	pthread_t threads[ARRAY_SIZE(models)];

	(void)state;
	models[1] = model_copy(models[0]);
	models[2] = model_copy(models[0]);
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, copy_and_free, models[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		void *wrong = NULL;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
		model_free(models[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_share),
		cmocka_unit_test(test_a_block_outlives_who_made_it),
		cmocka_unit_test(test_a_block_is_sorted),
		cmocka_unit_test(test_changing_makes_another),
		cmocka_unit_test(test_three_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
