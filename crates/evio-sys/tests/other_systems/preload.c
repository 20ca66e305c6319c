/* Has calls of Linux do what those of other systems do, in a program that is preloaded with it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* Which of them the test is about. */
static int is_on(const char *system) {
    const char *wanted = getenv("EVIO_TEST_ELSEWHERE");
    return wanted && strcmp(wanted, system) == 0;
}

static int was_reset(int connection) {
    unsigned char state = 0;
    socklen_t len = sizeof state;
    return getsockopt(connection, IPPROTO_TCP, TCP_INFO, &state, &len) == 0 && state == TCP_CLOSE;
}

/* macOS accepts a connection that was reset, with an address of no length. */
int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict len, int flags) {
    int (*next)(int, struct sockaddr *, socklen_t *, int) = dlsym(RTLD_NEXT, "accept4");
    int connection = next(listener, address, len, flags);
    if (connection >= 0 && len && is_on("macos") && was_reset(connection)) {
        *len = 0;
    }
    return connection;
}

/* The BSDs refuse a connection to a Unix socket when too many wait there, as if nobody listened.
 * gVisor refuses that of a socket of datagrams to one of streams. */
int connect(int fd, const struct sockaddr *address, socklen_t len) {
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    int result = next(fd, address, len);
    int refuses = (errno == EAGAIN && is_on("bsd")) || (errno == EPROTOTYPE && is_on("gvisor"));
    if (result < 0 && address->sa_family == AF_UNIX && refuses) {
        errno = ECONNREFUSED;
    }
    return result;
}

/* NetBSD's kernel asks the socket whether a send waits, and not the call (sosend in uipc_socket.c).
 * That of Linux asks both. */
static int heeded(int fd, int flags) {
    int is_blocking = (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
    return is_on("netbsd") && is_blocking ? flags & ~MSG_DONTWAIT : flags;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    ssize_t (*next)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");
    return next(fd, bytes, len, heeded(fd, flags));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    ssize_t (*next)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    return next(fd, message, heeded(fd, flags));
}

/* The BSDs let 128 connections wait unless they are told otherwise (kern.ipc.somaxconn). What was
 * asked for is written down. */
int listen(int fd, int backlog) {
    int (*next)(int, int) = dlsym(RTLD_NEXT, "listen");
    const char *record = getenv("EVIO_TEST_RECORD");
    FILE *file = record ? fopen(record, "a") : NULL;
    if (file) {
        fprintf(file, "%d\n", backlog);
        fclose(file);
    }
    return next(fd, is_on("bsd") && backlog > 128 ? 128 : backlog);
}

/* OpenBSD has no socket that serves both IPv6 and IPv4. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
    int (*next)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && !*(const int *)value && is_on("openbsd")) {
        errno = EINVAL;
        return -1;
    }
    return next(fd, level, name, value, len);
}

/* Where the C code of a program calls its Rust code, nobody has SIGPIPE ignored. */
sighandler_t signal(int number, sighandler_t action) {
    sighandler_t (*next)(int, sighandler_t) = dlsym(RTLD_NEXT, "signal");
    if (number == SIGPIPE && is_on("c")) {
        action = SIG_DFL;
    }
    return next(number, action);
}
