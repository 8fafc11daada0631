#include "check_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/docker.h"
#include "quaywall/error.h"
#include "quaywall/model.h"

void check_model(const struct model *m)
{
	CLEANUP_BUF struct buf first = BUF_INIT, second = BUF_INIT;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *again = NULL;

	docker_snapshot_write(m, &first);
	if (docker_snapshot_read(buf_text(&first), first.len, &again, &err) == 0)
		docker_snapshot_write(again, &second);
	if (!strcmp(buf_text(&first), buf_text(&second)))
		return;
	fprintf(stderr, "%s\nwritten:\n%s\nand then:\n%s\n", error_text(&err), buf_text(&first),
		buf_text(&second));
	abort();
}
