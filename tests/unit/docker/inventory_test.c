#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

#include "../../../controller/docker/documents.h"
#include "../../../controller/docker/inventory.h"

/* A network N1 with one endpoint ID of the container KEY. */
static struct model *network(const char *key, const char *id)
{
	CLEANUP_FREE char *text = mem_printf(
		"{\"Id\": \"n1\", \"Name\": \"front\", \"Driver\": \"bridge\", \"Scope\": \"local\", "
		"\"IPAM\": {}, \"Containers\": {\"%s\": {\"EndpointID\": \"%s\"}}}",
		key, id);
	struct model *m = NULL;

	assert_int_equal(documents_network("n", text, strlen(text), &m, NULL), 0);
	return m;
}

static struct model *container(const char *id, const char *name)
{
	CLEANUP_FREE char *text = mem_printf(
		"[{\"Id\": \"%s\", \"Names\": [\"/%s\"], \"Image\": \"box\", \"ImageID\": \"sha256:aa\", "
		"\"State\": \"running\", \"Labels\": {\"a\": \"1\", \"b\": \"2\"}}]",
		id, name);
	struct model *m = NULL;

	assert_int_equal(documents_containers("c", text, strlen(text), &m, NULL), 0);
	return m;
}

/* "ENDPOINT=CONTAINER'S NAME", for all endpoints; "?" for no container. */
static void endpoints_are(struct inventory *v, const char *want)
{
	CLEANUP_MODEL struct model *m = inventory_model(v);
	CLEANUP_BUF struct buf text = BUF_INIT;

	for (size_t i = 0; i < m->nendpoints; i++) {
		size_t c = m->endpoints[i].container;

		buf_printf(&text, "%s%s=%s", i ? " " : "", m->endpoints[i].id,
			   c == MODEL_NONE ? "?" : m->containers[c].name);
		assert_true(m->endpoints[i].network < m->nnetworks);
	}
	assert_string_equal(buf_text(&text), want);
}

static void test_answers_that_overtake_each_other(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();

	(void)state;
	assert_true(inventory_put_containers(v, container("c1", "new"), 5));
	assert_false(inventory_put_containers(v, container("c1", "old"), 4));
	assert_true(inventory_put_network(v, network("c1", "e1"), 5));
	assert_false(inventory_put_network(v, network("c1", "e0"), 3));
	endpoints_are(v, "e1=new");
	assert_true(inventory_drop_container(v, "c1", 7));
	assert_false(inventory_put_containers(v, container("c1", "old"), 6));
	endpoints_are(v, "e1=?");
	assert_true(inventory_drop_network(v, "n1", 7));
	assert_false(inventory_put_network(v, network("c1", "e1"), 6));
	endpoints_are(v, "");
}

static void test_same_answer_changes_nothing(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();

	(void)state;
	inventory_put_containers(v, container("c1", "web"), 1);
	inventory_put_network(v, network("c1", "e1"), 2);
	assert_false(inventory_put_containers(v, container("c1", "web"), 3));
	assert_false(inventory_put_network(v, network("c1", "e1"), 4));
	assert_true(inventory_put_containers(v, container("c1", "db"), 5));
	assert_true(inventory_put_network(v, network("c1", "e2"), 6));
	assert_true(inventory_put_network(v, network("c2", "e2"), 7));
}

/* The address of the old endpoint may be the new one's already. */
static void test_detach(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();

	(void)state;
	inventory_put_containers(v, container("c1", "web"), 1);
	inventory_put_network(v, network("c1", "e1"), 2);
	assert_false(inventory_detach(v, "n1", "c2", 3));
	assert_false(inventory_detach(v, "n2", "c1", 3));
	assert_true(inventory_detach(v, "n1", "c1", 4));
	endpoints_are(v, "");
	/* An answer that was asked before the event does not bring it back. */
	assert_false(inventory_put_network(v, network("c1", "e1"), 3));
	endpoints_are(v, "");
	assert_true(inventory_put_network(v, network("c1", "e2"), 5));
	endpoints_are(v, "e2=web");
}

