/* What a supervisor such as systemd is told and gives: sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3), without a library. */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

/* The socket that is handed over, or -1. */
int supervisor_listener(void);
void supervisor_ready(void);
void supervisor_stopping(void);
/* Tells that the program is alive, as often as is asked for. */
void supervisor_alive(void);
/* Milliseconds to wait at most, so that the next message is in time. */
int supervisor_wait(int most);

#endif
