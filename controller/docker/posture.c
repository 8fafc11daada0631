#include "posture.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "http.h"
#include "node.h"
#include "version.h"

#include "quaywall/mem.h"

#define FIRST_SECONDS  30 /* as docker_list() */
#define ANSWER_SECONDS 10
#define INSPECT_SECONDS \
	2		 /* it blocks until a start is over, and nobody knows how long that takes */
#define WHOLE_SECONDS 60 /* for all of the containers and images */
#define AT_ONCE	      4
#define OBJECTS_MAX   5000
#define GAPS_MAX      32
#define TURN_MS	      100

struct asking {
	struct http *http;
	json_t *gaps;
	time_t end;	 /* of CLOCK_MONOTONIC */
	size_t left_out; /* gaps beyond GAPS_MAX */
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void add_gap(struct asking *a, const char *part, const char *why)
{
	if (json_array_size(a->gaps) >= GAPS_MAX) {
		a->left_out++;
		return;
	}
	json_array_append_new(a->gaps, json_pack("{s:s, s:s}", "part", part, "why", why));
}

/* ---- one answer ---- */

struct answer {
	bool done, libpod;
	json_type type;
	json_t *document;
	int code;
	struct error *err;
};

static int read_answer(const struct http_reply *reply, struct answer *a)
{
	CLEANUP_FREE char *source = mem_printf("GET %.200s", reply->path);
	struct node n;

	a->libpod = reply->libpod;
	if (reply->code < 0)
		return error_set(a->err, reply->code, "%s: %s", source, reply->why);
	if (reply->status != 200)
		return error_set(a->err, -EPROTO, "%s: HTTP status %ld", source, reply->status);
	return node_parse(source, -EPROTO, a->type, reply->body, reply->len, &a->document, &n,
			  a->err);
}

static void on_answer(void *data, const struct http_reply *reply)
{
	struct answer *a = data;

	a->code = read_answer(reply, a);
	a->done = true;
}

/* Asks for PATH and waits. The caller owns *RET. */
static int ask(struct asking *s, const char *path, json_type type, unsigned seconds,
	       bool *ret_libpod, json_t **ret, struct error *err)
{
	struct answer a = {.type = type, .err = err};

	http_get(s->http, path, seconds, on_answer, &a);
	while (!a.done)
		http_turn(s->http, TURN_MS);
	if (ret_libpod)
		*ret_libpod = a.libpod;
	if (a.code == 0)
		*ret = a.document;
	return a.code;
}

/* ---- the engine ---- */

static int ask_version(struct asking *s, json_t **ret, struct error *err)
{
	__attribute__((cleanup(version_done))) struct version v = {0};
	CLEANUP_JSON json_t *document = NULL;
	CLEANUP_FREE char *text = NULL;
	bool libpod;
	int r = ask(s, "/version", JSON_OBJECT, FIRST_SECONDS, &libpod, &document, err);

	if (r < 0)
		return r;
	text = json_dumps(document, JSON_COMPACT);
	if (!text)
		return error_set(err, -EPROTO, "GET /version: makes no sense");
	r = version_read(text, strlen(text), libpod, &v, err);
	if (r < 0)
		return r;
	http_set_version(s->http, v.api_version);
	*ret = document;
	document = NULL;
	return 0;
}

static int ask_engine(struct asking *s, json_t *document, bool *ret_manager, struct error *err)
{
	CLEANUP_JSON json_t *version = NULL;
	CLEANUP_JSON json_t *info = NULL;
	json_t *engine;
	int r = ask_version(s, &version, err);

	if (r == 0)
		r = ask(s, "/info", JSON_OBJECT, ANSWER_SECONDS, NULL, &info, err);
	if (r < 0)
		return r;
	engine = posture_engine(version, info);
	*ret_manager = json_is_true(json_object_get(engine, "swarm_manager"));
	json_object_set_new(document, "engine", engine);
	return 0;
}

/* ---- many objects ---- */

/* The objects of one kind, asked for a few at once. */
struct objects {
	struct asking *asking;
	const char *kind; /* "containers", "images" */
	json_t *(*take)(const json_t *document);
	json_t *list;
	size_t under_way;
};

/* What would be found behind the dummies is not to be missed in silence. */
static void tell_cut(struct objects *o, const char *path, const char *cut)
{
	if (!cut)
		return;
	CLEANUP_FREE char *why = mem_printf("GET %.200s: of %s only the first %d are looked at",
					    path, cut, POSTURE_LIST_MAX);

	add_gap(o->asking, o->kind, why);
}

static void on_object(void *data, const struct http_reply *reply)
{
	struct objects *o = data;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct answer a = {.type = JSON_OBJECT, .err = &err};

	o->under_way--;
	/* What has gone since it was listed is no gap. */
	if (reply->code == 0 && reply->status == 404)
		return;
	if (read_answer(reply, &a) < 0) {
		add_gap(o->asking, o->kind, error_text(&err));
		return;
	}
	tell_cut(o, reply->path, posture_cut(a.document));
	json_array_append_new(o->list, o->take(a.document));
	json_decref(a.document);
}

static void wait_for_room(struct objects *o, size_t most)
{
	while (o->under_way > most)
		http_turn(o->asking->http, TURN_MS);
}

static void ask_object(struct objects *o, const char *id)
{
	CLEANUP_BUF struct buf path = BUF_INIT;

	buf_printf(&path, "/%s/", o->kind);
	http_escape(id, &path);
	buf_str(&path, "/json");
	wait_for_room(o, AT_ONCE - 1);
	o->under_way++;
	http_get(o->asking->http, buf_text(&path), INSPECT_SECONDS, on_object, o);
}

/* IDS is an object with the ids as keys. Returns the list. */
static json_t *ask_objects(struct asking *s, const char *kind, json_t *(*take)(const json_t *),
			   const json_t *ids)
{
	struct objects o = {.asking = s, .kind = kind, .take = take, .list = json_array()};
	size_t asked = 0;
	const char *id;
	json_t *value;

	json_object_foreach((json_t *)ids, id, value) {
		if (asked == OBJECTS_MAX || now() >= s->end)
			break;
		ask_object(&o, id);
		asked++;
	}
	wait_for_room(&o, 0);
	if (asked < json_object_size(ids)) {
		CLEANUP_FREE char *why =
			mem_printf("%zu of %zu were not looked at: the time that "
				   "one reading may take was over",
				   json_object_size(ids) - asked, json_object_size(ids));

		add_gap(s, kind, why);
	}
	return o.list;
}

/* The values of KEY of the objects of LIST, as keys. */
static json_t *ids_of(const json_t *list, const char *key)
{
	json_t *ids = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *id = json_string_value(json_object_get(json_array_get(list, i), key));

		if (id && *id)
			json_object_set_new(ids, id, json_true());
	}
	return ids;
}

