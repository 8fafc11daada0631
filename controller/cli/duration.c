#include "duration.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* The number and unit that *AT begins with; each unit stands once, the larger before the smaller. */
static int take_part(const char **at, const char **units, unsigned long *ret)
{
	static const unsigned long seconds[] = {['h'] = 3600, ['m'] = 60, ['s'] = 1};
	unsigned long n = 0;
	const char *unit;

	if (!isdigit((unsigned char)**at))
		return -EINVAL;
	for (; isdigit((unsigned char)**at); (*at)++)
		if (n < 100000000)
			n = n * 10 + (unsigned long)(**at - '0');
	unit = **at ? strchr(*units, **at) : NULL;
	if (!unit)
		return -EINVAL;
	*units = unit + 1;
	(*at)++;
	*ret = n * seconds[(unsigned char)*unit];
	return 0;
}

int duration_parse(const char *text, unsigned most, unsigned *ret)
{
	const char *units = "hms";
	unsigned long sum = 0;

	do {
		unsigned long part;
		int r = take_part(&text, &units, &part);

		if (r < 0)
			return r;
		sum += part;
	} while (*text);
	if (sum < 1 || sum > most)
		return -EINVAL;
	*ret = (unsigned)sum;
	return 0;
}
