// Errno values that only a kernel needs to know (asm-generic/errno.h): namewall itself never tells these apart, so ERRNO has them not.
export const KERNEL_ERRNO = {
  EBADF: 9,
  EFAULT: 14,
  ERANGE: 34,
  EDESTADDRREQ: 89,
  EAFNOSUPPORT: 97,
} as const;
