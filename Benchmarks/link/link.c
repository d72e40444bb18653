// link: a TCP relay on loopback that behaves like a long line to a remote host.
//
//   cc -O2 -o link link.c
//   link PORT UPSTREAM_PORT ROUND_TRIP_MS
//
// PORT 0 takes a free port; the port is printed on stdout once connections are taken. A byte arrives half a round trip after it was
// sent, in order, and as many may be under way as the sender likes; opening a connection costs one round trip more, as TCP's
// handshake does. There is no limit of rate: loopback's own is shared by all.
//
// SIGUSR1 prints what has gone over the line since the start, as one line of JSON on stdout: HTTP requests by kind, connections, and
// bytes each way. A request is seen without parsing the stream: HTTP/1.1's clients send the next one only once they have an answer, so
// it begins with the first bytes that come after bytes of the server, and one look at those tells its kind. Bytes that follow a
// "100 Continue" are a body, and none begins with a method and a path.
//
// Each wait is one of two constant lengths, so whatever comes first falls due first: two plain queues of appointments take the place
// of a timer heap, and one thread with epoll does all the work.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 256 << 10, MOST_UNDER_WAY = 128 << 20 };

typedef struct Segment {
    struct Segment *next;
    uint64_t due;
    size_t length, written; // a length of 0 is the sender's end
    char bytes[];
} Segment;

// One direction of a connection: from `source` to `sink`.
typedef struct {
    Segment *first, *last;
    size_t under_way;
    int has_ended, has_finished;
} Lane;

typedef struct {
    int fd[2];          // 0: the client, 1: the upstream server
    Lane lane[2];       // lane[i] reads fd[i] and writes fd[1 - i]
    uint32_t events[2]; // what epoll watches each fd for
    int is_open, is_dead;
    int is_in_request;  // the client has spoken since the server did
    unsigned appointments; // entries in the queues that name this connection
} Connection;

typedef struct {
    uint64_t due;
    Connection *connection;
} Appointment;

typedef struct {
    Appointment *entries;
    size_t start, count, capacity;
} Queue;

static int epoll_fd, upstream_port;
static uint64_t one_way;
static Queue arrivals, openings;

enum { LIST, HEAD, GET, PUT, PART, COPY, POST, DELETE, OTHER, KINDS };
static const char *const kind_names[KINDS] = {"LIST", "HEAD", "GET", "PUT", "PART", "COPY", "POST", "DELETE", "OTHER"};
static uint64_t requests[KINDS], connections, bytes[2];
static volatile sig_atomic_t is_asked;

static void ask(int signal_number) {
    (void)signal_number;
    is_asked = 1;
}

static void answer(void) {
    is_asked = 0;
    printf("{");
    for (int kind = 0; kind < KINDS; kind++) printf("\"%s\": %llu, ", kind_names[kind], (unsigned long long)requests[kind]);
    printf("\"connections\": %llu, \"bytes_up\": %llu, \"bytes_down\": %llu}\n", (unsigned long long)connections,
           (unsigned long long)bytes[0], (unsigned long long)bytes[1]);
    fflush(stdout);
}

static int holds(const char *text, size_t length, const char *word) { return memmem(text, length, word, strlen(word)) != NULL; }

// Counts the request whose first bytes these are. Buckets are in the path: what stands behind the second slash is a key.
static void count_request(const char *text, size_t length) {
    static const struct {
        const char *method;
        int kind;
    } methods[] = {{"GET /", GET}, {"PUT /", PUT}, {"HEAD /", HEAD}, {"POST /", POST}, {"DELETE /", DELETE}, {"OPTIONS ", OTHER}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        size_t skip = strlen(methods[i].method);
        if (length < skip || memcmp(text, methods[i].method, skip)) continue;
        const char *path = text + skip, *end = memchr(path, ' ', length - skip);
        int kind = methods[i].kind;
        if (end) {
            size_t line = (size_t)(end - path);
            const char *query = memchr(path, '?', line), *slash = memchr(path, '/', line);
            if (kind == GET && (!slash || slash + 1 == end || (query && query <= slash + 1))) kind = LIST;
            if (kind == PUT && holds(text, length, "partNumber=")) kind = PART;
            if ((kind == PUT || kind == PART) && (holds(text, length, "x-amz-copy-source") || holds(text, length, "X-Amz-Copy-Source")))
                kind = COPY;
        }
        requests[kind]++;
        return;
    }
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void enqueue(Queue *queue, uint64_t due, Connection *connection) {
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity ? 2 * queue->capacity : 1024;
        Appointment *entries = malloc(capacity * sizeof *entries);
        if (!entries) die("link: memory");
        for (size_t i = 0; i < queue->count; i++) entries[i] = queue->entries[(queue->start + i) % queue->capacity];
        free(queue->entries);
        *queue = (Queue){entries, 0, queue->count, capacity};
    }
    queue->entries[(queue->start + queue->count++) % queue->capacity] = (Appointment){due, connection};
    connection->appointments++;
}

// The next connection whose appointment has come; NULL if none has.
static Connection *dequeue(Queue *queue, uint64_t now) {
    if (!queue->count || queue->entries[queue->start].due > now) return NULL;
    Connection *connection = queue->entries[queue->start].connection;
    queue->start = (queue->start + 1) % queue->capacity;
    queue->count--;
    connection->appointments--;
    return connection;
}

static void watch(Connection *c) {
    uint64_t now = nanoseconds();
    for (int side = 0; side < 2; side++) {
        Lane *in = &c->lane[side], *out = &c->lane[1 - side];
        uint32_t events = 0;
        if (c->is_open && !in->has_ended && in->under_way < MOST_UNDER_WAY) events |= EPOLLIN;
        if (out->first && out->first->due <= now) events |= EPOLLOUT; // due, but the socket is full
        if (events != c->events[side]) {
            struct epoll_event e = {.events = events, .data.u64 = (uint64_t)(uintptr_t)c | (uint64_t)side};
            epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd[side], &e);
            c->events[side] = events;
        }
    }
}

