/*
 * Sends requests evenly over connections that are kept, and tells what each took, in milliseconds
 * from when it was due to the end of its answer: what one waits for its turn counts, too.
 *
 *     paced HOST PORT REQUESTS TOOK RATE WARM_UP SECONDS CONNECTIONS
 *
 * HOST is an IPv4 address. REQUESTS has what is sent in turn, as it goes over the wire, each ended
 * by a zero byte. TOOK becomes one double for each request that counts, in order, infinite where its
 * answer was not 200. Standard output has how many seconds those that count went on. It understands
 * answers that say how long they are (RFC 9112, 6.2), up to 64 KB, and opens one connection after the
 * other.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 65536, EVENTS = 256 };

/* Seconds. What takes longer has failed, and is not waited for. */
static const double TIMEOUT = 10;
/* Seconds that a request may be late: each time it wakes takes from what is measured. */
static const double SLACK = 0.0005;

struct request {
  char *text;
  ssize_t length;
};

struct connection {
  int socket; /* -1: there is none. */
  long turn;  /* Of the request on its way; -1: it is unused. */
  double sent_at;
  size_t filled; /* Of answer. */
  char answer[ANSWER];
};

static struct sockaddr_in server;
static struct request *requests;
static size_t request_count;
static struct connection *connections;
static struct connection **unused;
static size_t connection_count;
static size_t unused_count;
static int poller;

static double began;
static double rate;
static double *took;
static long uncounted;
static long total;
static long sent;
static long answered;

static void *room_for(size_t count, size_t size) {
  void *room = calloc(count, size);
  if (room == NULL) err(1, "calloc");
  return room;
}

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static double due(long turn) {
  return began + turn / rate;
}

static void read_requests(const char *name) {
  FILE *file = fopen(name, "r");
  if (file == NULL) err(1, "%s", name);
  size_t room = 0;
  for (;;) {
    struct request request = {.text = NULL};
    size_t size = 0;
    request.length = getdelim(&request.text, &size, '\0', file) - 1;
    if (request.length < 0) break;
    if (request_count == room) {
      room = room == 0 ? 1024 : 2 * room;
      requests = realloc(requests, room * sizeof *requests);
      if (requests == NULL) err(1, "realloc");
    }
    requests[request_count++] = request;
  }
  fclose(file);
  if (request_count == 0) errx(1, "%s: there is no request in it", name);
}

/* Returns whether the server took it. */
static bool open_connection(struct connection *connection) {
  int made = socket(AF_INET, SOCK_STREAM, 0);
  if (made < 0) err(1, "socket");
  if (connect(made, (struct sockaddr *)&server, sizeof server) != 0) {
    close(made);
    return false;
  }
  int on = 1;
  setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(made, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, made, &event) != 0) err(1, "epoll_ctl");
  connection->socket = made;
  return true;
}

static void conclude(struct connection *connection, bool succeeded) {
  long turn = connection->turn;
  if (turn < 0) return;
  if (turn >= uncounted) took[turn - uncounted] = succeeded ? (now() - due(turn)) * 1e3 : INFINITY;
  answered++;
  connection->turn = -1;
  connection->filled = 0;
  unused[unused_count++] = connection;
}

static void lose(struct connection *connection) {
  if (connection->socket >= 0) close(connection->socket);
  connection->socket = -1;
  conclude(connection, false);
}

static void send_next(void) {
  struct connection *connection = unused[--unused_count];
  connection->turn = sent++;
  connection->sent_at = now();
  const struct request *request = &requests[connection->turn % request_count];
  bool open = connection->socket >= 0 || open_connection(connection);
  /* Nothing else is on its way there: the kernel has room for all of it. */
  if (!open || write(connection->socket, request->text, request->length) != request->length) {
    lose(connection);
  }
}

/* Whatever is due by now: where the machine was late, requests are sent late and say so. */
static void send_due(void) {
  double until = now();
  while (sent < total && unused_count > 0 && due(sent) <= until) send_next();
}

