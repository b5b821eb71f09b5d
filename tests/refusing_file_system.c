/* A file system that refuses: symbolic links (REFUSE_LINKS), flock (REFUSE_FLOCK) or fcntl's locks (REFUSE_FCNTL),
   each with the errno that its variable has, for all that lies under REFUSING. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refused(const char *path, const char *what) {
  const char *root = getenv("REFUSING"), *number = getenv(what);
  if (!root || !number || strncmp(path, root, strlen(root)) != 0) return 0;
  errno = atoi(number);
  return 1;
}

static int refused_open(int descriptor, const char *what) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return refused(path, what);
}

int symlink(const char *target, const char *path) {
  if (refused(path, "REFUSE_LINKS")) return -1;
  return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "symlink"))(target, path);
}

int flock(int descriptor, int operation) {
  if (refused_open(descriptor, "REFUSE_FLOCK")) return -1;
  return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(descriptor, operation);
}

static int lock(const char *name, int descriptor, int command, void *argument) {
  if ((command == F_SETLK || command == F_SETLKW) && refused_open(descriptor, "REFUSE_FCNTL")) return -1;
  return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(descriptor, command, argument);
}

int fcntl(int descriptor, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  return lock("fcntl", descriptor, command, argument);
}

int fcntl64(int descriptor, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  return lock("fcntl64", descriptor, command, argument);
}
