/*
 * posture: what is taken over of the engine's documents for the checks. Everything that is not named in posture_take.c
 * stays out: a document holds secrets in places that nobody thinks of.
 */
#pragma once

#include <jansson.h>

#define POSTURE_TEXT_MAX 1024 /* bytes of one text; what is longer is cut */
#define POSTURE_LIST_MAX 1024 /* items of one list; what is beyond is left out */

/* Each makes the part of that name (see docker_posture()) from the engine's document, which may be anything. */
json_t *posture_engine(const json_t *version, const json_t *info);
json_t *posture_container(const json_t *inspected);
/* Which of the lists of a container or an image has more than is taken over; NULL: none. */
const char *posture_cut(const json_t *inspected);
json_t *posture_image(const json_t *inspected);
json_t *posture_swarm(const json_t *swarm, const json_t *nodes);
