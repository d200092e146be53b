/* A TCP proxy that delays what passes, and nothing else: every byte is written DELAY milliseconds after it was read,
   in both directions, so a round trip takes twice that; bandwidth is what the machine gives.

   Usage: proxy PORT DELAY
   Listens on a port of 127.0.0.1, which it prints, and connects to PORT there. Ends at SIGTERM.

   It reads at once whatever comes, so that a sender never waits for a window, and holds it in a queue for each
   direction. One thread: epoll, and a timer set to what is due next. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 64 * 1024, KEPT = 4096 };

struct piece {
    struct piece *next;
    int64_t due; /* nanoseconds, monotonic */
    int size, sent;
    char bytes[ROOM];
};

struct way { /* one direction of a connection */
    int from, to;
    int closed;  /* nothing more comes */
    int blocked; /* the other side takes nothing now */
    int over;    /* its end was passed on */
    int64_t closed_at;
    struct piece *first, *last;
    struct way *back, *next;
};

static struct way *ways;
static struct piece *spare;
static int spares, poll_fd, port;
static int64_t delay;
static volatile sig_atomic_t ending;

static void end(int signal) { (void)signal; ending = 1; }

static void die(const char *what) { perror(what); exit(1); }

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct piece *take(void)
{
    struct piece *one = spare;
    if (!one) return malloc(sizeof *one);
    spare = one->next;
    spares--;
    return one;
}

static void give_back(struct piece *one)
{
    if (spares >= KEPT) { free(one); return; }
    one->next = spare;
    spare = one;
    spares++;
}

/* A way watches the socket it reads from, and whether the way back may write there again. */
static void watch(struct way *w, int change)
{
    struct epoll_event event = {.events = (w->closed ? 0 : EPOLLIN) | (w->back->blocked ? EPOLLOUT : 0), .data.ptr = w};
    epoll_ctl(poll_fd, change, w->from, &event);
}

static void closed(struct way *w)
{
    w->closed = 1;
    w->closed_at = now() + delay;
    watch(w, EPOLL_CTL_MOD);
}

/* Reads what is there. */
static void pull(struct way *w)
{
    ssize_t n = ROOM;
    while (!w->closed && n == ROOM) {
        struct piece *one = take();
        n = read(w->from, one->bytes, ROOM);
        if (n <= 0) {
            int again = n < 0 && (errno == EAGAIN || errno == EINTR);
            give_back(one);
            if (!again) closed(w);
            return;
        }
        one->next = NULL;
        one->due = now() + delay;
        one->size = n;
        one->sent = 0;
        if (w->first) w->last->next = one; else w->first = one;
        w->last = one;
    }
}

/* Writes what is due. */
static void push(struct way *w, int64_t at)
{
    int was = w->blocked;
    w->blocked = 0;
    while (w->first && w->first->due <= at) {
        struct piece *one = w->first;
        ssize_t n = send(w->to, one->bytes + one->sent, one->size - one->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) { w->blocked = 1; break; }
        if (n > 0) one->sent += n;
        if (n < 0 || one->sent == one->size) { w->first = one->next; give_back(one); }
    }
    if (w->blocked != was) watch(w->back, EPOLL_CTL_MOD);
    if (w->closed && !w->over && !w->first && w->closed_at <= at) {
        shutdown(w->to, SHUT_WR);
        w->over = 1;
    }
}

/* Writes on all ways what is due, lets go of connections that are over; gives when the next piece is due, or 0. */
static int64_t push_all(void)
{
    int64_t at = now(), next = 0;
    for (struct way **link = &ways; *link;) {
        struct way *w = *link;
        push(w, at);
        int64_t due = w->blocked || w->over ? 0 : w->first ? w->first->due : w->closed ? w->closed_at : 0;
        if (due && (!next || due < next)) next = due;
        /* The second of a pair to be over, or the first met with both over, closes; the other follows in this round. */
        if (w->over && (!w->back || w->back->over)) {
            if (w->back) w->back->back = NULL;
            close(w->from);
            *link = w->next;
            free(w);
        } else {
            link = &w->next;
        }
    }
    return next;
}

static struct way *way(int from, int to)
{
    int on = 1;
    setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(from, F_SETFL, O_NONBLOCK);
    struct way *w = calloc(1, sizeof *w);
    w->from = from;
    w->to = to;
    w->next = ways;
    return ways = w;
}

static struct sockaddr_in loopback(int number)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(number);
    return address;
}

static void welcome(int listener)
{
    struct sockaddr_in address = loopback(port);
    int near = accept(listener, NULL, NULL), far = socket(AF_INET, SOCK_STREAM, 0);
    if (near < 0) { close(far); return; }
    if (connect(far, (struct sockaddr *)&address, sizeof address)) { close(near); close(far); return; }
    struct way *there = way(near, far), *back = way(far, near);
    there->back = back;
    back->back = there;
    watch(there, EPOLL_CTL_ADD);
    watch(back, EPOLL_CTL_ADD);
}

static int listening(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1000)) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void wake_at(int timer, int64_t at)
{
    struct itimerspec when = {.it_value = {at / 1000000000, at % 1000000000}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static int64_t rung(int timer)
{
    uint64_t times;
    if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN) die("timer");
    return 0; /* nothing is set any more */
}

int main(int argc, char **argv)
{
    if (argc != 3) { fprintf(stderr, "usage: proxy PORT DELAY\n"); return 2; }
    port = atoi(argv[1]);
    delay = (int64_t)(atof(argv[2]) * 1e6);
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    poll_fd = epoll_create1(0);
    int listener = listening(), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event ready[256], event = {.events = EPOLLIN, .data.ptr = &port};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    event.data.ptr = &timer;
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &event);
    int64_t set = 0, due;
    while (!ending) {
        int n = epoll_wait(poll_fd, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr == &port) welcome(listener);
            else if (ready[i].data.ptr == &timer) set = rung(timer);
            else pull(ready[i].data.ptr);
        }
        while ((due = push_all()) && due <= now()) {}
        if (due != set) wake_at(timer, set = due); /* at 0 it is switched off */
    }
    return 0;
}
