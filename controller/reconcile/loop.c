#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>

uint64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 + 1;
}

uint64_t loop_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

bool loop_add(struct loop *l, struct loop_source *s)
{
	if (l->nsources == LOOP_SOURCES_MAX)
		return false;
	l->sources[l->nsources++] = s;
	return true;
}

bool loop_add_timer(struct loop *l, struct loop_timer *t)
{
	if (l->ntimers == LOOP_TIMERS_MAX)
		return false;
	l->timers[l->ntimers++] = t;
	return true;
}

static size_t position(void *const *items, size_t n, const void *item)
{
	size_t i = 0;

	while (i < n && items[i] != item)
		i++;
	return i;
}

static void take_out(void **items, size_t *n, const void *item)
{
	size_t i = position(items, *n, item);

	if (i == *n)
		return;
	memmove(items + i, items + i + 1, (*n - i - 1) * sizeof(*items));
	(*n)--;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	take_out((void **)l->sources, &l->nsources, s);
}

void loop_remove_timer(struct loop *l, struct loop_timer *t)
{
	take_out((void **)l->timers, &l->ntimers, t);
}

void loop_timer_set(struct loop_timer *t, uint64_t ms)
{
	t->due = loop_now() + ms;
	t->loose = 0;
}

void loop_timer_set_loose(struct loop_timer *t, uint64_t ms)
{
	loop_timer_set(t, ms + ms / 5);
	t->loose = t->due - ms / 5 - ms / 10;
}

void loop_timer_hasten(struct loop_timer *t, uint64_t ms)
{
	if (!t->due || t->due > loop_now() + ms)
		loop_timer_set(t, ms);
}

void loop_timer_clear(struct loop_timer *t)
{
	t->due = 0;
}

/* For poll(2): the time to the next timer; -1 without one, so that an idle daemon never wakes. */
static int time_left(const struct loop *l)
{
	uint64_t next = UINT64_MAX;
	uint64_t now = loop_now();

	for (size_t i = 0; i < l->ntimers; i++)
		if (l->timers[i]->due && l->timers[i]->due < next)
			next = l->timers[i]->due;
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	return next - now > INT_MAX ? INT_MAX : (int)(next - now);
}

static bool is_due(const struct loop_timer *t, uint64_t now)
{
	return t->due && (t->due <= now || (t->loose && t->loose <= now));
}

static void serve_timers(struct loop *l)
{
	struct loop_timer *timers[LOOP_TIMERS_MAX];
	size_t n = l->ntimers;
	uint64_t now = loop_now();

	/* A copy, as a callback may remove any of them. */
	memcpy(timers, l->timers, sizeof(timers));
	for (size_t i = 0; i < n; i++) {
		struct loop_timer *t = timers[i];

		if (position((void *const *)l->timers, l->ntimers, t) == l->ntimers)
			continue;
		if (!is_due(t, now))
			continue;
		t->due = 0;
		t->expired(t->data);
	}
}

int loop_turn(struct loop *l, struct error *err)
{
	struct loop_source *sources[LOOP_SOURCES_MAX];
	struct pollfd fds[LOOP_SOURCES_MAX];
	size_t n = l->nsources;

	for (size_t i = 0; i < n; i++) {
		sources[i] = l->sources[i];
		fds[i] = (struct pollfd) {.fd = sources[i]->fd, .events = sources[i]->events};
	}
	if (poll(fds, n, time_left(l)) < 0)
		return errno == EINTR ? 0 : error_set(err, -errno, "poll: %s", strerror(errno));
	l->woke_us = loop_now_us();
	for (size_t i = 0; i < n; i++) {
		if (!fds[i].revents)
			continue;
		if (position((void *const *)l->sources, l->nsources, sources[i]) == l->nsources)
			continue;
		sources[i]->ready(sources[i]->data, fds[i].revents);
	}
	serve_timers(l);
	return 0;
}
