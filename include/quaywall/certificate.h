/*
 * certificate: until when an X.509 certificate is valid, and nothing else of it. Nothing is verified.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of the certificates in TEXT (PEM, LEN bytes) the earliest end of validity, in seconds of the epoch. -EBADMSG: none
 * that can be read. */
int certificate_expiry(const char *text, size_t len, int64_t *ret);
