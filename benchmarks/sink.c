/* An SMTP server that is no wall: it takes mail as fast as one core can read it, keeps none, and counts.

   Usage: sink COUNTERS [nochunking]
   Prints its port on 127.0.0.1. COUNTERS is a file of eight 64-bit numbers, mapped, so that others may look while it
   works: mails by DATA, mails by BDAT, bytes of content (dot-stuffed where it came by DATA), open connections,
   connections so far, and three of no meaning. Ends at SIGTERM.

   It offers PIPELINING, 8BITMIME, SIZE, SMTPUTF8, ENHANCEDSTATUSCODES and CHUNKING (RFC 5321, 2920, 3030), answers every
   command of a batch and sends the answers in one write. It checks the order MAIL, RCPT, DATA or BDAT, and no address.
   One thread; the end of DATA is looked for in blocks that the compiler turns into vector instructions. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 256 * 1024, LINE = 2048, OUT = 16 * 1024, MOST = 4096, BLOCK = 64 };
enum state { COMMAND, CONTENT, CHUNK };

struct counters { uint64_t by_data, by_bdat, bytes, open, connections, none[3]; };

struct peer {
    int fd, line_len, out_len, closing;
    enum state state;
    int has_sender, has_recipient;
    uint64_t left; /* of a chunk */
    int last;      /* this chunk ends the mail */
    int matched;   /* how much of CR LF . CR LF the content ended with so far */
    char line[LINE], out[OUT];
};

static struct counters *counted;
static struct peer *peers[MOST];
static char room[ROOM];
static int offers_chunking = 1;
static volatile sig_atomic_t ending;

static void end(int signal) { (void)signal; ending = 1; }

static void die(const char *what) { perror(what); exit(1); }

static void say(struct peer *p, const char *text)
{
    int n = strlen(text);
    if (p->out_len + n > OUT) { p->closing = 1; return; } /* a peer that asks and never reads */
    memcpy(p->out + p->out_len, text, n);
    p->out_len += n;
}

