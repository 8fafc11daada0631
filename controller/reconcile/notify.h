/*
 * notify: tells the service manager how the daemon is, by the protocol of sd_notify(3), which is a
 * datagram to the socket that NOTIFY_SOCKET names. Without one, nothing happens.
 */
#pragma once

#include <stdint.h>

/* Sends STATE, lines of KEY=VALUE such as "READY=1\nSTATUS=…". */
void notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "RELOADING=1", with the time that systemd asks for beside it. */
void notify_reloading(void);

/* How often WATCHDOG=1 is due, in ms: half of what the service manager waits; 0: it does not wait.
 */
uint64_t notify_watchdog_ms(void);
