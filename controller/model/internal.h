/* What the model's files share: sorting what hangs from one object. */
#pragma once

#include "quaywall/model.h"

void sort_network(struct model_network *n);
void sort_container(struct model_container *c);