static void flush(struct peer *p)
{
    int done = 0;
    while (done < p->out_len) {
        int n = write(p->fd, p->out + done, p->out_len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        done += n;
    }
    memmove(p->out, p->out + done, p->out_len - done);
    p->out_len -= done;
}

static void forget_envelope(struct peer *p) { p->has_sender = p->has_recipient = 0; }

static void bdat(struct peer *p, const char *rest)
{
    char *after;
    p->left = strtoull(rest, &after, 10);
    p->last = strcasestr(after, "LAST") != NULL;
    p->state = CHUNK;
}

static void command(struct peer *p, char *line)
{
    if (!strncasecmp(line, "MAIL FROM:", 10)) {
        say(p, p->has_sender ? "503 5.5.1 one at a time\r\n" : "250 2.1.0 ok\r\n");
        p->has_sender = 1;
    } else if (!strncasecmp(line, "RCPT TO:", 8)) {
        say(p, p->has_sender ? "250 2.1.5 ok\r\n" : "503 5.5.1 MAIL first\r\n");
        p->has_recipient = p->has_sender;
    } else if (!strcasecmp(line, "DATA")) {
        say(p, p->has_recipient ? "354 go on\r\n" : "503 5.5.1 RCPT first\r\n");
        /* The CR LF of the command counts: an empty mail is a dot alone. */
        if (p->has_recipient) { p->state = CONTENT; p->matched = 2; }
    } else if (offers_chunking && !strncasecmp(line, "BDAT ", 5)) {
        bdat(p, line + 5);
    } else if (!strncasecmp(line, "EHLO", 4)) {
        say(p, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 50000000\r\n250-SMTPUTF8\r\n");
        if (offers_chunking) say(p, "250-CHUNKING\r\n");
        say(p, "250 ENHANCEDSTATUSCODES\r\n");
        forget_envelope(p);
    } else if (!strncasecmp(line, "HELO", 4)) {
        say(p, "250 sink\r\n");
    } else if (!strncasecmp(line, "RSET", 4) || !strncasecmp(line, "NOOP", 4)) {
        if (toupper((unsigned char)line[0]) == 'R') forget_envelope(p);
        say(p, "250 2.0.0 ok\r\n");
    } else if (!strncasecmp(line, "QUIT", 4)) {
        say(p, "221 2.0.0 bye\r\n");
        p->closing = 1;
    } else {
        say(p, "500 5.5.2 what?\r\n");
    }
}

static void taken(struct peer *p, uint64_t *by)
{
    ++*by;
    say(p, "250 2.0.0 taken\r\n");
    forget_envelope(p);
    p->state = COMMAND;
}

/* Where the next LF with a dot behind it may be, or size; whole blocks without one are passed over. */
static size_t skip(const char *at, size_t from, size_t size)
{
    while (from + BLOCK + 1 <= size) {
        unsigned char any = 0;
        for (int i = 0; i < BLOCK; i++) any |= (at[from + i] == '\n') & (at[from + i + 1] == '.');
        if (any) break;
        from += BLOCK;
    }
    while (from + 1 < size && !(at[from] == '\n' && at[from + 1] == '.')) from++;
    return from + 1 < size ? from : size;
}

/* Bytes of content eaten; the mail is complete when the state is COMMAND again. */
static size_t content(struct peer *p, const char *at, size_t size)
{
    static const char mark[] = "\r\n.\r\n";
    size_t i = 0;
    while (i < size) {
        if (p->matched == 0) {
            size_t lf = skip(at, i, size);
            if (lf == size) {
                /* The CR, or CR and LF, before a dot may be the last we have. */
                if (at[size - 1] == '\r') p->matched = 1;
                else if (size - i > 1 && at[size - 2] == '\r' && at[size - 1] == '\n') p->matched = 2;
                i = size;
                break;
            }
            if (lf == i || at[lf - 1] != '\r') { i = lf + 1; continue; }
            p->matched = 2;
            i = lf + 1;
        }
        char c = at[i++];
        if (c == mark[p->matched]) {
            if (++p->matched == 5) {
                p->matched = 0;
                taken(p, &counted->by_data);
                break;
            }
        } else {
            p->matched = c == '\r';
        }
    }
    counted->bytes += i;
    return i;
}

static size_t chunk(struct peer *p, size_t size)
{
    size_t n = size < p->left ? size : p->left;
    p->left -= n;
    counted->bytes += n;
    return n;
}

static void chunk_ended(struct peer *p)
{
    p->state = COMMAND;
    if (!p->has_recipient) say(p, "503 5.5.1 RCPT first\r\n");
    else if (p->last) taken(p, &counted->by_bdat);
    else say(p, "250 2.0.0 go on\r\n");
}

static size_t commands(struct peer *p, const char *at, size_t size)
{
    const char *lf = memchr(at, '\n', size);
    size_t n = lf ? (size_t)(lf - at) + 1 : size;
    if (p->line_len + n >= LINE) { p->closing = 1; return size; }
    memcpy(p->line + p->line_len, at, n);
    p->line_len += n;
    if (lf) {
        int len = p->line_len;
        while (len && (p->line[len - 1] == '\n' || p->line[len - 1] == '\r')) len--;
        p->line[len] = 0;
        p->line_len = 0;
        command(p, p->line);
    }
    return n;
}

static void feed(struct peer *p, const char *at, size_t size)
{
    while (size && !p->closing) {
        size_t n = p->state == CONTENT ? content(p, at, size) : p->state == CHUNK ? chunk(p, size) : commands(p, at, size);
        at += n;
        size -= n;
        if (p->state == CHUNK && !p->left) chunk_ended(p);
    }
}

static void drop(struct peer *p)
{
    peers[p->fd] = NULL;
    close(p->fd);
    free(p);
    counted->open--;
}

static void readable(struct peer *p)
{
    ssize_t n = read(p->fd, room, ROOM);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) { drop(p); return; }
    feed(p, room, n);
    flush(p);
    if (p->closing) drop(p);
}

static void welcome(int listener, int poll)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    if (fd >= MOST) { close(fd); return; }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct peer *p = calloc(1, sizeof *p);
    p->fd = fd;
    peers[fd] = p;
    counted->open++;
    counted->connections++;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    say(p, "220 sink ESMTP\r\n");
    flush(p);
}

static void count_in(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *counted)) die(path);
    counted = mmap(NULL, sizeof *counted, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counted == MAP_FAILED) die("mmap");
}

static int listening(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1000)) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    if (argc < 2) { fprintf(stderr, "usage: sink COUNTERS [nochunking]\n"); return 2; }
    offers_chunking = argc < 3;
    count_in(argv[1]);
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    int listener = listening(), poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    while (!ending) {
        int n = epoll_wait(poll, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == listener) welcome(listener, poll);
            else if (peers[ready[i].data.fd]) readable(peers[ready[i].data.fd]);
        }
    }
    return 0;
}
