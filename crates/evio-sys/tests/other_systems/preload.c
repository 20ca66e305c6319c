/* Has calls of Linux do what those of other systems do, in a program that is preloaded with it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int was_reset(int connection) {
    unsigned char state = 0;
    socklen_t len = sizeof state;
    return getsockopt(connection, IPPROTO_TCP, TCP_INFO, &state, &len) == 0 && state == TCP_CLOSE;
}

/* macOS accepts a connection that was reset, with an address of no length. */
int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict len, int flags) {
    int (*next)(int, struct sockaddr *, socklen_t *, int) = dlsym(RTLD_NEXT, "accept4");
    int connection = next(listener, address, len, flags);
    if (connection >= 0 && len && was_reset(connection)) {
        *len = 0;
    }
    return connection;
}

/* The BSDs refuse a connection to a Unix socket when too many wait there, as if nobody listened. */
int connect(int fd, const struct sockaddr *address, socklen_t len) {
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    int result = next(fd, address, len);
    if (result < 0 && errno == EAGAIN && address->sa_family == AF_UNIX) {
        errno = ECONNREFUSED;
    }
    return result;
}
