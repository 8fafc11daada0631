/*
 * shop: the world of case_shop, for tests of the learn room.
 */
#pragma once

#include "quaywall/compile.h"
#include "../compile/case.h"

/* Endpoints of case_shop. */
enum { W1_FRONT, W1_BACK, W2_FRONT, W2_BACK, DB, WORKER, BLOG_WEB, GRAFANA };

static struct test_case t;

static int setup(void **state)
{
	(void)state;
	case_load(&t, NULL, "policy: shop\nfor: {project: shop}\n", case_shop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	case_done(&t);
	return 0;
}

static struct flow_end endpoint(size_t i)
{
	return (struct flow_end) {
		.kind = END_ENDPOINT, .endpoint = i, .addr = t.model->endpoints[i].addr4};
}
