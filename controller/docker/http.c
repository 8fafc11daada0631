#include "http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/mem.h"

#define CONNECT_SECONDS 10L
#define HEADER_MAX	((size_t)1 << 20)

struct request {
	struct request *next;
	struct http *http;
	CURL *easy;
	char *path;
	struct buf body;
	bool libpod;
	size_t header; /* bytes so far */
	const char *too_long;
	char why[CURL_ERROR_SIZE];
	void (*done)(void *data, const struct http_reply *reply);
	struct http_stream stream;
	bool is_stream;
	void *data;
};

struct http {
	CURLM *multi;
	char *socket; /* path of the unix socket, or NULL */
	char *base;   /* "http://localhost", "https://HOST:PORT" */
	char *version;
	char *ca, *cert, *key; /* NULL without TLS */
	struct request *requests;
};

/* The global state of libcurl before 7.84 is not safe to set up from several threads at once. */
static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int check_tls(const struct docker_options *o, bool tcp, struct error *err)
{
	if (!o->tls_ca && !o->tls_cert && !o->tls_key)
		return 0;
	if (!tcp)
		return error_set(err, -EINVAL, "%s: TLS needs a tcp:// address", o->url);
	if (!o->tls_ca || !o->tls_cert || !o->tls_key)
		return error_set(err, -EINVAL, "%s: TLS needs all of ca, cert and key", o->url);
	return 0;
}

static bool is_host_and_port(const char *s)
{
	const char *port = strrchr(s, ':');

	return port && port != s && port[1] && strlen(port + 1) <= 5 &&
	       strspn(port + 1, "0123456789") == strlen(port + 1) && !strpbrk(s, "/@?#\\% \t\r\n");
}

static int set_target(struct http *h, const struct docker_options *o, struct error *err)
{
	const char *url = o->url ? o->url : "";
	bool tcp = !strncmp(url, "tcp://", 6);
	int r = check_tls(o, tcp, err);

	if (r < 0)
		return r;
	if (tcp && is_host_and_port(url + 6)) {
		h->base = mem_printf("%s://%s", o->tls_ca ? "https" : "http", url + 6);
	} else if (!strncmp(url, "unix:///", 8) && url[8]) {
		h->socket = mem_strdup(url + 7);
		h->base = mem_strdup("http://localhost");
	} else {
		return error_set(err, -EINVAL,
				 "\"%s\" is no engine's address (expected unix:///PATH or "
				 "tcp://HOST:PORT)",
				 url);
	}
	h->ca = mem_strdup(o->tls_ca);
	h->cert = mem_strdup(o->tls_cert);
	h->key = mem_strdup(o->tls_key);
	return 0;
}

int http_new(const struct docker_options *options, struct http **ret, struct error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CLEANUP_HTTP struct http *h = mem_new(1, sizeof(*h));
	int r;

	pthread_once(&once, init_curl);
	r = set_target(h, options, err);
	if (r < 0)
		return r;
	h->multi = curl_multi_init();
	if (!h->multi)
		return error_set(err, -ENOMEM, "libcurl cannot be set up");
	*ret = h;
	h = NULL;
	return 0;
}

static void request_free(struct request *r)
{
	if (r->easy) {
		curl_multi_remove_handle(r->http->multi, r->easy);
		curl_easy_cleanup(r->easy);
	}
	free(r->path);
	buf_done(&r->body);
	free(r);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (h->requests) {
		struct request *r = h->requests;

		h->requests = r->next;
		request_free(r);
	}
	if (h->multi)
		curl_multi_cleanup(h->multi);
	free(h->socket);
	free(h->base);
	free(h->version);
	free(h->ca);
	free(h->cert);
	free(h->key);
	free(h);
}

void http_set_version(struct http *h, const char *version)
{
	free(h->version);
	h->version = version ? mem_printf("/v%s", version) : NULL;
}

