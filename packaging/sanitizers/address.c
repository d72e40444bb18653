// Linked into every program that packaging/sanitize builds for AddressSanitizer, and into no other. Options are compiled in
// and not given by the environment alone, because some tests start programs with a cleared one. ASAN_OPTIONS goes over them.
const char *__asan_default_options(void) { return "detect_leaks=1:strict_string_checks=1"; }