/* The engine lists published ports when a start is over; they are open long before. */
static void test_published_ports_outlast_a_restart(void **state)
{
	static const char up[] =
		"[{\"Id\": \"c1\", \"Names\": [\"/web\"], \"Image\": \"box\", \"ImageID\": \"sha256:aa\", "
		"\"State\": \"running\", \"Labels\": {}, \"Ports\": [{\"IP\": \"0.0.0.0\", "
		"\"PrivatePort\": 80, \"PublicPort\": 8080, \"Type\": \"tcp\"}]}]";
	static const char down[] =
		"[{\"Id\": \"c1\", \"Names\": [\"/web\"], \"Image\": \"box\", \"ImageID\": \"sha256:aa\", "
		"\"State\": \"exited\", \"Labels\": {}, \"Ports\": []}]";
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	CLEANUP_MODEL struct model *m = NULL;
	struct model *piece = NULL;

	(void)state;
	assert_int_equal(documents_containers("c", up, strlen(up), &piece, NULL), 0);
	inventory_put_containers(v, piece, 1);
	assert_int_equal(documents_containers("c", down, strlen(down), &piece, NULL), 0);
	inventory_put_containers(v, piece, 2);
	m = inventory_model(v);
	assert_false(m->containers[0].running);
	assert_int_equal(m->containers[0].nports, 1);
	assert_int_equal(m->containers[0].ports[0].host_port, 8080);
}

/* Until the image is known, nobody can tell whether `project` came from it: then the container would be
 * taken for one that no policy governs. */
static void test_identity_waits_for_the_image(void **state)
{
	static const char text[] =
		"[{\"Id\": \"c1\", \"Names\": [\"/db\"], \"Image\": \"box\", "
		"\"ImageID\": \"sha256:aa\", \"State\": \"running\", \"Labels\": "
		"{\"com.docker.compose.project\": \"shop\"}}]";
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	struct model *m = NULL;

	(void)state;
	assert_int_equal(documents_containers("c", text, strlen(text), &m, NULL), 0);
	inventory_put_containers(v, m, 1);
	inventory_put_network(v, network("c1", "e1"), 2);
	endpoints_are(v, "e1=?");
	inventory_miss_image(v, "sha256:aa"); /* it could not be read */
	endpoints_are(v, "e1=?");
	assert_true(inventory_put_image(v, "sha256:aa", NULL, 0, 1));
	endpoints_are(v, "e1=db");
	assert_false(inventory_put_image(v, "sha256:aa", NULL, 0, 2));
	/* The image is forgotten with its last container, which may come back. */
	assert_true(inventory_drop_container(v, "c1", 3));
	inventory_prune_images(v);
	assert_int_equal(documents_containers("c", text, strlen(text), &m, NULL), 0);
	inventory_put_containers(v, m, 4);
	endpoints_are(v, "e1=?");
	inventory_put_image(v, "sha256:aa", NULL, 0, 5);
	endpoints_are(v, "e1=db");
}

static void add_text(void *data, const char *id)
{
	buf_printf(data, "%s ", id);
}

static void test_missing_containers(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	CLEANUP_BUF struct buf missing = BUF_INIT;

	(void)state;
	inventory_put_network(v, network("c1", "e1"), 1);
	endpoints_are(v, "e1=?");
	inventory_missing_containers(v, "n1", add_text, &missing);
	assert_string_equal(buf_text(&missing), "c1 ");
	buf_truncate(&missing, 0);
	inventory_put_containers(v, container("c1", "web"), 2);
	inventory_missing_containers(v, "n1", add_text, &missing);
	assert_string_equal(buf_text(&missing), "");
	/* What is no container is not looked for. */
	inventory_put_network(v, network("lb-front", "e1"), 3);
	inventory_missing_containers(v, "n1", add_text, &missing);
	assert_string_equal(buf_text(&missing), "");
	endpoints_are(v, "e1=?");
}