static long status_of(const struct request *r)
{
	long status = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *data)
{
	struct request *r = data;
	size_t len = size * n;

	if (r->is_stream && status_of(r) == 200) {
		r->stream.chunk(r->data, bytes, len);
		return len;
	}
	if (r->body.len + len > HTTP_BODY_MAX) {
		r->too_long = "the answer is larger than 64 MiB";
		return 0;
	}
	buf_add(&r->body, bytes, len);
	return len;
}

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
	static const char podman[] = "libpod-api-version:";
	struct request *r = data;
	size_t len = size * n;

	r->header += len;
	if (r->header >
	    HEADER_MAX) { /* also of interim answers, of which there is no end otherwise */
		r->too_long = "the answer's header is larger than 1 MiB";
		return 0;
	}
	if (len >= sizeof(podman) - 1 && !strncasecmp(line, podman, sizeof(podman) - 1))
		r->libpod = true;
	if (r->is_stream && len == 2 && !memcmp(line, "\r\n", 2) && status_of(r) == 200)
		r->stream.begin(r->data);
	return len;
}

static void set_tls(CURL *easy, const struct http *h)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_CAINFO, h->ca);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* no authority but the one that was named */
	curl_easy_setopt(easy, CURLOPT_SSLCERT, h->cert);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, h->key);
}

static void set_limits(CURL *easy, unsigned seconds)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)seconds);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 15L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static struct request *start(struct http *h, const char *path, unsigned seconds)
{
	struct request *r = mem_new(1, sizeof(*r));
	CLEANUP_FREE char *url = mem_printf("%s%s%s", h->base, h->version ? h->version : "", path);

	r->http = h;
	r->path = mem_strdup(path);
	r->next = h->requests;
	h->requests = r;
	r->easy = curl_easy_init();
	if (!r->easy)
		abort(); /* out of memory, as in mem.h */
	curl_easy_setopt(r->easy, CURLOPT_URL, url);
	curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(r->easy, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(r->easy, CURLOPT_UNIX_SOCKET_PATH, h->socket);
	curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->why);
	curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
	set_limits(r->easy, seconds);
	if (h->ca)
		set_tls(r->easy, h);
	curl_multi_add_handle(h->multi, r->easy);
	return r;
}

void http_get(struct http *h, const char *path, unsigned seconds,
	      void (*done)(void *data, const struct http_reply *reply), void *data)
{
	struct request *r = start(h, path, seconds);

	r->done = done;
	r->data = data;
}

void http_stream(struct http *h, const char *path, const struct http_stream *to, void *data)
{
	struct request *r = start(h, path, 0);

	r->is_stream = true;
	r->stream = *to;
	r->done = to->done;
	r->data = data;
}

static int code_of(const struct request *r, CURLcode code)
{
	long os = 0;

	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os);
		return os > 0 ? (int)-os : -ECONNREFUSED;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CONNECT_ERROR:
		return -EKEYREJECTED;
	default:
		return r->too_long ? -EFBIG : -ECONNRESET;
	}
}

static const char *reason_of(const struct request *r, CURLcode code, int error)
{
	if (r->too_long)
		return r->too_long;
	if (code == CURLE_COULDNT_CONNECT)
		return strerror(-error);
	return r->why[0] ? r->why : curl_easy_strerror(code);
}

static void finish(struct request *r, CURLcode code)
{
	struct http_reply reply = {.path = r->path, .libpod = r->libpod};

	reply.code = code_of(r, code);
	if (reply.code < 0)
		reply.why = reason_of(r, code, reply.code);
	reply.status = status_of(r);
	reply.body = buf_text(&r->body);
	reply.len = r->body.len;
	r->done(r->data, &reply);
}

static void unlink_request(struct request *r)
{
	struct request **at = &r->http->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
}

void http_turn(struct http *h, int ms)
{
	CURLMsg *message;
	int n;

	curl_multi_poll(h->multi, NULL, 0, ms, NULL);
	curl_multi_perform(h->multi, &n);
	while ((message = curl_multi_info_read(h->multi, &n))) {
		CURLcode code = message->data.result;
		struct request *r = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&r);
		unlink_request(r);
		finish(r, code);
		request_free(r);
	}
}

void http_wakeup(struct http *h)
{
	curl_multi_wakeup(h->multi);
}

void http_escape(const char *s, struct buf *out)
{
	for (; *s; s++) {
		if (isascii((unsigned char)*s) &&
		    (isalnum((unsigned char)*s) || strchr("-_.:", *s)))
			buf_char(out, *s);
		else
			buf_printf(out, "%%%02X", (unsigned char)*s);
	}
}
