/* Resolves its argument with the getaddrinfo of musl and prints what it found. Debian's musl headers come with all of gcc: what is needed of
   them stands here, and tcc, which has no start file for musl, is told where to begin. For x86-64. */
struct addrinfo {
  int flags, family, socktype, protocol;
  unsigned length;
  void *address;
  char *canonname;
  struct addrinfo *next;
};
int getaddrinfo(const char *, const char *, const struct addrinfo *, struct addrinfo **);
const char *gai_strerror(int);
const char *inet_ntop(int, const void *, char *, unsigned);
int puts(const char *);
int __libc_start_main(int (*)(int, char **), int, char **, void *, void *, void *);

enum { INET = 2, STREAM = 1, BEFORE_IPV4 = 4, BEFORE_IPV6 = 8 };

int main(int count, char **argv) {
  struct addrinfo hints = {.socktype = STREAM}, *found;
  char text[64];
  int code = getaddrinfo(argv[1], 0, &hints, &found);
  if (code != 0) return puts(gai_strerror(code)), 1;
  for (; found != 0; found = found->next) {
    char *address = (char *)found->address + (found->family == INET ? BEFORE_IPV4 : BEFORE_IPV6);
    puts(inet_ntop(found->family, address, text, sizeof text));
  }
  return 0;
}

void start(long *stack) { __libc_start_main(main, (int)stack[0], (char **)(stack + 1), 0, 0, 0); }
asm(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start");
