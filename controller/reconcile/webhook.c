#include "webhook.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "lane.h"

#define BYTES_MAX	(1u << 20)
#define CONNECT_SECONDS 5L
#define TOTAL_SECONDS	10L
#define ANSWER_MAX	65536 /* bytes; nothing of it is looked at */
#define FIRST_REST_MS	1000
#define LONGEST_REST_MS 60000

struct webhook {
	char *url;
	void (*trouble)(const char *why);
	struct lane *lane;
	bool failing; /* the thread's */

	pthread_mutex_t lock; /* of what follows */
	uint64_t sent, dropped;
	char *error;
};

/* One POST. */
struct post {
	struct lane *lane;
	size_t answered;
};

char *webhook_place(const char *url)
{
	const char *scheme = strstr(url, "://");
	const char *host = scheme ? scheme + 3 : url;
	size_t len = strcspn(host, "/?#\\");
	const char *at = memrchr(host, '@', len);

	if (at) {
		len -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	return mem_printf("%.*s%.*s", scheme ? (int)(scheme + 3 - url) : 0, url, (int)len, host);
}

/* ---- one POST ---- */

static size_t on_answer(char *bytes, size_t size, size_t n, void *data)
{
	struct post *p = data;

	(void)bytes;
	p->answered += size * n;
	return p->answered > ANSWER_MAX ? 0 : size * n;
}

/* libcurl asks at least once a second. Not 0: it gives up. */
static int on_progress(void *data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t e)
{
	const struct post *p = data;

	(void)a;
	(void)b;
	(void)c;
	(void)e;
	return lane_ends(p->lane);
}

static void set_limits(CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, TOTAL_SECONDS);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Or the end would wait for a name server that does not answer. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

static void set_request(CURL *easy, const struct webhook *w, const char *body, struct post *p)
{
	curl_easy_setopt(easy, CURLOPT_URL, w->url);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "quaywall/" QUAYWALL_VERSION);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, p);
}

enum outcome { DELIVERED, AGAIN, NEVER };

/* What the other side will not take, however often it comes. */
static enum outcome outcome_of(long status)
{
	if (status >= 200 && status < 300)
		return DELIVERED;
	return status >= 500 || status == 408 || status == 429 ? AGAIN : NEVER;
}

/* *RET_WHY is NULL or to be freed. libcurl's own longer texts may hold parts of the address. */
static enum outcome post(struct webhook *w, struct lane *lane, const char *body, char **ret_why)
{
	struct post p = {.lane = lane};
	CURL *easy = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	enum outcome outcome = AGAIN;
	long status = 0;
	CURLcode code;

	if (!easy || !headers)
		abort(); /* out of memory, as in mem.h */
	set_limits(easy);
	set_request(easy, w, body, &p);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK)
		outcome = outcome_of(status);
	*ret_why = code != CURLE_OK	  ? mem_strdup(curl_easy_strerror(code))
		   : outcome != DELIVERED ? mem_printf("it answered with status %ld", status)
					  : NULL;
	curl_slist_free_all(headers);
	curl_easy_cleanup(easy);
	return outcome;
}

/* ---- the thread ---- */

/* WHY is taken. */
static void note(struct webhook *w, char *why)
{
	if (why && !w->failing && w->trouble)
		w->trouble(why);
	w->failing = why != NULL;
	pthread_mutex_lock(&w->lock);
	free(w->error);
	w->error = why;
	pthread_mutex_unlock(&w->lock);
}

static enum outcome try_once(struct webhook *w, struct lane *lane, const char *body)
{
	char *why = NULL;
	enum outcome outcome = post(w, lane, body, &why);

	note(w, why);
	return outcome;
}

static void take(void *data, struct lane *lane, const char *body, size_t len)
{
	struct webhook *w = data;
	enum outcome outcome = try_once(w, lane, body);
	unsigned rest = FIRST_REST_MS;

	(void)len;
	for (int i = 1; outcome == AGAIN && i < WEBHOOK_TRIES && lane_pause(lane, rest); i++) {
		outcome = try_once(w, lane, body);
		rest = rest * 2 < LONGEST_REST_MS ? rest * 2 : LONGEST_REST_MS;
	}
	pthread_mutex_lock(&w->lock);
	w->sent += outcome == DELIVERED;
	w->dropped += outcome != DELIVERED;
	pthread_mutex_unlock(&w->lock);
}

/* ---- the loop's side ---- */

static void webhook_free(struct webhook *w)
{
	pthread_mutex_destroy(&w->lock);
	free(w->error);
	free(w->url);
	free(w);
}

int webhook_open(const char *url, void (*trouble)(const char *why), struct webhook **ret,
		 struct error *err)
{
	struct webhook *w = mem_new(1, sizeof(*w));
	int r;

	*w = (struct webhook) {.url = mem_strdup(url), .trouble = trouble};
	pthread_mutex_init(&w->lock, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	r = lane_start((struct lane_size) {WEBHOOK_WAITING, BYTES_MAX}, take, w, &w->lane, err);
	if (r < 0) {
		webhook_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void webhook_close(struct webhook *w)
{
	/* One that a name server keeps for longer keeps what it works with. */
	if (w && lane_stop(w->lane, 0, NULL))
		webhook_free(w);
}

void webhook_send(struct webhook *w, const char *body)
{
	if (lane_put(w->lane, body, strlen(body)))
		return;
	pthread_mutex_lock(&w->lock);
	w->dropped++;
	pthread_mutex_unlock(&w->lock);
}

void webhook_state(struct webhook *w, struct webhook_state *ret)
{
	size_t waiting = lane_waiting(w->lane);

	pthread_mutex_lock(&w->lock);
	*ret = (struct webhook_state) {w->sent, w->dropped, waiting, mem_strdup(w->error)};
	pthread_mutex_unlock(&w->lock);
}
