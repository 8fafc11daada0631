/*
 * netns: a network namespace for each test, and links in it.
 */
#pragma once

#include <stdint.h>

/* Setup and teardown of a test. */
int netns_enter(void **state);
int netns_leave(void **state);

void netns_add_bridge(const char *name);
void netns_add_veth(const char *name, const char *peer);
void netns_del_link(const char *name);
void netns_set_master(const char *name, const char *master); /* NULL: none */
void netns_rename_link(const char *name, const char *fresh);
void netns_set_up(const char *name);
void netns_set_mac(const char *name, const uint8_t mac[static 6]);

/* What the bridges have learned: at which port MAC is; the name is good until the next call, "" for at none. */
const char *netns_port_of(const uint8_t mac[static 6]);

/* TYPE: RTM_NEWADDR or RTM_DELADDR; TEXT with the prefix length; PEER or NULL. */
void netns_change_addr(uint16_t type, const char *name, const char *text, const char *peer);
void netns_add_addr(const char *name, const char *text);