/* Until the next request may go out, or an answer comes; a second, to look for what is overdue. */
static int wait_for(struct epoll_event *events) {
  double wait = 1;
  if (sent < total && unused_count > 0) wait = fmin(wait, fmax(SLACK, due(sent) - now()));
  struct timespec timeout = {.tv_sec = (time_t)wait, .tv_nsec = (long)(fmod(wait, 1) * 1e9)};
  struct pollfd ready = {.fd = poller, .events = POLLIN};
  /* epoll_wait itself counts in milliseconds. */
  if (ppoll(&ready, 1, &timeout, NULL) < 0 && errno != EINTR) err(1, "ppoll");
  int count = epoll_wait(poller, events, EVENTS, 0);
  if (count < 0) err(1, "epoll_wait");
  return count;
}

/* Where the value of a header begins; NULL: there is no such header. */
static const char *header(const char *answer, const char *name, const char *head_end) {
  const char *found = strcasestr(answer, name);
  return found != NULL && found < head_end ? found + strlen(name) : NULL;
}

/* Where there is all of an answer, it is taken; where that cannot be told, it has failed. */
static void understand(struct connection *connection) {
  const char *answer = connection->answer;
  const char *head_end = strstr(answer, "\r\n\r\n");
  if (head_end == NULL) return;
  const char *length = header(answer, "\r\ncontent-length:", head_end);
  if (length == NULL) {
    lose(connection);
    return;
  }
  size_t end = head_end + strlen("\r\n\r\n") - answer + strtoul(length, NULL, 10);
  if (connection->filled < end) return;
  bool closes = header(answer, "\r\nconnection: close", head_end) != NULL;
  int status = atoi(answer + strlen("HTTP/1.1 "));
  conclude(connection, status == 200);
  if (closes) lose(connection);
}

static void receive(struct connection *connection) {
  char *end = connection->answer + connection->filled;
  ssize_t size = read(connection->socket, end, ANSWER - 1 - connection->filled);
  if (size < 0 && errno == EAGAIN) return;
  /* It has ended, there is no room, or nobody asked. */
  if (size <= 0 || connection->turn < 0) {
    lose(connection);
    return;
  }
  end[size] = '\0';
  connection->filled += size;
  understand(connection);
}

static void give_up(void) {
  double latest = now() - TIMEOUT;
  for (size_t at = 0; at < connection_count; at++) {
    if (connections[at].turn >= 0 && connections[at].sent_at < latest) lose(&connections[at]);
  }
}

static void send_all(void) {
  struct epoll_event events[EVENTS];
  began = now();
  double looked = began;
  while (answered < total) {
    send_due();
    int count = wait_for(events);
    for (int at = 0; at < count; at++) receive(events[at].data.ptr);
    if (now() - looked < 1) continue;
    give_up();
    looked = now();
  }
}

static void write_took(const char *file) {
  size_t counted = total - uncounted;
  FILE *out = fopen(file, "w");
  if (out == NULL) err(1, "%s", file);
  if (fwrite(took, sizeof *took, counted, out) != counted || fclose(out) != 0) err(1, "%s", file);
}

static void prepare_connections(size_t count) {
  connection_count = count;
  connections = room_for(count, sizeof *connections);
  unused = room_for(count, sizeof *unused);
  for (size_t at = 0; at < count; at++) {
    connections[at].socket = -1;
    connections[at].turn = -1;
    unused[unused_count++] = &connections[at];
  }
  poller = epoll_create1(0);
  if (poller < 0) err(1, "epoll_create1");
}

int main(int argc, char **argv) {
  if (argc != 9) errx(2, "HOST PORT REQUESTS TOOK RATE WARM_UP SECONDS CONNECTIONS");
  signal(SIGPIPE, SIG_IGN); /* write says so, too. */
  server.sin_family = AF_INET;
  server.sin_port = htons(atoi(argv[2]));
  if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) errx(2, "%s is no IPv4 address", argv[1]);
  rate = atof(argv[5]);
  double warm_up = atof(argv[6]);
  double seconds = atof(argv[7]);
  long most = atol(argv[8]);
  uncounted = (long)(rate * warm_up);
  total = uncounted + (long)(rate * seconds);
  if (uncounted < 0 || total <= uncounted || most <= 0) errx(2, "there is nothing to send");
  read_requests(argv[3]);
  took = room_for(total - uncounted, sizeof *took);
  prepare_connections(most);
  send_all();
  printf("%f\n", now() - began - warm_up);
  write_took(argv[4]);
  return 0;
}
