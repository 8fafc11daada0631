#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"

#include "fake.h"

/* In vain only: a machine that is shared may stand still for seconds. */
#define WAIT_MS 30000

#define FRONT(containers)                                                                         \
	"{\"Id\": \"n1\", \"Name\": \"front\", \"Driver\": \"bridge\", \"Scope\": \"local\", "    \
	"\"IPAM\": {\"Config\": [{\"Subnet\": \"172.30.0.0/24\"}]}, \"Containers\": {" containers \
	"}}"
#define EMPTY(id)                                            \
	"{\"Id\": \"" id "\", \"Name\": \"" id               \
	"\", \"Driver\": \"bridge\", \"Scope\": \"local\", " \
	"\"IPAM\": {}}"
#define ENDPOINT(container, id, addr)                                                       \
	"\"" container "\": {\"EndpointID\": \"" id "\", \"Name\": \"x\", \"MacAddress\": " \
	"\"02:42:ac:1e:00:02\", \"IPv4Address\": \"" addr "/24\", \"IPv6Address\": \"\"}"
#define CONTAINER(id, name, labels)                                                          \
	"{\"Id\": \"" id "\", \"Names\": [\"/" name "\"], \"Image\": \"box\", \"ImageID\": " \
	"\"sha256:aa\", \"State\": \"running\", \"Ports\": [], \"Labels\": {" labels "}, "   \
	"\"HostConfig\": {\"NetworkMode\": \"front\"}}"
#define NETWORK_EVENT(action, network, container)                                            \
	"{\"Type\": \"network\", \"Action\": \"" action "\", \"Actor\": {\"ID\": \"" network \
	"\", \"Attributes\": {\"container\": \"" container "\", \"type\": \"bridge\"}}}"
#define CONTAINER_EVENT(action, container)                                                       \
	"{\"Type\": \"container\", \"Action\": \"" action "\", \"Actor\": {\"ID\": \"" container \
	"\", \"Attributes\": {}}}"

#define IMAGE(labels) "{\"Id\": \"sha256:aa\", \"Config\": {\"Labels\": {" labels "}}}"

struct bed {
	struct fake *fake;
	struct docker *docker;
	struct model *model; /* the newest */
	unsigned models;
};

static int setup(void **state)
{
	struct bed *b = mem_new(1, sizeof(*b));

	b->fake = fake_new();
	fake_image(b->fake, "sha256:aa", IMAGE("\"from\": \"image\""));
	fake_network(b->fake, "n1", FRONT(ENDPOINT("c1", "e1", "172.30.0.2")));
	fake_container(b->fake, "c1", CONTAINER("c1", "web", "\"from\": \"image\", \"a\": \"b\""));
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	docker_stop(b->docker);
	fake_free(b->fake);
	model_free(b->model);
	free(b);
	return 0;
}

static void start_every(struct bed *b, unsigned interval)
{
	struct docker_options o = {.url = fake_url(b->fake), .list_interval = interval};
	CLEANUP_ERROR struct error err = ERROR_INIT;

	assert_int_equal(docker_watch(&o, &b->docker, &err), 0);
}

