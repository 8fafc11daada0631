/*
 * The names of variables that hold secrets. A name is read by its words: what stands between '_', '-', '.' and the like, and in
 * "dbPassword". So TOKENIZER is none, and DB_PASSWORD_FILE says where one is.
 */
#include "images.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "quaywall/mem.h"

#define WORDS_MAX 16 /* of one name; the last ones count */

enum place {
	ANYWHERE,
	ENDS_WORD, /* anywhere, and also at the end of a longer word: PGPASSWORD */
	LAST,	   /* as the last word, and not alone: PWD is where a shell is */
};

/* What makes a name one of a secret; of two words, one behind the other. */
static const struct pattern {
	const char *words[2];
	enum place place;
} patterns[] = {
	{{"PASSWORD"}, ENDS_WORD},
	{{"PASSWD"}, ENDS_WORD},
	{{"PASSPHRASE"}, ENDS_WORD},
	{{"SECRET"}, ENDS_WORD},
	{{"TOKEN"}, ENDS_WORD},
	{{"APIKEY"}, ENDS_WORD},
	{{"ACCESSKEY"}, ENDS_WORD},
	{{"MASTERKEY"}, ENDS_WORD},
	{{"PRIVATEKEY"}, ENDS_WORD},
	{{"PRIVKEY"}, ENDS_WORD},
	{{"SECRETKEY"}, ENDS_WORD},
	{{"PASSWORDS"}, ANYWHERE},
	{{"SECRETS"}, ANYWHERE},
	{{"CREDENTIAL"}, ANYWHERE},
	{{"CREDENTIALS"}, ANYWHERE},
	{{"API", "KEY"}, ANYWHERE},
	{{"PRIVATE", "KEY"}, ANYWHERE},
	{{"ACCESS", "KEY"}, ANYWHERE},
	{{"AUTH", "KEY"}, ANYWHERE},
	{{"ACCOUNT", "KEY"}, ANYWHERE},
	{{"MASTER", "KEY"}, ANYWHERE},
	{{"SIGNING", "KEY"}, ANYWHERE},
	{{"ENCRYPTION", "KEY"}, ANYWHERE},
	{{"CONNECTION", "STRING"}, ANYWHERE},
	{{"PASS"}, LAST},
	{{"PWD"}, LAST},
	{{"PAT"}, LAST},
};

/* Last words by which it is about the secret and not the secret. */
static const char *const abouts[] = {
	"AGE",	    "ALGORITHM",  "AUDIENCE", "BYTES",	 "COUNT",   "DIR",    "DISABLED", "ENABLED",
	"ENDPOINT", "EXPIRATION", "EXPIRES",  "EXPIRY",	 "FIELD",   "FILE",   "FORMAT",	  "HEADER",
	"HELPER",   "HOST",	  "ID",	      "ISSUER",	 "LENGTH",  "LEN",    "LIFETIME", "LIMIT",
	"MAX",	    "MIN",	  "MODE",     "NAME",	 "PATH",    "POLICY", "PORT",	  "PREFIX",
	"PROVIDER", "REQUIRED",	  "SIZE",     "SUFFIX",	 "TIMEOUT", "TTL",    "TYPE",	  "URI",
	"URL",	    "USER",	  "USERNAME", "VERSION",
};

/* Words with which it is a switch, wherever they stand: MYSQL_ALLOW_EMPTY_PASSWORD. */
static const char *const switches[] = {
	"ALLOW", "DISABLE", "EMPTY", "ENABLE", "RANDOM", "REQUIRE", "SKIP",
};

/* Whole names that only look so: what they hold is a path. */
static const char *const exceptions[] = {"GOOGLE_APPLICATION_CREDENTIALS", "OLDPWD"};

struct word {
	const char *text;
	size_t len;
};

static bool is_in(const struct word *w, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == w->len && !strncasecmp(list[i], w->text, w->len))
			return true;
	return false;
}

static bool ends_word(const char *at)
{
	return !isalnum((unsigned char)at[1]) ||
	       (islower((unsigned char)at[0]) && isupper((unsigned char)at[1]));
}

/* PASSWORD1 and PASSWORD2 are alike. */
static size_t without_digits(const char *text, size_t len)
{
	while (len > 1 && isdigit((unsigned char)text[len - 1]))
		len--;
	return len;
}

/* The last WORDS_MAX words of NAME. */
static size_t split(const char *name, struct word ret[static WORDS_MAX])
{
	const char *begin = NULL;
	size_t n = 0;

	for (const char *at = name; *at; at++) {
		if (!isalnum((unsigned char)*at))
			continue;
		begin = begin ? begin : at;
		if (!ends_word(at))
			continue;
		if (n == WORDS_MAX)
			memmove(ret, ret + 1, --n * sizeof(*ret));
		ret[n++] = (struct word) {begin, without_digits(begin, (size_t)(at - begin) + 1)};
		begin = NULL;
	}
	return n;
}

static bool is_word(const struct word *w, const char *text, bool end)
{
	size_t len = strlen(text);

	return (end ? w->len >= len : w->len == len) &&
	       !strncasecmp(w->text + w->len - len, text, len);
}

static bool fits(const struct pattern *p, const struct word *words, size_t n)
{
	size_t need = p->words[1] ? 2 : 1;

	if (p->place == LAST)
		return n > 1 && is_word(&words[n - 1], p->words[0], false);
	for (size_t i = 0; i + need <= n; i++)
		if (is_word(&words[i], p->words[0], p->place == ENDS_WORD) &&
		    (need == 1 || is_word(&words[i + 1], p->words[1], false)))
			return true;
	return false;
}

bool variable_is_secret(const char *name)
{
	const struct word whole = {name, strlen(name)};
	struct word words[WORDS_MAX];
	size_t n = split(name, words);

	if (!n || is_in(&words[n - 1], abouts, ARRAY_SIZE(abouts)) ||
	    is_in(&whole, exceptions, ARRAY_SIZE(exceptions)))
		return false;
	for (size_t i = 0; i < n; i++)
		if (is_in(&words[i], switches, ARRAY_SIZE(switches)))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		if (fits(&patterns[i], words, n))
			return true;
	return false;
}
