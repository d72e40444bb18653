#if canImport(Glibc)
    import Glibc
#endif

/// CLOCK_MONOTONIC.
@inline(__always)
func clockNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
