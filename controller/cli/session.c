#include "session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/flow.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"

#define NAME	      "SSH_CONNECTION="
#define ANCESTORS_MAX 64
#define ENVIRON_MAX   (1u << 20)

static bool read_proc(long pid, const char *what, struct buf *ret)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%ld/%s", pid, what);
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n = -1;

	while (fd >= 0 && ret->len < ENVIRON_MAX && (n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(ret, chunk, (size_t)n);
	return n >= 0;
}

/* As it was when the process began, which is what its children got. */
static char *find_connection(long pid)
{
	CLEANUP_BUF struct buf env = BUF_INIT;
	const char *at, *end;

	if (!read_proc(pid, "environ", &env))
		return NULL;
	at = buf_text(&env);
	for (end = at + env.len; at < end; at += strlen(at) + 1)
		if (strncmp(at, NAME, strlen(NAME)) == 0)
			return mem_strdup(at + strlen(NAME));
	return NULL;
}

/* 0: none. The name, in parentheses, may hold anything. */
static long parent_of(long pid)
{
	CLEANUP_BUF struct buf stat = BUF_INIT;
	const char *name_end;

	if (!read_proc(pid, "stat", &stat))
		return 0;
	name_end = strrchr(buf_text(&stat), ')');
	if (!name_end || strlen(name_end) < 5)
		return 0;
	return strtol(name_end + 4, NULL, 10); /* ") S 1234 …" */
}

char *session_connection(void)
{
	const char *own = getenv("SSH_CONNECTION");
	long pid = getppid();

	if (own)
		return mem_strdup(own);
	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++, pid = parent_of(pid)) {
		char *found = find_connection(pid);

		if (found)
			return found;
	}
	return NULL;
}

json_t *session_warnings(const struct compiled *c, const struct model *m)
{
	CLEANUP_FREE char *connection = session_connection();
	CLEANUP_FLOW struct flow_table *flows = NULL;
	struct reconcile_session own;
	bool known = reconcile_session_parse(connection, &own);

	/* Without the right to read it, SSH_CONNECTION alone has to do. */
	flow_open(-1, &flows, NULL);
	return reconcile_session_warnings(c, m, flows, known ? &own : NULL);
}

void session_print(const json_t *warnings)
{
	size_t i;
	json_t *warning;

	json_array_foreach(warnings, i, warning)
		fprintf(stderr, "warning: %s\n", json_string_value(warning));
}
