/*
 * Sends requests evenly over connections that are kept, and tells what each took, in milliseconds
 * from when it was due to the end of its answer: what one waits for its turn counts, too.
 *
 *     paced HOST PORT METHOD PATH TOKENS TOOK RATE WARM_UP SECONDS CONNECTIONS
 *
 * TOKENS has the bearer token of each request in turn, one a line. TOOK becomes one double for each
 * request that counts, in order, infinite where it failed. Standard output has how many seconds those
 * that count went on. It understands answers that say how long they are (RFC 9112, 6.2), up to 16 KB.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 16384, EVENTS = 256 };

/* Seconds. What takes longer has failed, and is not waited for. */
static const double TIMEOUT = 10;
/* What is due within this is sent together: each time it wakes takes from what is measured. */
static const double TOGETHER = 0.0005;

struct request {
  char *text;
  int length;
};

struct connection {
  int socket;    /* -1: there is none. */
  long turn;     /* Of the request on its way; -1: it is free. */
  double sent;
  size_t filled; /* Of answer. */
  char answer[ANSWER];
};

static struct sockaddr_in server;
static struct request *requests;
static long request_count;
static struct connection *connections, **unused;
static int connection_count, unused_count, epoll;

static double began, rate, *took;
static long uncounted, total, sent, answered;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void *room_for(size_t count, size_t size) {
  void *room = calloc(count, size);
  if (room == NULL) fail("calloc");
  return room;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double due(long turn) {
  return began + turn / rate;
}

static void read_tokens(const char *file, const char *host, const char *method, const char *path) {
  const char *body = strcmp(method, "GET") == 0 ? "" : "Content-Length: 0\r\n";
  FILE *tokens = fopen(file, "r");
  if (tokens == NULL) fail(file);
  char *token = NULL;
  size_t room = 0, space = 0;
  for (ssize_t length; (length = getline(&token, &room, tokens)) > 0; request_count++) {
    if (token[length - 1] == '\n') token[length - 1] = '\0';
    if (request_count == (long)space) {
      space = space == 0 ? 1024 : 2 * space;
      requests = realloc(requests, space * sizeof *requests);
      if (requests == NULL) fail("realloc");
    }
    struct request *request = &requests[request_count];
    request->length = asprintf(
        &request->text, "%s %s HTTP/1.1\r\nHost: %s:%d\r\nAuthorization: Bearer %s\r\n%s\r\n",
        method, path, host, ntohs(server.sin_port), token, body);
    if (request->length < 0) fail("asprintf");
  }
  free(token);
  fclose(tokens);
  if (request_count == 0) {
    fprintf(stderr, "%s: there is no token in it.\n", file);
    exit(1);
  }
}

/* Leaves it without a socket where the server does not take it. */
static void open_connection(struct connection *connection) {
  int on = 1, made = socket(AF_INET, SOCK_STREAM, 0);
  if (made < 0) fail("socket");
  if (connect(made, (struct sockaddr *)&server, sizeof server) != 0) {
    close(made);
    return;
  }
  setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(made, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, made, &event) != 0) fail("epoll_ctl");
  connection->socket = made;
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
  const struct request *request = &requests[sent % request_count];
  connection->turn = sent++;
  connection->sent = now();
  if (connection->socket < 0) open_connection(connection);
  /* Nothing else is on its way there: the kernel has room for all of it. */
  if (write(connection->socket, request->text, request->length) != request->length) lose(connection);
}

/* Whatever is due by now: where the machine was late, requests are sent late and say so. */
static void send_due(void) {
  double until = now();
  while (sent < total && unused_count > 0 && due(sent) <= until) send_next();
}

/* Waits for answers, or until the next request may go out. */
static int wait_for(struct epoll_event *events) {
  double wait = 1; /* Looks for what has taken too long. */
  if (sent < total && unused_count > 0) wait = fmin(wait, fmax(TOGETHER, due(sent) - now()));
  struct timespec time = {.tv_sec = (time_t)wait, .tv_nsec = (long)(fmod(wait, 1) * 1e9)};
  int count = epoll_pwait2(epoll, events, EVENTS, &time, NULL);
  if (count < 0 && errno != EINTR) fail("epoll_pwait2");
  return count;
}

/* Where the answer that has come so far ends; 0: not yet known, -1: it does not say. */
static long end_of(const char *answer) {
  const char *head_end = strstr(answer, "\r\n\r\n");
  if (head_end == NULL) return 0;
  const char *length = strcasestr(answer, "\r\ncontent-length:");
  if (length == NULL || length > head_end) return -1;
  return head_end + strlen("\r\n\r\n") - answer + atol(length + strlen("\r\ncontent-length:"));
}

static void receive(struct connection *connection) {
  char *answer = connection->answer;
  ssize_t size = read(connection->socket, answer + connection->filled, ANSWER - 1 - connection->filled);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0 || connection->turn < 0) return lose(connection); /* Closed, or nobody asked. */
  connection->filled += size;
  answer[connection->filled] = '\0';
  long end = end_of(answer);
  if (end < 0 || end >= ANSWER) return lose(connection);
  if (end == 0 || (long)connection->filled < end) return;
  int status = atoi(answer + strlen("HTTP/1.1 "));
  conclude(connection, status >= 200 && status < 400);
}

static void give_up(void) {
  double latest = now() - TIMEOUT;
  for (int at = 0; at < connection_count; at++) {
    if (connections[at].turn >= 0 && connections[at].sent < latest) lose(&connections[at]);
  }
}

static void send_all(void) {
  struct epoll_event events[EVENTS];
  double looked = began = now();
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
  FILE *out = fopen(file, "w");
  size_t counted = total - uncounted;
  if (out == NULL || fwrite(took, sizeof *took, counted, out) != counted || fclose(out) != 0) fail(file);
}

int main(int count, char **arguments) {
  if (count != 11) {
    fprintf(stderr, "paced HOST PORT METHOD PATH TOKENS TOOK RATE WARM_UP SECONDS CONNECTIONS\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN); /* write says so, too. */
  server.sin_family = AF_INET;
  server.sin_port = htons(atoi(arguments[2]));
  if (inet_pton(AF_INET, arguments[1], &server.sin_addr) != 1) fail(arguments[1]);
  read_tokens(arguments[5], arguments[1], arguments[3], arguments[4]);
  rate = atof(arguments[7]);
  double warm_up = atof(arguments[8]), seconds = atof(arguments[9]);
  uncounted = (long)(rate * warm_up);
  total = uncounted + (long)(rate * seconds);
  took = room_for(total - uncounted, sizeof *took);
  connection_count = atoi(arguments[10]);
  connections = room_for(connection_count, sizeof *connections);
  unused = room_for(connection_count, sizeof *unused);
  epoll = epoll_create1(0);
  for (int at = 0; at < connection_count; at++) {
    connections[at].socket = connections[at].turn = -1;
    unused[unused_count++] = &connections[at];
  }
  send_all();
  printf("%f\n", now() - began - warm_up);
  write_took(arguments[6]);
  return 0;
}
