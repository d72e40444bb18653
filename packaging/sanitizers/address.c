// Linked into every program that packaging/sanitize builds for AddressSanitizer, and into no other. Options are compiled in
// and not given by the environment alone, because some tests start programs with a cleared one. ASAN_OPTIONS and LSAN_OPTIONS
// go over them.
const char *__asan_default_options(void) { return "detect_leaks=1:strict_string_checks=1:handle_sigill=1"; }

const char *__lsan_default_options(void) { return "print_suppressions=0"; }

// Leaks that are not ours, each with its reason.
const char *__lsan_default_suppressions(void) {
    return
        // libfuse's copy of the mount point's path, some 20 bytes. It is freed by fuse_session_unmount alone, which must not
        // be called for a mount that was detached while in use: see Session.destroy. Such a process is about to end.
        "leak:^fuse_session_mount$\n";
}
