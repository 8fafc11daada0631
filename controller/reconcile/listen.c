#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "quaywall/mem.h"

#define GROUP "quaywall"
#define UNIX  "unix:"

/* ---- unix sockets ---- */

static int set_address(const char *what, struct sockaddr_un *addr, const char *path,
		       struct error *err)
{
	*addr = (struct sockaddr_un) {.sun_family = AF_UNIX};
	if (!*path || strlen(path) >= sizeof(addr->sun_path))
		return error_set(err, -EINVAL, "%s %s: the path is too long", what, path);
	memcpy(addr->sun_path, path, strlen(path) + 1);
	return 0;
}

/* A socket that is there: a living one, or one that a dead process left. */
static int make_way(const char *what, const struct sockaddr_un *addr, struct error *err)
{
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return error_set(err, -errno, "socket: %s", strerror(errno));
	if (lstat(addr->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "%s %s: something else is there", what,
				 addr->sun_path);
	/* EAGAIN: alive, with a full queue. */
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
		return error_set(err, -EADDRINUSE, "%s %s: another process answers there", what,
				 addr->sun_path);
	if (unlink(addr->sun_path) < 0)
		return error_set(err, -errno, "%s %s: %s", what, addr->sun_path, strerror(errno));
	return 0;
}

/* The folder is the daemon's own, made at the first start after a boot. */
static void make_folder(const char *path)
{
	CLEANUP_FREE char *copy = mem_strdup(path);

	/* Where it fails, so does bind(). */
	if (mkdir(dirname(copy), 0755) < 0)
		return;
}

static void give_to_group(const char *path)
{
	const struct group *g = getgrnam(GROUP);

	/* Without the group, or as another user than root, the socket is its owner's alone. */
	if (g && lchown(path, (uid_t)-1, g->gr_gid) < 0)
		return;
}

int listen_unix(const char *what, const char *path, int backlog, int *ret_fd, struct error *err)
{
	struct sockaddr_un addr;
	CLEANUP_FD int fd = -1;
	mode_t mask;
	int r = set_address(what, &addr, path, err);

	if (r == 0)
		r = make_way(what, &addr, err);
	if (r < 0)
		return r;
	make_folder(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "socket: %s", strerror(errno));
	/* The mode is right from birth: nobody else can connect in between. */
	mask = umask(0117);
	r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, backlog) < 0)
		r = -errno;
	if (r < 0)
		return error_set(err, r, "%s %s: %s", what, path, strerror(-r));
	give_to_group(path);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

const char *listen_path(const char *where)
{
	return strncmp(where, UNIX, strlen(UNIX)) ? NULL : where + strlen(UNIX);
}

/* ---- TCP ---- */

/* "127.0.0.1:9469" or "[::1]:9469" as numbers, which takes no resolver. The caller frees *RET. */
static int resolve(const char *what, const char *where, struct addrinfo **ret, struct error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
	const char *colon = strrchr(where, ':');
	size_t brackets = where[0] == '[';
	CLEANUP_FREE char *host = NULL;
	int r = EAI_NONAME;

	if (colon && (size_t)(colon - where) > 2 * brackets) {
		host = mem_strndup(where + brackets, (size_t)(colon - where) - 2 * brackets);
		r = getaddrinfo(host, colon + 1, &hints, ret);
	}
	return r ? error_set(err, -EINVAL, "%s %s: %s", what, where, gai_strerror(r)) : 0;
}

static int listen_tcp(const char *what, const char *where, int backlog, int *ret_fd,
		      struct error *err)
{
	struct addrinfo *info = NULL;
	int r = resolve(what, where, &info, err), on = 1;
	CLEANUP_FD int fd = -1;

	if (r < 0)
		return r;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* What a daemon of before left in TIME_WAIT must not keep this one away. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, backlog) < 0)
		r = error_set(err, -errno, "%s %s: %s", what, where, strerror(errno));
	freeaddrinfo(info);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int listen_at(const char *what, const char *where, int backlog, int *ret_fd, struct error *err)
{
	const char *path = listen_path(where);

	return path ? listen_unix(what, path, backlog, ret_fd, err)
		    : listen_tcp(what, where, backlog, ret_fd, err);
}
