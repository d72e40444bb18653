import Glibc
public import Logging
import Mount
import SystemPackage

/// Mounts volumes by `pail mount` and takes them away by `pail umount`, each a child process: the mount's own process belongs to nobody then, and
/// lives on when the plugin ends.
///
/// A call's failure is the command's own line. The environment is the plugin's, so that keys may come from there, without what a service manager
/// says to the plugin alone.
public struct MountProcesses: VolumeHost {
    /// The arguments behind `pail mount` for a volume; the mount point comes before them.
    public typealias Arguments =
        @Sendable ([String: String]) throws(VolumeRefusal) -> (source: String, options: [String])

    private let program: String
    private let environment: [String: String]
    private let arguments: Arguments
    private let logger: Logger

    /// A mount that has not opened its root directory after so long hangs; it is not dead.
    private static let patience = Duration.seconds(2)
    /// So many mounts on one directory are taken away.
    private static let mostMounts = 8
    /// `pail umount`: somebody uses the mount.
    private static let busyStatus: Int32 = 8

    /// - Parameters:
    ///   - program: the path of `pail`.
    ///   - environment: for the children.
    public init(program: String, environment: [String: String], logger: Logger, arguments: @escaping Arguments) {
        self.program = program
        self.environment = environment.filter {
            !["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]
                .contains($0.key)
        }
        self.logger = logger
        self.arguments = arguments
    }

    func inspect(_ path: String) async -> VolumeMachine.Found {
        guard MountedFileSystem.all().contains(where: { $0.mountPoint == path }) else { return .nothing }
        let code = await BlockingThread.run(within: Self.patience) { () -> Int32 in
            // Not by stat(2): of a mount that just died the kernel still knows the attributes.
            let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard directory >= 0 else { return errno }
            close(directory)
            return 0
        }
        return code == ENOTCONN || code == ECONNABORTED ? .deadMount : .mount
    }

    func mount(_ record: VolumeRecord, at path: String) async throws(VolumeRefusal) {
        let (source, options) = try arguments(record.options)
        if mkdir(path, 0o755) != 0, errno != EEXIST, errno != ENOTCONN {
            throw VolumeRefusal("\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
        let ended = try await run(["mount", source, path] + options)
        guard ended.status == 0 else { throw refusal(ended) }
    }

    func unmount(_ path: String) async throws(VolumeRefusal) {
        // Two mounts lie on each other where a plugin was killed while it mounted and the next one did as well.
        for _ in 0..<Self.mostMounts {
            try await unmountTop(path)
            if await inspect(path) == .nothing { return }
        }
        throw VolumeRefusal("\(path) is mounted again and again")
    }

    private func unmountTop(_ path: String) async throws(VolumeRefusal) {
        var ended = try await run(["umount", path])
        if ended.status == Self.busyStatus {
            // The containers that had it are gone. Who still looks at it on this host keeps what it has open.
            logger.notice("\(path) is in use on this host: taken away lazily")
            ended = try await run(["umount", "--lazy", path])
        }
        guard ended.status != 0 else { return }
        // What could not be stored is kept on this machine, and the mount is gone: that is for the log.
        guard await inspect(path) == .nothing else { throw refusal(ended) }
        logger.error("\(path): \(refusal(ended))")
    }

    func clear(_ path: String) async throws(VolumeRefusal) {
        guard rmdir(path) == 0 || errno == ENOENT else {
            throw VolumeRefusal("\(path) cannot be removed: \(String(cString: strerror(errno)))")
        }
    }

    private func run(_ words: [String]) async throws(VolumeRefusal) -> ChildProcess.Ended {
        let result = await BlockingThread.run { () -> Result<ChildProcess.Ended, Errno> in
            Result { () throws(Errno) in
                try ChildProcess.run(["pail"] + words, program: program, environment: environment, isApart: true)
            }
        }
        switch result {
        case .success(let ended): return ended
        case .failure(let code): throw VolumeRefusal("\(program) cannot be started: \(code)")
        }
    }

    /// The command's own words: its last line, without its name.
    private func refusal(_ ended: ChildProcess.Ended) -> VolumeRefusal {
        let line =
            ended.errorOutput.split(separator: "\n").last.map(String.init) ?? "it ended with status \(ended.status)"
        return VolumeRefusal(line.hasPrefix("pail: ") ? String(line.dropFirst(6)) : line)
    }
}
