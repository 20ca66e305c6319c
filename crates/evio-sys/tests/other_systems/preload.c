/* Has calls of Linux do what those of other systems do, in a program that is preloaded with it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
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
