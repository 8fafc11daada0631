/*
 * text: pieces of nft text that the print of a table and the print of a difference share.
 */
#pragma once

#include "quaywall/buf.h"
#include "quaywall/ruleset.h"

/* The text of a rule, its comment included; no newline. */
void text_rule(const struct ruleset_rule *rule, struct buf *out);

/* The text of an element of S, its counter, comment and verdict included. */
void text_element(const struct ruleset_set *s, const struct ruleset_element *e, struct buf *out);

/* "rate 20/second burst 100 packets" */
void text_rate(uint32_t rate, uint32_t unit, uint32_t burst, struct buf *out);

/* "type filter hook forward priority filter - 10; policy accept;" */
void text_hook(uint8_t family, const struct ruleset_chain *c, struct buf *out);

/* "goto CHAIN" */
void text_verdict(enum ruleset_verdict verdict, const char *chain, struct buf *out);

/* An IP protocol in a form that nft reads without /etc/protocols. */
void text_protocol(uint32_t number, struct buf *out);

/* The lines of S's declaration without its elements, each behind INDENT. */
void text_set_lines(const struct ruleset_set *s, const char *indent, struct buf *out);