static void start(struct bed *b)
{
	start_every(b, 600);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void give_up(struct bed *b)
{
	struct docker_status s;

	docker_status(b->docker, &s);
	fail_msg("waited in vain: state %d, %u models, %s", s.state, b->models,
		 s.error ? s.error : "no error");
}

/* Takes what comes until IS says yes. */
static void wait_until(struct bed *b, bool (*is)(struct bed *b))
{
	int64_t end = now_ms() + WAIT_MS;

	while (!is(b)) {
		struct pollfd p = {.fd = docker_fd(b->docker), .events = POLLIN};
		struct model *m;

		if (now_ms() > end)
			give_up(b);
		poll(&p, 1, 50);
		m = docker_take(b->docker);
		if (!m)
			continue;
		model_free(b->model);
		b->model = m;
		b->models++;
	}
}

static bool in_state(struct bed *b, enum docker_state state, const char *error)
{
	struct docker_status s;
	bool is;

	docker_status(b->docker, &s);
	is = s.state == state && (!error || (s.error && strstr(s.error, error)));
	docker_status_done(&s);
	return is;
}

static bool is_connected(struct bed *b)
{
	return in_state(b, DOCKER_CONNECTED, NULL) && b->model;
}

static unsigned long repaired(struct bed *b)
{
	struct docker_status s;

	docker_status(b->docker, &s);
	docker_status_done(&s);
	return s.repaired;
}

/* The container of endpoint ID as the newest model has it: NULL if there is no such endpoint, "" if it has
 * no container. */
static const char *name_of(struct bed *b, const char *id)
{
	size_t e = b->model ? model_find_endpoint(b->model, id) : MODEL_NONE;

	if (e == MODEL_NONE)
		return NULL;
	if (b->model->endpoints[e].container == MODEL_NONE)
		return "";
	return b->model->containers[b->model->endpoints[e].container].name;
}

static bool e1_is(struct bed *b, const char *name)
{
	const char *is = name_of(b, "e1");

	return is && !strcmp(is, name);
}

static void test_first_listing(void **state)
{
	struct bed *b = *state;
	const struct model_container *c;

	start(b);
	wait_until(b, is_connected);
	assert_string_equal(b->model->engine_id, "FAKE");
	assert_string_equal(b->model->engine_name, "Docker Engine");
	assert_string_equal(b->model->engine_version, "20.10.24");
	assert_string_equal(b->model->api_version, "1.41");
	assert_true(e1_is(b, "web"));
	c = b->model->containers;
	assert_string_equal(c->labels[0].key, "a");
	assert_false(c->labels[0].from_image);
	assert_true(c->labels[1].from_image);
	assert_true(fake_was_asked_as(b->fake, "/version"));
	assert_true(fake_was_asked_as(b->fake, "/v1.41/containers/json?all=1"));
	assert_true(fake_was_asked_as(b->fake, "/v1.41/images/sha256:aa/json"));
	assert_int_equal(fake_asked(b->fake, "/containers/c1/json"), 0);
}

#define CREATED                                                                                     \
	"{\"Id\": \"c2\", \"Names\": [\"/late\"], \"Image\": \"box\", \"ImageID\": \"sha256:aa\", " \
	"\"State\": \"created\", \"Ports\": [], \"HostConfig\": {\"NetworkMode\": \"front\"}}"

static bool c2_publishes(struct bed *b)
{
	size_t c = b->model ? model_find_container(b->model, "c2") : MODEL_NONE;

	return c != MODEL_NONE && b->model->containers[c].nports == 2;
}

/* The list of containers names no port before the start is over; docker-proxy serves it before that. */
static void test_ports_of_one_that_was_created(void **state)
{
	struct bed *b = *state;
	const struct model_container *c;

	start(b);
	wait_until(b, is_connected);
	fake_container(b->fake, "c2", CREATED);
	fake_answer(
		b->fake, "/containers/c2/json", "200 OK",
		"{\"Id\": \"c2\", \"HostConfig\": {\"PortBindings\": {\"80/tcp\": [{\"HostIp\": \"\", "
		"\"HostPort\": \"8080\"}], \"81/tcp\": [{\"HostPort\": \"\"}]}}}");
	assert_true(fake_event(b->fake, CONTAINER_EVENT("create", "c2")));
	wait_until(b, c2_publishes);
	c = &b->model->containers[model_find_container(b->model, "c2")];
	assert_int_equal(c->ports[0].host_port, 8080);
	assert_int_equal(c->ports[0].container_port, 80);
}

static bool c2_is_there(struct bed *b)
{
	return name_of(b, "e2") && !strcmp(name_of(b, "e2"), "late");
}

/* The engine holds a container's own document back while it starts. */
static void test_nothing_waits_for_the_ports(void **state)
{
	struct bed *b = *state;

	start(b);
	wait_until(b, is_connected);
	fake_container(b->fake, "c2", CREATED);
	fake_answer(b->fake, "/containers/c2/json", FAKE_HANG);
	assert_true(fake_event(b->fake, CONTAINER_EVENT("create", "c2")));
	fake_network(b->fake, "n1", FRONT(ENDPOINT("c2", "e2", "172.30.0.3")));
	assert_true(fake_event(b->fake, NETWORK_EVENT("connect", "n1", "c2")));
	wait_until(b, c2_is_there);
}

static void test_highest_version(void **state)
{
	struct bed *b = *state;

	fake_answer(
		b->fake, "/version", "200 OK",
		"{\"Version\": \"29.0.0\", \"ApiVersion\": \"1.52\", \"MinAPIVersion\": \"1.44\"}");
	start(b);
	wait_until(b, is_connected);
	assert_string_equal(b->model->api_version, "1.47");
	assert_true(fake_was_asked_as(b->fake, "/v1.47/networks"));
}

static bool has_e2(struct bed *b)
{
	const char *name = name_of(b, "e2");

	return name && !strcmp(name, "db");
}

static bool has_no_e1(struct bed *b)
{
	return b->model && !name_of(b, "e1");
}

static bool e1_is_renamed(struct bed *b)
{
	return e1_is(b, "front-door");
}

static void test_events(void **state)
{
	struct bed *b = *state;

	start(b);
	wait_until(b, is_connected);
	fake_container(b->fake, "c2", CONTAINER("c2", "db", ""));
	fake_network(
		b->fake, "n1",
		FRONT(ENDPOINT("c1", "e1", "172.30.0.2") "," ENDPOINT("c2", "e2", "172.30.0.3")));
	assert_true(fake_event(b->fake, NETWORK_EVENT("connect", "n1", "c2")));
	wait_until(b, has_e2);
	fake_container(b->fake, "c1", CONTAINER("c1", "front-door", ""));
	assert_true(fake_event(b->fake, CONTAINER_EVENT("rename", "c1")));
	wait_until(b, e1_is_renamed);
	/* Gone at once, even where the network's document cannot be had. */
	fake_answer(b->fake, "/networks/n1", FAKE_HANG);
	assert_true(fake_event(b->fake, NETWORK_EVENT("disconnect", "n1", "c1")));
	wait_until(b, has_no_e1);
	assert_true(has_e2(b));
}

static bool has_no_network(struct bed *b)
{
	return b->model && b->model->nnetworks == 0;
}

static void test_network_destroyed(void **state)
{
	struct bed *b = *state;

	start(b);
	wait_until(b, is_connected);
	fake_network(b->fake, "n1", NULL);
	assert_true(fake_event(b->fake, NETWORK_EVENT("destroy", "n1", "")));
	wait_until(b, has_no_network);
	assert_int_equal(b->model->nendpoints, 0);
	assert_int_equal(b->model->ncontainers, 1);
}

static bool e2_is_nobody(struct bed *b)
{
	const char *name = name_of(b, "e2");

	return name && !*name;
}

/* The network's document is ahead of the list of containers; no event comes when that has caught up. */
static void test_unknown_container(void **state)
{
	struct bed *b = *state;

	fake_network(
		b->fake, "n1",
		FRONT(ENDPOINT("c1", "e1", "172.30.0.2") "," ENDPOINT("c2", "e2", "172.30.0.3")));
	start(b);
	wait_until(b, e2_is_nobody);
	assert_true(e1_is(b, "web"));
	fake_container(b->fake, "c2", CONTAINER("c2", "db", ""));
	wait_until(b, has_e2);
	assert_int_equal(repaired(b), 0);
}

static bool is_lost(struct bed *b)
{
	return in_state(b, DOCKER_LOST, NULL);
}

static bool is_back(struct bed *b)
{
	struct docker_status s;

	docker_status(b->docker, &s);
	docker_status_done(&s);
	return s.state == DOCKER_CONNECTED && s.connects == 2 && s.lost == 1 && b->models == 2;
}

static void test_stream_cut_mid_event(void **state)
{
	static const char half[] = "{\"Type\": \"netwo";
	struct bed *b = *state;

	start(b);
	wait_until(b, is_connected);
	fake_answer(b->fake, "/version", FAKE_500);
	assert_true(fake_event_bytes(b->fake, half, sizeof(half) - 1));
	fake_cut(b->fake);
	wait_until(b, is_lost);
	assert_int_equal(b->models, 1);
	assert_true(in_state(b, DOCKER_LOST, b->fake ? NULL : ""));
	fake_answer(b->fake, "/version", FAKE_AS_USUAL);
	wait_until(b, is_back);
	assert_true(e1_is(b, "web"));
}

static bool is_error_500(struct bed *b)
{
	return in_state(b, DOCKER_CONNECTING, ": GET /networks/n2: HTTP status 500: no luck");
}

/* Half of the listing is there, but half a model would look as if the rest had gone. */
static void test_listing_fails_half_way(void **state)
{
	struct bed *b = *state;

	fake_network(b->fake, "n2", "{\"Id\": \"n2\"}");
	fake_answer(b->fake, "/networks/n2", FAKE_500);
	start(b);
	wait_until(b, is_error_500);
	usleep(50 * 1000);
	assert_null(docker_take(b->docker));
	assert_true(fake_asked(b->fake, "/networks/n1") > 0);
	fake_network(b->fake, "n2", NULL);
	wait_until(b, is_connected);
	assert_int_equal(b->model->nnetworks, 1);
}

static bool is_missing_field(struct bed *b)
{
	return in_state(b, DOCKER_CONNECTED, ": GET /networks/n1: \"Name\" is missing");
}

static bool is_well(struct bed *b)
{
	struct docker_status s;
	bool is;

	docker_status(b->docker, &s);
	is = s.state == DOCKER_CONNECTED && !s.error;
	docker_status_done(&s);
	return is;
}

static bool has_two_networks(struct bed *b)
{
	return b->model && b->model->nnetworks == 2;
}

/* An object that cannot be read later on: what was handed over stays, the rest is followed, and the object is
 * asked for again. */
static void test_answer_wrong_later(void **state)
{
	struct bed *b = *state;

	start(b);
	wait_until(b, is_connected);
	fake_network(b->fake, "n1", "{\"Id\": \"n1\"}");
	assert_true(fake_event(b->fake, NETWORK_EVENT("connect", "n1", "c1")));
	wait_until(b, is_missing_field);
	assert_int_equal(b->models, 1);
	fake_network(b->fake, "z", EMPTY("z"));
	assert_true(fake_event(b->fake, NETWORK_EVENT("create", "z", "")));
	wait_until(b, has_two_networks);
	fake_network(b->fake, "n1", FRONT(ENDPOINT("c1", "e1", "172.30.0.2")));
	wait_until(b, is_well);
	assert_int_equal(fake_asked(b->fake, "/version"), 1);
}

/* Its containers are not known then, but it is: they are nobody, and refused. */
static void test_new_network_that_cannot_be_read(void **state)
{
	struct bed *b = *state;

	start(b);
	wait_until(b, is_connected);
	fake_network(b->fake, "z", EMPTY("z"));
	fake_answer(b->fake, "/networks/z", FAKE_500);
	assert_true(fake_event(b->fake, NETWORK_EVENT("create", "z", "")));
	wait_until(b, has_two_networks);
	assert_true(in_state(b, DOCKER_CONNECTED, "/networks/z: HTTP status 500"));
	assert_true(e1_is(b, "web"));
	fake_answer(b->fake, "/networks/z", FAKE_AS_USUAL);
	wait_until(b, is_well);
}

static bool is_another_network(struct bed *b)
{
	return in_state(b, DOCKER_CONNECTED,
			": GET /networks/n1: the answer is of another network");
}

static void test_answer_of_another(void **state)
{
	struct bed *b = *state;

	start(b);
	wait_until(b, is_connected);
	fake_network(b->fake, "n1", EMPTY("n2"));
	assert_true(fake_event(b->fake, NETWORK_EVENT("update", "n1", "")));
	wait_until(b, is_another_network);
	assert_int_equal(b->models, 1);
}

static bool e1_is_nobody(struct bed *b)
{
	return e1_is(b, "");
}

static bool e1_is_web(struct bed *b)
{
	return e1_is(b, "web");
}

static bool is_no_image(struct bed *b)
{
	return b->model &&
	       in_state(b, DOCKER_CONNECTED, ": GET /images/sha256:aa/json: \"Id\" is missing");
}

/* The body of an error, with the status of an image without labels, of which every label would count. */
static void test_image_that_is_none(void **state)
{
	struct bed *b = *state;

	fake_image(b->fake, "sha256:aa", "{\"message\": \"No such image: sha256:aa\"}");
	fake_container(b->fake, "c1",
		       CONTAINER("c1", "web", "\"com.docker.compose.project\": \"shop\""));
	start(b);
	wait_until(b, is_no_image);
	assert_true(e1_is_nobody(b));
	fake_image(b->fake, "sha256:aa", IMAGE(""));
	wait_until(b, e1_is_web);
	wait_until(b, is_well);
}

static bool a_is_from_the_image(struct bed *b)
{
	return b->model && b->model->containers[0].labels[0].from_image;
}

static bool a_was_given(struct bed *b)
{
	return b->model && !a_is_from_the_image(b);
}

/* What was read wrongly of an image does not stay for ever. */
static void test_image_is_read_again(void **state)
{
	struct bed *b = *state;

	start_every(b, 1);
	wait_until(b, a_was_given);
	fake_image(b->fake, "sha256:aa", IMAGE("\"a\": \"b\""));
	wait_until(b, a_is_from_the_image);
	fake_image(b->fake, "sha256:aa", NULL); /* removed under its container */
	fake_container(b->fake, "c1",
		       CONTAINER("c1", "front-door", "\"from\": \"image\", \"a\": \"b\""));
	wait_until(b, e1_is_renamed);
	assert_true(a_is_from_the_image(b));
	assert_false(b->model->containers[0].labels[1].from_image);
}

static bool is_garbage(struct bed *b)
{
	return in_state(b, DOCKER_CONNECTING,
			": GET /containers/json: not valid JSON, at line 1 column 1: '[' or '{' "
			"expected near '<'");
}

static void test_garbage(void **state)
{
	struct bed *b = *state;

	fake_answer(b->fake, "/containers/json", "200 OK", "<html>hello!");
	start(b);
	wait_until(b, is_garbage);
	assert_null(b->model);
}

static bool is_bad_event(struct bed *b)
{
	return in_state(b, DOCKER_CONNECTED, ": GET /events: \"Actor\" is missing");
}

/* It says that something happened, so everything is listed; but no more often than is good for both. */
static void test_bad_events(void **state)
{
	struct bed *b = *state;

	start(b);
	wait_until(b, is_connected);
	for (int i = 0; i < 100; i++)
		assert_true(
			fake_event(b->fake, "{\"Type\": \"network\", \"Action\": \"connect\"}"));
	wait_until(b, is_bad_event);
	wait_until(b, is_well);
	assert_in_range(fake_asked(b->fake, "/containers/json"), 2, 4);
	assert_int_equal(fake_asked(b->fake, "/version"), 1);
}

/* As many as none of which is worth a request of its own. */
static void test_burst_of_events(void **state)
{
	struct bed *b = *state;
	char line[200];

	start(b);
	wait_until(b, is_connected);
	fake_container(b->fake, "c2", CONTAINER("c2", "db", ""));
	fake_network(
		b->fake, "n1",
		FRONT(ENDPOINT("c1", "e1", "172.30.0.2") "," ENDPOINT("c2", "e2", "172.30.0.3")));
	for (int i = 0; i < 20000; i++) {
		snprintf(line, sizeof(line), NETWORK_EVENT("connect", "n%d", "c%d"), i, i);
		assert_true(fake_event(b->fake, line));
	}
	wait_until(b, has_e2);
	assert_true(fake_asked(b->fake, "/containers/json?one") < 5000);
	assert_int_equal(repaired(b), 0);
}

#define CROWD	  600
#define ASKED_ONE "/containers/json?one"

static bool all_asked(struct bed *b)
{
	return fake_asked(b->fake, ASKED_ONE) >= 512;
}

static bool is_alone(struct bed *b)
{
	return b->model && b->model->nendpoints == 1;
}

static unsigned asked_before;
static int64_t asked_since;

/* Who was missing is asked for again after a while: nothing is, for longer than that. */
static bool asks_no_more(struct bed *b)
{
	unsigned asked = fake_asked(b->fake, ASKED_ONE);

	if (asked != asked_before)
		asked_since = now_ms();
	asked_before = asked;
	return now_ms() - asked_since > 1000;
}

static bool asked_twice(struct bed *b)
{
	return fake_asked(b->fake, ASKED_ONE) >= asked_before + 2;
}

/* A network with more containers than the engine lists, which are gone when that has caught up. */
static void test_who_was_missing_takes_no_room(void **state)
{
	CLEANUP_BUF struct buf all = BUF_INIT;
	CLEANUP_FREE char *network = NULL;
	struct bed *b = *state;

	for (int i = 0; i < CROWD; i++)
		buf_printf(&all, "%s" ENDPOINT("m%d", "f%d", "172.30.%d.%d"), i ? "," : "", i, i,
			   1 + i / 200, 1 + i % 200);
	network = mem_printf(FRONT("%s"), buf_text(&all));
	start(b);
	wait_until(b, is_connected);
	fake_network(b->fake, "n1", network);
	assert_true(fake_event(b->fake, NETWORK_EVENT("update", "n1", "")));
	wait_until(b, all_asked);
	fake_network(b->fake, "n1", FRONT(ENDPOINT("c1", "e1", "172.30.0.2")));
	assert_true(fake_event(b->fake, NETWORK_EVENT("update", "n1", "")));
	wait_until(b, is_alone);
	asked_before = 0;
	wait_until(b, asks_no_more);
	assert_true(fake_event(b->fake, CONTAINER_EVENT("rename", "c1")));
	wait_until(b, asked_twice);
	assert_int_equal(fake_asked(b->fake, "/containers/json"), 1);
}

static bool is_too_old(struct bed *b)
{
	return in_state(
		b, DOCKER_REFUSED,
		": Docker Engine 19.03.15 is too old: it speaks the API up to version 1.40, "
		"quaywall needs 1.41 (Docker 20.10)");
}

static void test_too_old(void **state)
{
	struct bed *b = *state;

	fake_answer(b->fake, "/version", "200 OK",
		    "{\"Version\": \"19.03.15\", \"ApiVersion\": \"1.40\"}");
	start(b);
	wait_until(b, is_too_old);
	assert_null(b->model);
}

static bool is_podman(struct bed *b)
{
	return in_state(b, DOCKER_REFUSED, ": this is Podman (Docker Engine 4.3.1)");
}

static void test_podman(void **state)
{
	struct bed *b = *state;

	fake_answer(b->fake, "/version", "200 OK\r\nlibpod-api-version: 4.3.1",
		    "{\"Version\": \"4.3.1\", \"ApiVersion\": \"1.41\"}");
	start(b);
	wait_until(b, is_podman);
}

static bool asked_version(struct bed *b)
{
	return fake_asked(b->fake, "/version") > 0;
}

/* The engine's listener accepts long before the engine answers. */
static void test_stop_while_it_hangs(void **state)
{
	struct bed *b = *state;
	int64_t begin;

	fake_answer(b->fake, "/version", FAKE_HANG);
	start(b);
	wait_until(b, asked_version);
	begin = now_ms();
	docker_stop(b->docker);
	b->docker = NULL;
	assert_true(now_ms() - begin < 10000);
}

static bool is_repaired(struct bed *b)
{
	return repaired(b) > 0 && has_e2(b);
}

static void test_listing_repairs(void **state)
{
	struct bed *b = *state;

	start_every(b, 1);
	wait_until(b, is_connected);
	fake_container(b->fake, "c2", CONTAINER("c2", "db", ""));
	fake_network(
		b->fake, "n1",
		FRONT(ENDPOINT("c1", "e1", "172.30.0.2") "," ENDPOINT("c2", "e2", "172.30.0.3")));
	wait_until(b, is_repaired);
}

/* The engine lists in no order; whatever it lists must stay, also until it is read again. */
static void test_listing_drops_nothing(void **state)
{
	struct bed *b = *state;

	fake_network(b->fake, "z", EMPTY("z"));
	fake_network(b->fake, "a", EMPTY("a"));
	fake_network(b->fake, "m", EMPTY("m"));
	start_every(b, 1);
	wait_until(b, is_connected);
	fake_answer(b->fake, "/networks/z", FAKE_HANG);
	fake_answer(b->fake, "/networks/a", FAKE_HANG);
	fake_answer(b->fake, "/networks/m", FAKE_HANG);
	fake_container(b->fake, "c2", CONTAINER("c2", "db", ""));
	fake_network(
		b->fake, "n1",
		FRONT(ENDPOINT("c1", "e1", "172.30.0.2") "," ENDPOINT("c2", "e2", "172.30.0.3")));
	wait_until(b, has_e2);
	assert_int_equal(b->model->nnetworks, 4);
}

/* The engine throws events away when its reader is slow by 1024, and says nothing. */
static void test_stream_is_drained_while_an_answer_hangs(void **state)
{
	struct bed *b = *state;
	CLEANUP_FREE char *padding = mem_new(65536, 1);
	CLEANUP_FREE char *line = NULL;

	memset(padding, 'x', 65535);
	line = mem_printf(
		"{\"Type\": \"container\", \"Action\": \"start\", \"Actor\": {\"ID\": \"c1\", "
		"\"Attributes\": {\"label\": \"%s\"}}}",
		padding);
	start(b);
	wait_until(b, is_connected);
	fake_answer(b->fake, "/containers/json?one", FAKE_HANG);
	fake_answer(b->fake, "/networks/n1", FAKE_HANG);
	for (int i = 0; i < 200; i++)
		assert_true(fake_event(b->fake, line));
}

static bool listed_again(struct bed *b)
{
	return fake_asked(b->fake, "/containers/json") >= 2;
}

/* Whoever looks at something once a minute does it then. */
static void test_the_end_of_a_listing_is_told(void **state)
{
	struct bed *b = *state;
	struct pollfd p = {.events = POLLIN};

	start(b);
	wait_until(b, is_connected);
	p.fd = docker_fd(b->docker);
	/* What else was told of the first one. */
	while (poll(&p, 1, 1000) > 0)
		model_free(docker_take(b->docker));
	docker_relist(b->docker);
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_null(docker_take(b->docker));
	assert_true(listed_again(b));
}

static void test_event_too_long(void **state)
{
	struct bed *b = *state;
	size_t len = 5u << 20;
	CLEANUP_FREE char *line = mem_new(len + 1, 1);

	memset(line, ' ', len);
	start(b);
	wait_until(b, is_connected);
	assert_true(fake_event(b->fake, line));
	wait_until(b, listed_again);
	assert_true(in_state(b, DOCKER_CONNECTED, NULL));
}

static void test_wrong_options(void **state)
{
	struct docker_options o = {.url = "ssh://host"};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct docker *d = NULL;

	(void)state;
	assert_int_equal(docker_watch(&o, &d, &err), -EINVAL);
	assert_null(d);
	docker_stop(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_first_listing),
		T(test_ports_of_one_that_was_created),
		T(test_nothing_waits_for_the_ports),
		T(test_highest_version),
		T(test_events),
		T(test_network_destroyed),
		T(test_unknown_container),
		T(test_stream_cut_mid_event),
		T(test_listing_fails_half_way),
		T(test_answer_wrong_later),
		T(test_image_that_is_none),
		T(test_image_is_read_again),
		T(test_garbage),
		T(test_new_network_that_cannot_be_read),
		T(test_answer_of_another),
		T(test_bad_events),
		T(test_burst_of_events),
		T(test_who_was_missing_takes_no_room),
		T(test_too_old),
		T(test_podman),
		T(test_stop_while_it_hangs),
		T(test_listing_repairs),
		T(test_listing_drops_nothing),
		T(test_stream_is_drained_while_an_answer_hangs),
		T(test_the_end_of_a_listing_is_told),
		T(test_event_too_long),
		cmocka_unit_test(test_wrong_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