static void ask_containers(struct asking *s, json_t *document)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *listed = NULL;
	CLEANUP_JSON json_t *containers = NULL;
	CLEANUP_JSON json_t *images = NULL;

	json_object_set_new(document, "containers", json_null());
	json_object_set_new(document, "images", json_null());
	if (ask(s, "/containers/json?all=1", JSON_ARRAY, ANSWER_SECONDS, NULL, &listed, &err) < 0) {
		add_gap(s, "containers", error_text(&err));
		return;
	}
	containers = ids_of(listed, "Id");
	images = ids_of(listed, "ImageID");
	json_object_set_new(document, "containers",
			    ask_objects(s, "containers", posture_container, containers));
	json_object_set_new(document, "images", ask_objects(s, "images", posture_image, images));
}

/* ---- swarm ---- */

static void ask_swarm(struct asking *s, json_t *document, bool manager)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *swarm = NULL;
	CLEANUP_JSON json_t *nodes = NULL;

	json_object_set_new(document, "swarm", json_null());
	if (!manager)
		return;
	if (ask(s, "/swarm", JSON_OBJECT, ANSWER_SECONDS, NULL, &swarm, &err) < 0 ||
	    ask(s, "/nodes", JSON_ARRAY, ANSWER_SECONDS, NULL, &nodes, &err) < 0) {
		add_gap(s, "swarm", error_text(&err));
		return;
	}
	json_object_set_new(document, "swarm", posture_swarm(swarm, nodes));
}

/* ---- all of it ---- */

static void note_left_out(struct asking *s)
{
	if (s->left_out) {
		CLEANUP_FREE char *why =
			mem_printf("%zu more could not be read either", s->left_out);

		json_array_append_new(s->gaps,
				      json_pack("{s:s, s:s}", "part", "containers", "why", why));
	}
}

int docker_posture(const struct docker_options *options, json_t **ret, struct error *err)
{
	CLEANUP_JSON json_t *document = json_object();
	CLEANUP_HTTP struct http *http = NULL;
	struct asking s = {.end = now() + WHOLE_SECONDS};
	bool manager = false;
	int r = http_new(options, &http, err);

	if (r < 0)
		return r;
	s.http = http;
	s.gaps = json_array();
	json_object_set_new(document, "version", json_integer(1));
	json_object_set_new(document, "gaps", s.gaps);
	r = ask_engine(&s, document, &manager, err);
	if (r < 0)
		return error_wrap(err, r, "%s", options->url);
	ask_containers(&s, document);
	ask_swarm(&s, document, manager);
	note_left_out(&s);
	*ret = document;
	document = NULL;
	return 0;
}
