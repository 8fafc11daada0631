/*
 * same: whether two answers of the engine say the same of a container or a network.
 */
#pragma once

#include <stdbool.h>

#include "quaywall/model.h"

/* Pieces (see documents.h), sorted; labels' from_image does not count. */
bool same_container(const struct model_container *a, const struct model_container *b);
bool same_network(const struct model *a, const struct model *b);
