/* Preload for user-mode Linux on processors with a large extended register state (AMX).
 *
 * User-mode Linux saves and restores its processes' floating-point registers with ptrace requests
 * for the register set NT_X86_XSTATE, through a buffer of a size fixed when it was built. Where
 * the processor has more state than fits, the host's kernel refuses the shorter buffer (EFAULT or
 * EINVAL on restoring) and the guest dies. Here both requests go through a buffer that holds
 * whatever the host wants: the guest sees the part it knows, the rest is kept as it was.
 *
 * Only this one wrapper is replaced, so every other request has to be passed on as the C library
 * does it: the three PEEK requests return the word in place of a status. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { XSTATE = 0x202 }; /* NT_X86_XSTATE, elf.h */

/* User-mode Linux asks from one thread at a time. Its stacks are too small for this. */
static char state[1 << 16] __attribute__((aligned(64)));

static long transfer(int request, long pid, void *set, struct iovec *guest)
{
	struct iovec host = { state, sizeof state };
	size_t shared;

	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, set, &host) < 0)
		return -1;
	shared = guest->iov_len < host.iov_len ? guest->iov_len : host.iov_len;
	if (request == PTRACE_GETREGSET) {
		memcpy(guest->iov_base, state, shared);
		guest->iov_len = shared;
		return 0;
	}
	memcpy(state, guest->iov_base, shared);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, set, &host);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	long pid, status, word;
	void *address, *data;

	va_start(arguments, request);
	pid = va_arg(arguments, int);
	address = va_arg(arguments, void *);
	data = va_arg(arguments, void *);
	va_end(arguments);

	switch ((int)request) {
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		if ((uintptr_t)address == XSTATE)
			return transfer(request, pid, address, data);
		break;
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER:
		status = syscall(SYS_ptrace, request, pid, address, &word);
		if (status < 0)
			return -1;
		errno = 0;
		return word;
	}
	return syscall(SYS_ptrace, request, pid, address, data);
}
