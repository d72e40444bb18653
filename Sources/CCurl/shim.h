// libcurl as Swift can see it: the variadic calls need one typed wrapper each.
#pragma once
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>

typedef size_t (*pail_curl_data_function)(char *data, size_t size, size_t count, void *context);
typedef int (*pail_curl_seek_function)(void *context, curl_off_t offset, int origin);
typedef int (*pail_curl_prereq_function)(
    void *context, char *remote_ip, char *local_ip, int remote_port, int local_port);

static inline CURLcode pail_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode pail_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode pail_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode pail_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode pail_curl_set_headers(CURL *handle, struct curl_slist *headers) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
}

static inline CURLcode pail_curl_set_data_function(CURL *handle, CURLoption option, pail_curl_data_function function) {
    return curl_easy_setopt(handle, option, function);
}

static inline CURLcode pail_curl_set_seek_function(CURL *handle, pail_curl_seek_function function) {
    return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, function);
}

static inline CURLcode pail_curl_set_prereq_function(CURL *handle, pail_curl_prereq_function function) {
    return curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, function);
}

// Sockets of the handle end when the peer acknowledges nothing for so long: TCP_USER_TIMEOUT, see tcp(7). A kernel that does
// not take it leaves the socket as it is.
static inline int pail_curl_set_user_timeout(void *milliseconds, curl_socket_t socket, curlsocktype purpose) {
    unsigned int timeout = (unsigned int)(uintptr_t)milliseconds;
    (void)purpose;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    return CURL_SOCKOPT_OK;
}

static inline CURLcode pail_curl_set_socket_timeout(CURL *handle, long milliseconds) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_SOCKOPTFUNCTION, pail_curl_set_user_timeout);
    if (code != CURLE_OK) return code;
    return curl_easy_setopt(handle, CURLOPT_SOCKOPTDATA, (void *)(uintptr_t)milliseconds);
}

static inline CURLcode pail_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode pail_curl_get_private(CURL *handle, void **value) {
    return curl_easy_getinfo(handle, CURLINFO_PRIVATE, value);
}

static inline CURLMcode pail_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURLSHcode pail_curl_share(CURLSH *share, curl_lock_data data) {
    return curl_share_setopt(share, CURLSHOPT_SHARE, data);
}

// A finished transfer's handle and result, out of the union that Swift cannot name.
static inline CURLMsg *pail_curl_next_done(CURLM *multi, CURL **handle, CURLcode *result) {
    int left;
    for (;;) {
        CURLMsg *message = curl_multi_info_read(multi, &left);
        if (!message) return NULL;
        if (message->msg != CURLMSG_DONE) continue;
        *handle = message->easy_handle;
        *result = message->data.result;
        return message;
    }
}

// Macros that Swift does not import.
enum { PAIL_CURL_READ_ABORT = CURL_READFUNC_ABORT };

// The calling thread's name, as `top -H` and debuggers show it.
static inline void pail_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
