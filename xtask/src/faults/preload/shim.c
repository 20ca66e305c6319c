/*
 * Faults that a correct server does not notice, preloaded between a server and the C library.
 *
 * Each call on a connection does, at random, less than it could: it receives or sends a part, is
 * interrupted, or says that it would block. That breaks no promise of the kernel, because the
 * connection is then reported again: EPOLL_CTL_MOD with what is registered already makes the kernel
 * look at the socket anew, as epoll(7) has it for EPOLLET. accept4 fails for a connection that goes
 * on waiting, which a listener reports for as long as it does. epoll_wait returns fewer events, in
 * any order.
 *
 * EVIO_FAULTS_SEED is what the faults follow from, and EVIO_FAULTS_COUNTS a file of KINDS numbers
 * of 64 bits, which is mapped, so that the counts outlive the server however it ends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
	SHORT_RECEIVE,
	SHORT_SEND,
	INTERRUPTED,
	WOULD_BLOCK,
	ACCEPT_FAILED,
	FEWER_EVENTS,
	SHUFFLED_EVENTS,
	KINDS
};

/* One call of so many is given a fault, of each kind. */
#define RARITY 6
/* Descriptors that are known; a server in a test has fewer. */
#define DESCRIPTORS 32768
/* The most buffers of one call (UIO_MAXIOV). */
#define BUFFERS 1024

/* What epoll was told of a descriptor. */
struct registration {
	_Atomic int poller; /* Plus one, so that 0 is none. */
	_Atomic uint32_t events;
	_Atomic uint64_t data;
};

static struct registration registrations[DESCRIPTORS];
static _Atomic uint64_t spare[KINDS];
static _Atomic uint64_t *counts = spare;
static uint64_t seed;
static _Atomic uint64_t threads;

#define REAL(name) ((__typeof__(&name))real_##name)
#define FUNCTIONS(f) \
	f(recv) f(recvfrom) f(recvmsg) f(send) f(sendto) f(sendmsg) \
	f(writev) f(accept4) f(epoll_ctl) f(epoll_wait) f(close)
#define DECLARE(name) static void *real_##name;
FUNCTIONS(DECLARE)

