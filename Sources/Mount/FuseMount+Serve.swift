import SystemPackage

extension FuseMount {
    /// ``run(onHangUp:onEnding:onReady:)`` on a thread of its own, for callers that are tasks: they wait without blocking one of Swift's
    /// few threads.
    public func serve(
        onHangUp: (@Sendable () -> Void)? = nil, onEnding: (@Sendable () -> Void)? = nil,
        onReady: @escaping @Sendable () -> Void
    ) async throws(MountError) -> MountEnd {
        let result: Result<MountEnd, MountError> = await withCheckedContinuation { continuation in
            do throws(Errno) {
                _ = try PosixThread(name: "pail-mount") { [self] in
                    continuation.resume(
                        returning: Result { () throws(MountError) in
                            try run(onHangUp: onHangUp, onEnding: onEnding, onReady: onReady)
                        })
                }
            } catch {
                continuation.resume(returning: .failure(.system("starting a thread", error)))
            }
        }
        return try result.get()
    }
}
