#include "internal.h"

#include <string.h>
#include <strings.h>

#include "quaywall/mem.h"

const char *capability_bare_name(const char *name)
{
	return strncasecmp(name, "CAP_", 4) ? name : name + 4;
}

bool capability_is(const char *name, const char *which)
{
	return !strcasecmp(capability_bare_name(name), which);
}

bool capability_is_usual(const char *name)
{
	static const char *const usual[] = {
		"AUDIT_WRITE", "CHOWN",	  "DAC_OVERRIDE", "FOWNER",	      "FSETID",
		"KILL",	       "MKNOD",	  "NET_RAW",	  "NET_BIND_SERVICE", "SETFCAP",
		"SETGID",      "SETPCAP", "SETUID",	  "SYS_CHROOT",
	};

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (capability_is(name, usual[i]))
			return true;
	return false;
}

bool capability_is_in(const json_t *list, const char *which)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (name && capability_is(name, which))
			return true;
	}
	return false;
}

/* In the engine's order: ALL less what is dropped; else what is added stays, though it is dropped, too. */
bool capability_of(const json_t *container, const char *which)
{
	const json_t *add = json_object_get(container, "cap_add");
	const json_t *drop = json_object_get(container, "cap_drop");

	if (json_is_true(json_object_get(container, "privileged")))
		return true;
	if (capability_is_in(add, "ALL"))
		return !capability_is_in(drop, which);
	if (capability_is_in(add, which))
		return true;
	return capability_is_usual(which) && !capability_is_in(drop, which) &&
	       !capability_is_in(drop, "ALL");
}