static void test_full_listing(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	char *ids[] = {"n0", "n2"}, *with[] = {"n1"};

	(void)state;
	inventory_put_containers(v, container("c1", "old"), 1);
	inventory_put_network(v, network("c1", "e1"), 1);
	inventory_put_containers(v, container("c2", "fresh"),
				 4); /* created while the list was made */
	inventory_put_containers(v, container("c3", "listed"), 3);
	assert_true(inventory_keep_containers(v, 3));
	assert_false(inventory_keep_containers(v, 3));
	endpoints_are(v, "e1=?");
	assert_false(inventory_keep_networks(v, with, 1, 5));
	assert_true(inventory_keep_networks(v, ids, 2, 5));
	endpoints_are(v, "");
	{
		CLEANUP_MODEL struct model *m = inventory_model(v);

		assert_int_equal(m->ncontainers, 2);
		assert_string_equal(m->containers[0].name, "fresh");
	}
}

static struct model_label *labels(const char *key, const char *value)
{
	struct model_label *l = mem_new(1, sizeof(*l));

	l->key = mem_strdup(key);
	l->value = mem_strdup(value);
	return l;
}

/* "ab" where the labels a and b are the image's. */
static void from_image_are(struct inventory *v, const char *want)
{
	CLEANUP_MODEL struct model *m = inventory_model(v);
	char text[3] = "";

	for (size_t i = 0; i < m->containers[0].nlabels; i++) {
		if (m->containers[0].labels[i].from_image)
			strncat(text, m->containers[0].labels[i].key, 1);
	}
	assert_string_equal(text, want);
}

static void test_image_labels(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new(), *next = inventory_new();
	CLEANUP_BUF struct buf missing = BUF_INIT;

	(void)state;
	inventory_put_containers(v, container("c1", "web"), 1);
	from_image_are(v, "ab"); /* any may be, as long as nobody knows */
	inventory_missing_images(v, add_text, &missing);
	assert_string_equal(buf_text(&missing), "sha256:aa ");
	assert_false(inventory_miss_image(v, "sha256:aa"));
	from_image_are(v, "ab");
	inventory_prune_images(v); /* so that it is asked for again */
	buf_truncate(&missing, 0);
	inventory_missing_images(v, add_text, &missing);
	assert_string_equal(buf_text(&missing), "sha256:aa ");

	assert_true(inventory_put_image(v, "sha256:aa", labels("a", "1"), 1, 2));
	from_image_are(v, "a");
	assert_true(inventory_put_image(v, "sha256:aa", labels("a", "other"), 1, 4));
	from_image_are(v, "");
	assert_false(inventory_put_image(v, "sha256:aa", labels("a", "1"), 1, 3)); /* overtaken */
	assert_false(inventory_miss_image(v, "sha256:aa")); /* removed under its container */
	from_image_are(v, "");
	inventory_put_image(v, "sha256:aa", labels("b", "2"), 1, 5);
	inventory_put_image(v, "sha256:bb", labels("b", "2"), 1, 5);
	inventory_prune_images(v);
	inventory_take_images(next, v);
	inventory_put_containers(next, container("c1", "web"), 1);
	from_image_are(next, "b");
	buf_truncate(&missing, 0);
	inventory_missing_images(next, add_text, &missing);
	assert_string_equal(buf_text(&missing), "");
	/* A session counts from the beginning. */
	assert_true(inventory_put_image(next, "sha256:aa", labels("a", "1"), 1, 1));
	from_image_are(next, "a");
}

static void test_images_are_read_again_in_turn(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	CLEANUP_BUF struct buf again = BUF_INIT;

	(void)state;
	inventory_put_image(v, "sha256:aa", NULL, 0, 3);
	inventory_put_image(v, "sha256:bb", NULL, 0, 1);
	inventory_put_image(v, "sha256:cc", NULL, 0, 2);
	inventory_miss_image(v, "sha256:dd"); /* it is asked for anyway */
	inventory_oldest_images(v, 2, add_text, &again);
	assert_string_equal(buf_text(&again), "sha256:bb sha256:cc ");
	inventory_put_image(v, "sha256:bb", NULL, 0, 4);
	buf_truncate(&again, 0);
	inventory_oldest_images(v, 9, add_text, &again);
	assert_string_equal(buf_text(&again), "sha256:cc sha256:aa sha256:bb ");
}

