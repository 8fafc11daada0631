/*
 * same: whether two answers of the engine say the same of a container or a network.
 */
#pragma once

#include <stdbool.h>

#include "quaywall/model.h"

/* All of it sorted. */
bool same_container(const struct model_container *a, const struct model_container *b);
/* Without its endpoints. */
bool same_network(const struct model_network *a, const struct model_network *b);
/* Whatever network they are in, and whichever port they have. */
bool same_endpoint(const struct model_endpoint *a, const struct model_endpoint *b);
