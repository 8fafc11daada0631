/*
 * overlay: the chains that refuse VXLAN datagrams.
 */
#pragma once

#define CHAIN_REFUSE_CLEAR    "refuse_cleartext"
#define CHAIN_REFUSE_STRANGER "refuse_strangers"
