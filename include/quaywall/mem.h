/*
 * mem: allocation that does not fail, and the cleanup attributes of plain C types.
 *
 * Out of memory aborts: the kernel keeps the rules, the service manager restarts the daemon, and its
 * start is a full listing anyway. So whatever takes a size from outside caps it first.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

/* Zeroed memory for N objects of SIZE bytes; never NULL (N or SIZE of 0 give a unique pointer). */
void *mem_new(size_t n, size_t size) __attribute__((malloc, returns_nonnull));

/* The same, not zeroed: for what is written whole at once. */
void *mem_room(size_t n, size_t size) __attribute__((malloc, returns_nonnull));

/* A copy of S; NULL gives NULL. To be freed with free(). */
char *mem_strdup(const char *s);

/* At most LEN bytes of S, terminated. */
char *mem_strndup(const char *s, size_t len) __attribute__((returns_nonnull));

/* printf into fresh memory. */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* Room for at least NEED objects of SIZE bytes in the array PTR of *CAP objects; grows by doubling,
 * zeroes what is new, updates *CAP and returns the array, perhaps moved. */
void *mem_grow(void *ptr, size_t *cap, size_t need, size_t size) __attribute__((returns_nonnull));

/* One heap for all threads, before there are others: each would keep what it freed to itself otherwise. */
void mem_share(void);

/* Gives back to the system what was freed: behind a piece of work that needed much for a moment. The allocator keeps
 * nearly all of it otherwise. */
void mem_trim(void);

/* Appends ITEM to the open array ARR with its fields `items`, `len` and `cap`. */
#define MEM_PUSH(arr, item)                                                        \
	do {                                                                       \
		(arr)->items = mem_grow((arr)->items, &(arr)->cap, (arr)->len + 1, \
					sizeof(*(arr)->items));                    \
		(arr)->items[(arr)->len++] = (item);                               \
	} while (0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

static inline void mem_cleanup_free(void *ptr)
{
	free(*(void **)ptr);
}

void mem_cleanup_fd(int *fd);	   /* closes unless negative */
void mem_cleanup_file(void *file); /* FILE **: closes unless NULL */

#define CLEANUP_FREE __attribute__((cleanup(mem_cleanup_free)))
#define CLEANUP_FD   __attribute__((cleanup(mem_cleanup_fd)))
#define CLEANUP_FILE __attribute__((cleanup(mem_cleanup_file)))
