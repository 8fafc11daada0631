#pragma once

struct model;

/* Aborts unless M, written as a snapshot, reads back as the same. */
void check_model(const struct model *m);
