// libmicrohttpd as Swift can see it: the variadic start, and the log callback that takes a va_list.
#ifndef PAIL_CMICROHTTPD_SHIM_H
#define PAIL_CMICROHTTPD_SHIM_H

#include <microhttpd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

// What a daemon tells of itself, as text.
typedef void (*pail_http_log_function)(void *context, const char *text);

// What all callbacks of a daemon get as their closure.
struct pail_http_callbacks {
    void *context;
    pail_http_log_function log;
    MHD_AccessHandlerCallback handle;
    MHD_RequestCompletedCallback completed;
};

static inline void pail_http_log(void *closure, const char *format, va_list arguments) {
    struct pail_http_callbacks *callbacks = (struct pail_http_callbacks *)closure;
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    callbacks->log(callbacks->context, text);
}

// Starts a daemon with one thread of its own on a socket that is bound and listens. `callbacks` must stay where it is until the
// daemon is stopped. NULL on failure; the socket is still the caller's then.
static inline struct MHD_Daemon *pail_http_start(
    int listener, unsigned int connections, unsigned int timeout_seconds, struct pail_http_callbacks *callbacks) {
    return MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        callbacks->handle, callbacks->context,
        // First, so that what goes wrong at the start is told by it as well.
        MHD_OPTION_EXTERNAL_LOGGER, pail_http_log, (void *)callbacks,
        MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_CONNECTION_TIMEOUT, timeout_seconds,
        MHD_OPTION_NOTIFY_COMPLETED, callbacks->completed, callbacks->context,
        MHD_OPTION_END);
}

#endif
