/*
 * duration: "120s", "2m", "1h30m".
 */
#pragma once

/* In seconds, from 1 to MOST. 0, or -EINVAL where TEXT is none. */
int duration_parse(const char *text, unsigned most, unsigned *ret);