/* Nor does what was found gone, when nothing is kept of it any more. */
static void test_an_answer_behind_a_sweep(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();

	(void)state;
	inventory_put_network(v, network("c1", "e1"), 1);
	inventory_put_containers(v, container("c1", "web"), 2);
	assert_true(inventory_drop_container(v, "c1", 5));
	inventory_sweep_containers(v, 4); /* what was asked for at 4 is still to come */
	assert_false(inventory_put_containers(v, container("c1", "web"), 4));
	assert_true(inventory_put_containers(v, container("c2", "db"), 4));
	inventory_sweep_containers(v, 6);
	assert_false(inventory_put_containers(v, container("c1", "web"), 4));
	endpoints_are(v, "e1=?");
	assert_true(inventory_put_containers(v, container("c1", "web"), 6));
	endpoints_are(v, "e1=web");
	assert_false(inventory_put_containers(v, container("c2", "db"), 6));
}

/* What a full listing did not name does not come back by an answer that was asked for before. */
static void test_an_answer_behind_a_full_listing(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	char *ids[] = {"n2"};

	(void)state;
	inventory_put_containers(v, container("c1", "web"), 1);
	inventory_put_network(v, network("c1", "e1"), 1);
	inventory_keep_containers(v, 4);
	inventory_keep_networks(v, ids, 1, 4);
	inventory_keep_containers(v, 6); /* and nothing is kept of it */
	inventory_keep_networks(v, ids, 1, 6);
	assert_false(inventory_put_containers(v, container("c1", "web"), 3));
	assert_false(inventory_put_network(v, network("c1", "e1"), 3));
	endpoints_are(v, "");
	assert_true(inventory_put_containers(v, container("c1", "web"), 7));
	assert_true(inventory_put_network(v, network("c1", "e1"), 7));
	endpoints_are(v, "e1=web");
}

static const struct model_endpoint *endpoint_of(const struct model *m, const char *id)
{
	size_t at = model_find_endpoint(m, id);

	assert_true(at != MODEL_NONE);
	return &m->endpoints[at];
}

/* Who takes model after model sees by a pointer what is new. */
static void test_what_is_told_again_is_the_same_block(void **state)
{
	static const char two[] =
		"{\"Id\": \"n1\", \"Name\": \"front\", \"Driver\": \"bridge\", \"Scope\": \"local\", "
		"\"IPAM\": {}, \"Containers\": {\"c1\": {\"EndpointID\": \"e1\"}, "
		"\"c2\": {\"EndpointID\": \"e2\"}}}";
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	CLEANUP_MODEL struct model *before = NULL, *again = NULL, *after = NULL;
	struct model *piece = NULL;

	(void)state;
	inventory_put_containers(v, container("c1", "web"), 1);
	inventory_put_containers(v, container("c2", "db"), 1);
	inventory_put_network(v, network("c1", "e1"), 1);
	before = inventory_model(v);

	inventory_put_containers(v, container("c1", "web"), 2);
	inventory_put_network(v, network("c1", "e1"), 2);
	again = inventory_model(v);
	for (size_t i = 0; i < 2; i++)
		assert_ptr_equal(again->containers[i].id, before->containers[i].id);
	assert_ptr_equal(again->networks[0].id, before->networks[0].id);
	assert_ptr_equal(again->endpoints[0].id, before->endpoints[0].id);

	/* One is renamed, and one more is in the network. */
	inventory_put_containers(v, container("c2", "base"), 3);
	assert_int_equal(documents_network("n", two, strlen(two), &piece, NULL), 0);
	assert_true(inventory_put_network(v, piece, 3));
	after = inventory_model(v);
	assert_ptr_equal(after->containers[0].id, before->containers[0].id);
	assert_ptr_not_equal(after->containers[1].id, before->containers[1].id);
	assert_string_equal(before->containers[1].name, "db");
	assert_ptr_equal(after->networks[0].id, before->networks[0].id);
	assert_ptr_equal(endpoint_of(after, "e1")->id, endpoint_of(before, "e1")->id);

	/* The labels of an image that is read are another matter for its containers. */
	model_free(again);
	inventory_put_image(v, "sha256:aa", labels("a", "1"), 1, 4);
	again = inventory_model(v);
	assert_ptr_not_equal(again->containers[0].id, after->containers[0].id);
	assert_true(after->containers[0].labels[1].from_image);
	assert_false(again->containers[0].labels[1].from_image);
}