static void hang_up(Connection *c) {
    if (c->is_dead) return;
    c->is_dead = 1;
    for (int side = 0; side < 2; side++) {
        close(c->fd[side]);
        for (Segment *s = c->lane[side].first, *next; s; s = next) {
            next = s->next;
            free(s);
        }
        c->lane[side] = (Lane){0};
    }
}

static void deliver(Connection *c, int side) {
    Lane *lane = &c->lane[side];
    int to = c->fd[1 - side];
    uint64_t now = nanoseconds();
    while (!c->is_dead && lane->first && lane->first->due <= now) {
        Segment *s = lane->first;
        if (s->length) {
            ssize_t n = write(to, s->bytes + s->written, s->length - s->written);
            if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
            if (n < 0) {
                hang_up(c);
                return;
            }
            s->written += (size_t)n;
            lane->under_way -= (size_t)n;
            if (s->written < s->length) return;
        } else {
            shutdown(to, SHUT_WR);
            lane->has_finished = 1;
        }
        lane->first = s->next;
        if (!lane->first) lane->last = NULL;
        free(s);
    }
    if (c->lane[0].has_finished && c->lane[1].has_finished) hang_up(c);
}

static void take(Connection *c, int side) {
    static char buffer[READ_SIZE];
    Lane *lane = &c->lane[side];
    ssize_t n = read(c->fd[side], buffer, sizeof buffer);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
    if (n < 0) {
        hang_up(c);
        return;
    }
    Segment *s = malloc(sizeof *s + (size_t)n);
    if (!s) die("link: memory");
    *s = (Segment){.due = nanoseconds() + one_way, .length = (size_t)n};
    memcpy(s->bytes, buffer, (size_t)n);
    bytes[side] += (size_t)n;
    if (side == 0 && n > 0 && !c->is_in_request) count_request(buffer, (size_t)n);
    if (n > 0) c->is_in_request = side == 0;
    if (lane->last) lane->last->next = s;
    else lane->first = s;
    lane->last = s;
    lane->under_way += (size_t)n;
    if (n == 0) lane->has_ended = 1;
    enqueue(&arrivals, s->due, c);
}

static int make_socket(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("link: socket");
    return fd;
}

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void admit(int listener) {
    int client, on = 1;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int upstream = make_socket();
        struct sockaddr_in address = loopback(upstream_port);
        if (connect(upstream, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
            close(client);
            close(upstream);
            continue;
        }
        Connection *c = calloc(1, sizeof *c);
        if (!c) die("link: memory");
        c->fd[0] = client;
        c->fd[1] = upstream;
        for (int side = 0; side < 2; side++) {
            setsockopt(c->fd[side], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            struct epoll_event e = {.events = 0, .data.u64 = (uint64_t)(uintptr_t)c | (uint64_t)side};
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd[side], &e);
        }
        connections++;
        enqueue(&openings, nanoseconds() + 2 * one_way, c);
    }
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: link PORT UPSTREAM_PORT ROUND_TRIP_MS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = ask};
    sigaction(SIGUSR1, &action, NULL);
    sigset_t asking, none;
    sigemptyset(&none);
    sigemptyset(&asking);
    sigaddset(&asking, SIGUSR1);
    sigprocmask(SIG_BLOCK, &asking, NULL); // it comes only while we wait
    upstream_port = atoi(arguments[2]);
    one_way = (uint64_t)(atof(arguments[3]) * 1e6 / 2);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = make_socket(), on = 1;
    struct sockaddr_in address = loopback(atoi(arguments[1]));
    socklen_t size = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) die("link: listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    struct epoll_event first = {.events = EPOLLIN, .data.u64 = 0}, events[256];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &first);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        if (is_asked) answer();
        uint64_t now = nanoseconds(), next = now + 1000000000u;
        if (arrivals.count && arrivals.entries[arrivals.start].due < next) next = arrivals.entries[arrivals.start].due;
        if (openings.count && openings.entries[openings.start].due < next) next = openings.entries[openings.start].due;
        uint64_t wait = next > now ? next - now : 0;
        struct timespec limit = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
        int ready = epoll_pwait2(epoll_fd, events, 256, &limit, &none);
        for (int i = 0; i < ready; i++) {
            if (!events[i].data.u64) {
                admit(listener);
                continue;
            }
            Connection *c = (Connection *)(uintptr_t)(events[i].data.u64 & ~(uint64_t)1);
            int side = (int)(events[i].data.u64 & 1);
            if (c->is_dead) continue;
            if (events[i].events & EPOLLERR) {
                hang_up(c);
            } else {
                if (c->is_open && events[i].events & (EPOLLIN | EPOLLHUP) && !c->lane[side].has_ended) take(c, side);
                if (events[i].events & EPOLLOUT) deliver(c, 1 - side);
            }
            // A dead connection lives until its last appointment; one that has none then gets one to be freed at.
            if (c->is_dead && !c->appointments) enqueue(&arrivals, nanoseconds() + one_way, c);
            else if (!c->is_dead) watch(c);
        }
        now = nanoseconds();
        Queue *queues[] = {&openings, &arrivals};
        for (int i = 0; i < 2; i++)
            for (Connection *c; (c = dequeue(queues[i], now));) {
                if (!c->is_dead) {
                    c->is_open |= i == 0;
                    deliver(c, 0);
                    if (!c->is_dead) deliver(c, 1);
                }
                if (!c->is_dead) watch(c);
                else if (!c->appointments) free(c);
            }
    }
}
