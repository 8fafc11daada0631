/*
 * filter: the watch over br_netfilter's switches.
 */
#pragma once

struct filter_watch {
	int fd;	     /* of inotify, or -1 */
	int pins[2]; /* hold what is watched, or -1 */
};

void filter_watch_init(struct filter_watch *w);	    /* of the calling thread's namespace */
void filter_watch_dispatch(struct filter_watch *w); /* also begins to watch what came late */
void filter_watch_done(struct filter_watch *w);