__attribute__((constructor)) static void begin(void)
{
#define FIND(name) real_##name = dlsym(RTLD_NEXT, #name);
	FUNCTIONS(FIND)
	const char *text = getenv("EVIO_FAULTS_SEED");
	const char *path = getenv("EVIO_FAULTS_COUNTS");
	seed = text ? strtoull(text, NULL, 10) : 0;
	int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *map = mmap(NULL, sizeof spare, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (map != MAP_FAILED)
		counts = map;
	REAL(close)(file);
}

static uint64_t next(void)
{
	static __thread uint64_t state;
	if (state == 0)
		state = seed ^ ((atomic_fetch_add(&threads, 1) + 1) * 0x9E3779B97F4A7C15u);
	state += 0x9E3779B97F4A7C15u;
	uint64_t mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
	return mixed ^ (mixed >> 31);
}

static int is_time(void)
{
	return next() % RARITY == 0;
}

static void count(enum kind kind)
{
	atomic_fetch_add_explicit(&counts[kind], 1, memory_order_relaxed);
}

static int fail(enum kind kind, int error)
{
	count(kind);
	errno = error;
	return -1;
}

/* A connection is reported at its edges; listeners and all other descriptors are not. */
static int is_connection(int fd)
{
	if (fd < 0 || fd >= DESCRIPTORS || registrations[fd].poller == 0)
		return 0;
	return (registrations[fd].events & EPOLLET) != 0;
}

/* Makes the next poll report the connection again, if it is ready. */
static void report_again(int fd)
{
	int error = errno;
	struct registration *known = &registrations[fd];
	struct epoll_event event = {.events = known->events, .data = {.u64 = known->data}};
	REAL(epoll_ctl)(known->poller - 1, EPOLL_CTL_MOD, fd, &event);
	errno = error;
}

/* Returns a part of a length: mostly any, now and then very few bytes. */
static size_t part_of(size_t len)
{
	size_t most = next() % 4 == 0 && len > 16 ? 16 : len - 1;
	return 1 + next() % most;
}

/* Returns whether a call on a connection fails, and how. */
static int fails(int fd)
{
	if (is_time())
		return fail(INTERRUPTED, EINTR);
	if (is_time()) {
		fail(WOULD_BLOCK, EAGAIN);
		report_again(fd);
		return -1;
	}
	return 0;
}

/* The part of buffers that a call is to get. */
struct part {
	struct iovec buffers[BUFFERS];
	size_t count;
};

static size_t total(const struct iovec *buffers, size_t count)
{
	size_t len = 0;
	for (size_t i = 0; i < count; i++)
		len += buffers[i].iov_len;
	return len;
}

static void cut(struct part *part, const struct iovec *buffers, size_t len)
{
	part->count = 0;
	while (len > 0) {
		struct iovec *next = &part->buffers[part->count];
		*next = buffers[part->count++];
		if (next->iov_len > len)
			next->iov_len = len;
		len -= next->iov_len;
	}
}

/* Calls with a length that is cut, or is not; what was left out is reported again. */
#define CUT(fd, kind, len, call) \
	do { \
		if (fails(fd)) \
			return -1; \
		if ((len) < 2 || !is_time()) \
			break; \
		len = part_of(len); \
		ssize_t done = call; \
		if (done > 0) \
			count(kind); \
		report_again(fd); \
		return done; \
	} while (0)

ssize_t recv(int fd, void *buffer, size_t len, int flags)
{
	if (is_connection(fd) && !(flags & MSG_PEEK))
		CUT(fd, SHORT_RECEIVE, len, REAL(recv)(fd, buffer, len, flags));
	return REAL(recv)(fd, buffer, len, flags);
}

ssize_t recvfrom(int fd, void *buffer, size_t len, int flags, struct sockaddr *from,
		 socklen_t *from_len)
{
	if (is_connection(fd) && !(flags & MSG_PEEK))
		CUT(fd, SHORT_RECEIVE, len, REAL(recvfrom)(fd, buffer, len, flags, from, from_len));
	return REAL(recvfrom)(fd, buffer, len, flags, from, from_len);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	if (is_connection(fd) && fails(fd))
		return -1;
	return REAL(recvmsg)(fd, message, flags);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
	if (is_connection(fd))
		CUT(fd, SHORT_SEND, len, REAL(send)(fd, bytes, len, flags));
	return REAL(send)(fd, bytes, len, flags);
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	if (is_connection(fd))
		CUT(fd, SHORT_SEND, len, REAL(sendto)(fd, bytes, len, flags, to, to_len));
	return REAL(sendto)(fd, bytes, len, flags, to, to_len);
}

static ssize_t send_part(int fd, const struct msghdr *message, size_t len, int flags)
{
	struct part part;
	cut(&part, message->msg_iov, len);
	struct msghdr copy = *message;
	copy.msg_iov = part.buffers;
	copy.msg_iovlen = part.count;
	return REAL(sendmsg)(fd, &copy, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	size_t len = total(message->msg_iov, message->msg_iovlen);
	if (is_connection(fd))
		CUT(fd, SHORT_SEND, len, send_part(fd, message, len, flags));
	return REAL(sendmsg)(fd, message, flags);
}

static ssize_t write_part(int fd, const struct iovec *buffers, size_t len)
{
	struct part part;
	cut(&part, buffers, len);
	return REAL(writev)(fd, part.buffers, (int)part.count);
}

ssize_t writev(int fd, const struct iovec *buffers, int many)
{
	size_t len = total(buffers, (size_t)many);
	if (is_connection(fd))
		CUT(fd, SHORT_SEND, len, write_part(fd, buffers, len));
	return REAL(writev)(fd, buffers, many);
}

int accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
	static const int errors[] = {ECONNABORTED, EPROTO, EAGAIN, EINTR};
	if (is_time())
		return fail(ACCEPT_FAILED, errors[next() % 4]);
	return REAL(accept4)(fd, peer, len, flags);
}

int epoll_ctl(int poller, int operation, int fd, struct epoll_event *event)
{
	int done = REAL(epoll_ctl)(poller, operation, fd, event);
	if (done < 0 || fd < 0 || fd >= DESCRIPTORS)
		return done;
	if (operation == EPOLL_CTL_DEL) {
		registrations[fd].poller = 0;
		return done;
	}
	registrations[fd].events = event->events;
	registrations[fd].data = event->data.u64;
	registrations[fd].poller = poller + 1;
	return done;
}

int epoll_wait(int poller, struct epoll_event *events, int len, int timeout)
{
	if (is_time())
		return fail(INTERRUPTED, EINTR);
	int most = len > 1 && is_time() ? (int)part_of((size_t)len < 8 ? (size_t)len : 8) : len;
	int found = REAL(epoll_wait)(poller, events, most, timeout);
	if (found == most && most < len)
		count(FEWER_EVENTS);
	for (int last = found - 1; last > 0; last--) {
		int other = (int)(next() % (uint64_t)(last + 1));
		struct epoll_event event = events[last];
		events[last] = events[other];
		events[other] = event;
	}
	if (found > 1)
		count(SHUFFLED_EVENTS);
	return found;
}

/* close(2) on Linux: the descriptor is gone also after EINTR. */
int close(int fd)
{
	int was_connection = is_connection(fd);
	if (fd >= 0 && fd < DESCRIPTORS)
		registrations[fd].poller = 0;
	int done = REAL(close)(fd);
	if (done == 0 && was_connection && is_time())
		return fail(INTERRUPTED, EINTR);
	return done;
}
