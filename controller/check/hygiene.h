/*
 * hygiene: what the files of the group `hygiene` share.
 */
#pragma once

#include "internal.h"

/* Rules that nothing has used for as long as the settings say. */
void hygiene_unused(const struct check_input *in, struct check_report *ret);

/* Rules for `any` that few were seen to use. */
void hygiene_wide(const struct check_input *in, struct check_report *ret);

/* "policy shop: allow {from: web, to: db, ports: [5432/tcp]}": does not change when lines move. The caller frees. */
char *hygiene_rule_name(const struct policy_document *doc, const struct policy_rule *rule);
