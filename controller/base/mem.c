#include "quaywall/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/buf.h"

/* No text is formatted here: there may be no memory for it. */
static void *need(void *ptr)
{
	static const char message[] = "quaywall: out of memory\n";

	if (ptr)
		return ptr;
	if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
		abort();
	abort();
}

void *mem_new(size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return need(calloc(n, size));
}

void *mem_room(size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return need(reallocarray(NULL, n, size));
}

char *mem_strdup(const char *s)
{
	return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t len)
{
	return need(strndup(s, len));
}

char *mem_printf(const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return buf_steal(&b);
}

void *mem_grow(void *ptr, size_t *cap, size_t count, size_t size)
{
	size_t old = *cap, fresh = old ? old : 4;

	if (ptr && count <= old)
		return ptr;
	while (fresh < count)
		fresh = fresh > SIZE_MAX / 2 ? count : fresh * 2;
	ptr = need(reallocarray(ptr, fresh, size));
	memset((char *)ptr + old * size, 0, (fresh - old) * size);
	*cap = fresh;
	return ptr;
}

void mem_share(void)
{
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 1);
#endif
}

void mem_trim(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

void mem_cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void mem_cleanup_file(void *file)
{
	FILE *f = *(FILE **)file;

	if (f)
		fclose(f);
}
