/* outlet: the output of the settings in force. */
#pragma once

#include "output.h"

struct outlet {
	struct output *output; /* NULL: none, or there was no thread for it */
	enum output_to to;     /* as it was opened */
	char *path;
	char *error; /* why there is none */
};