/* ---- a random walk ---- */

#define CONTAINERS 40
#define NETWORKS   4
#define STEPS	   2000

struct walk {
	struct inventory *v;
	bool container[CONTAINERS], at[NETWORKS][CONTAINERS];
	uint64_t asked;
};

/* A network as the walk has it. */
static struct model *walk_network(const struct walk *w, unsigned n)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct model *m = NULL;
	const char *comma = "";

	buf_printf(&text,
		   "{\"Id\": \"n%u\", \"Name\": \"n%u\", \"Driver\": \"bridge\", \"Scope\": "
		   "\"local\", \"IPAM\": {}, \"Containers\": {",
		   n, n);
	for (unsigned c = 0; c < CONTAINERS; c++) {
		if (!w->at[n][c])
			continue;
		/* Of two networks the endpoints alternate. */
		buf_printf(&text, "%s\"c%02u\": {\"EndpointID\": \"e%03u\"}", comma, c,
			   (c * 7 + n) % 1000);
		comma = ", ";
	}
	buf_str(&text, "}}");
	assert_int_equal(documents_network("n", buf_text(&text), text.len, &m, NULL), 0);
	return m;
}

static void walk_step(struct walk *w)
{
	unsigned c = (unsigned)rand() % CONTAINERS, n = (unsigned)rand() % NETWORKS;
	CLEANUP_FREE char *id = mem_printf("c%02u", c), *network = mem_printf("n%u", n);

	w->asked++;
	switch (rand() % 6) {
	case 0:
		inventory_put_containers(w->v, container(id, id), w->asked);
		w->container[c] = true;
		break;
	case 1:
		inventory_drop_container(w->v, id, w->asked);
		w->container[c] = false;
		break;
	case 2:
		inventory_sweep_containers(w->v, w->asked);
		break;
	case 3:
		inventory_detach(w->v, network, id, w->asked);
		w->at[n][c] = false;
		break;
	default:
		w->at[n][c] = !w->at[n][c];
		inventory_put_network(w->v, walk_network(w, n), w->asked);
	}
}

/* Each endpoint has the container of its key, if that is there, and the network that lists it. */
static void check_walk(const struct walk *w)
{
	CLEANUP_MODEL struct model *m = inventory_model(w->v);
	size_t containers = 0, endpoints = 0;

	for (size_t c = 0; c < CONTAINERS; c++) {
		containers += w->container[c];
		for (size_t n = 0; n < NETWORKS; n++)
			endpoints += w->at[n][c];
	}
	assert_int_equal(m->ncontainers, containers);
	assert_int_equal(m->nendpoints, endpoints);
	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *e = &m->endpoints[i];
		unsigned c = (unsigned)strtoul(e->key + 1, NULL, 10);
		unsigned n = (unsigned)strtoul(m->networks[e->network].id + 1, NULL, 10);

		assert_true(w->at[n][c]);
		assert_true(i == 0 || strcmp(m->endpoints[i - 1].id, e->id) < 0);
		if (w->container[c])
			assert_string_equal(m->containers[e->container].id, e->key);
		else
			assert_true(e->container == MODEL_NONE);
	}
}

/* Where a container stood last is where it is looked for first. */
static void test_a_random_walk(void **state)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	struct walk w = {.v = v};

	(void)state;
	srand(1);
	for (size_t i = 0; i < STEPS; i++) {
		walk_step(&w);
		/* Some models are made of several changes. */
		if (rand() % 3)
			check_walk(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_that_overtake_each_other),
		cmocka_unit_test(test_same_answer_changes_nothing),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_missing_containers),
		cmocka_unit_test(test_full_listing),
		cmocka_unit_test(test_published_ports_outlast_a_restart),
		cmocka_unit_test(test_identity_waits_for_the_image),
		cmocka_unit_test(test_image_labels),
		cmocka_unit_test(test_images_are_read_again_in_turn),
		cmocka_unit_test(test_an_answer_behind_a_sweep),
		cmocka_unit_test(test_an_answer_behind_a_full_listing),
		cmocka_unit_test(test_what_is_told_again_is_the_same_block),
		cmocka_unit_test(test_a_random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
