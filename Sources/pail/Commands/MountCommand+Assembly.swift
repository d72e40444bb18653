import Logging

extension MountCommand {
    /// Puts the layers together and serves until the mount ends.
    static func mount(_ plan: MountPlan, logger: Logger, ready: @escaping @Sendable () -> Bool)
        async throws(CommandError)
    {
        try StateDirectory.prepare(plan.stateDirectory)
        throw CommandError(.failure, "this build has no file system in it")
    }
}

extension UnmountCommand {
    /// Takes the mount away.
    static func unmount(_ path: String, lazily: Bool) throws(CommandError) {
        throw CommandError(.failure, "this build has no kernel side in it")
    }
}
