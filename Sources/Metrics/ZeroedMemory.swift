#if canImport(Glibc)
    import Glibc
#endif

extension UnsafeMutableRawPointer {
    /// Memory full of zeros; large pieces are fresh pages of the system (calloc(3)). Aligned for any number.
    static func zeroed(byteCount: Int) -> UnsafeMutableRawPointer {
        guard let bytes = calloc(max(1, byteCount), 1) else { fatalError("out of memory") }
        return bytes
    }

    /// Gives ``zeroed(byteCount:)``'s memory back.
    func freeZeroed() { free(self) }
}
