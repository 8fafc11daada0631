#include "lane.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "quaywall/mem.h"

#define HANGS_MS 2000 /* longer than anything that a lane waits for without lane_pause() */

struct item {
	struct item *next;
	size_t len;
	char *data; /* with a 0 behind it */
};

struct lane {
	struct lane_size size;
	lane_take *take;
	void *data;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* of CLOCK_MONOTONIC */
	struct item *first, **last;
	size_t items, bytes;
	bool works; /* on an item that waits no more */
	bool ends, ended;
};

/* ---- time ---- */

static struct timespec in_ms(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* False: it is UNTIL. */
static bool wait_until(struct lane *l, const struct timespec *until)
{
	return pthread_cond_timedwait(&l->changed, &l->lock, until) != ETIMEDOUT;
}

/* ---- the queue ---- */

static void item_free(struct item *item)
{
	free(item->data);
	free(item);
}

static struct item *pop(struct lane *l)
{
	struct item *item = l->first;

	l->first = item->next;
	if (!l->first)
		l->last = &l->first;
	l->items--;
	l->bytes -= item->len;
	return item;
}

static bool push(struct lane *l, struct item *item)
{
	if (l->ends || l->items >= l->size.items || item->len > l->size.bytes - l->bytes)
		return false;
	*l->last = item;
	l->last = &item->next;
	l->items++;
	l->bytes += item->len;
	pthread_cond_broadcast(&l->changed);
	return true;
}

bool lane_put(struct lane *l, const char *item, size_t len)
{
	struct item *copy = mem_new(1, sizeof(*copy));
	bool fits;

	*copy = (struct item) {.len = len, .data = mem_new(1, len + 1)};
	memcpy(copy->data, item, len);
	pthread_mutex_lock(&l->lock);
	fits = push(l, copy);
	pthread_mutex_unlock(&l->lock);
	if (!fits)
		item_free(copy);
	return fits;
}

size_t lane_waiting(struct lane *l)
{
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = l->items + l->works;
	pthread_mutex_unlock(&l->lock);
	return n;
}

/* ---- the thread ---- */

static void work(struct lane *l, struct item *item)
{
	l->works = true;
	pthread_mutex_unlock(&l->lock);
	l->take(l->data, l, item->data, item->len);
	item_free(item);
	pthread_mutex_lock(&l->lock);
	l->works = false;
	pthread_cond_broadcast(&l->changed);
}

static void *run(void *data)
{
	struct lane *l = data;

	pthread_mutex_lock(&l->lock);
	while (!l->ends) {
		if (l->first)
			work(l, pop(l));
		else
			pthread_cond_wait(&l->changed, &l->lock);
	}
	l->ended = true;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

bool lane_pause(struct lane *l, unsigned ms)
{
	struct timespec until = in_ms(ms);
	bool goes_on;

	pthread_mutex_lock(&l->lock);
	while (!l->ends && wait_until(l, &until))
		;
	goes_on = !l->ends;
	pthread_mutex_unlock(&l->lock);
	return goes_on;
}

bool lane_ends(struct lane *l)
{
	bool ends;

	pthread_mutex_lock(&l->lock);
	ends = l->ends;
	pthread_mutex_unlock(&l->lock);
	return ends;
}

/* ---- begin and end ---- */

static void lane_free(struct lane *l)
{
	while (l->first)
		item_free(pop(l));
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static struct lane *lane_new(void)
{
	struct lane *l = mem_new(1, sizeof(*l));
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&l->lock, NULL);
	l->last = &l->first;
	return l;
}

int lane_start(struct lane_size size, lane_take *take, void *data, struct lane **ret,
	       struct error *err)
{
	struct lane *l = lane_new();
	int r;

	l->size = size;
	l->take = take;
	l->data = data;
	r = pthread_create(&l->thread, NULL, run, l);
	if (r != 0) {
		lane_free(l);
		return error_set(err, -r, "no thread: %s", strerror(r));
	}
	*ret = l;
	return 0;
}

/* Whether it has, in time. */
static bool wait_for_end(struct lane *l, unsigned ms, size_t *ret_dropped)
{
	struct timespec drained = in_ms(ms), ended = in_ms(ms + HANGS_MS);
	bool has_ended;

	pthread_mutex_lock(&l->lock);
	while ((l->first || l->works) && wait_until(l, &drained))
		;
	l->ends = true;
	*ret_dropped = l->items;
	pthread_cond_broadcast(&l->changed);
	while (!l->ended && wait_until(l, &ended))
		;
	has_ended = l->ended;
	pthread_mutex_unlock(&l->lock);
	return has_ended;
}

bool lane_stop(struct lane *l, unsigned ms, size_t *ret_dropped)
{
	size_t dropped = 0;
	bool has_ended = !l || wait_for_end(l, ms, &dropped);

	if (ret_dropped)
		*ret_dropped = dropped;
	if (!has_ended) {
		pthread_detach(l->thread);
		return false;
	}
	if (l) {
		pthread_join(l->thread, NULL);
		lane_free(l);
	}
	return true;
}
