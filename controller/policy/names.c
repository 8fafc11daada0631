#include "internal.h"

#include <stdint.h>
#include <string.h>

/* Longer words are no typing mistake of a key; the limit also bounds the work for hostile input. */
#define DISTANCE_MAX_LEN 32

const char *clip(const char *text, char buf[static CLIP_SIZE])
{
	size_t len = strlen(text);

	if (len > 60) {
		len = 60;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
		memcpy(buf, text, len);
		memcpy(buf + len, "…", sizeof("…"));
	} else {
		memcpy(buf, text, len + 1);
	}
	return buf;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

/* Optimal string alignment: `form` for `from` is one mistake, not two. */
size_t names_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t d[DISTANCE_MAX_LEN + 1][DISTANCE_MAX_LEN + 1];

	if (la > DISTANCE_MAX_LEN || lb > DISTANCE_MAX_LEN)
		return SIZE_MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			size_t replaced = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, replaced);
			bool swapped =
				i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			if (swapped && d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[la][lb];
}

const char *names_nearest(const char *word, const char *const *known)
{
	size_t best = SIZE_MAX;
	const char *nearest = NULL;

	for (; *known; known++) {
		size_t distance = names_distance(word, *known);
		if (distance < best) {
			best = distance;
			nearest = *known;
		}
	}
	if (!nearest || best > 3 || 2 * best >= strlen(word) + 1)
		return NULL;
	return nearest;
}

void names_advice(const char *word, const char *const *known, struct buf *out)
{
	const char *nearest = names_nearest(word, known);

	if (nearest) {
		buf_printf(out, "did you mean \"%s\"?", nearest);
		return;
	}
	buf_str(out, known[0] && known[1] ? "expected one of " : "expected ");
	for (size_t i = 0; known[i]; i++)
		buf_printf(out, "%s%s", i ? ", " : "", known[i]);
}
